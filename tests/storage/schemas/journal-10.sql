BEGIN TRANSACTION;
CREATE TABLE attempts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, n INTEGER NOT NULL, at REAL NOT NULL, task_type TEXT,
        model TEXT NOT NULL, provider TEXT NOT NULL, outcome TEXT NOT NULL, code TEXT, message TEXT, offset_chars INTEGER,
        ttft_s REAL, total_s REAL, load_s REAL, prefill_s REAL, decode_s REAL, prompt_tokens INTEGER, completion_tokens INTEGER,
        estimated_tokens INTEGER, cached_tokens INTEGER, draft_tokens INTEGER, draft_accepted INTEGER, repairs TEXT);
INSERT INTO "attempts" VALUES(1,'018bcfe56800abcdef',0,1700000000.0,'simple','old:7b','ollama','ok',NULL,NULL,0,NULL,1.5,NULL,NULL,NULL,10,20,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE corrections (run_id TEXT PRIMARY KEY, at REAL NOT NULL, task TEXT NOT NULL, said TEXT, task_type TEXT NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "facts" VALUES('journal_id','j0123456789ab');
CREATE TABLE forgotten (seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL);
CREATE TABLE graded (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, task_id TEXT NOT NULL, task_hash TEXT NOT NULL, task_type TEXT NOT NULL,
        lang TEXT NOT NULL, prompt TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, digest TEXT NOT NULL, answer TEXT,
        score REAL, how TEXT, why TEXT, seconds REAL, error TEXT, server TEXT NOT NULL DEFAULT '', UNIQUE (task_id, task_hash, model, provider, digest));
CREATE TABLE learned (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE model_info (digest TEXT PRIMARY KEY, at REAL NOT NULL, info TEXT NOT NULL);
CREATE TABLE ratings (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, at REAL NOT NULL, task TEXT NOT NULL, task_type TEXT,
        model TEXT NOT NULL, provider TEXT NOT NULL, score REAL NOT NULL, kind TEXT NOT NULL, UNIQUE (run_id, model, provider));
CREATE TABLE runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, at REAL NOT NULL, face TEXT NOT NULL, session TEXT,
        status TEXT NOT NULL, task TEXT, system TEXT, messages TEXT, answer TEXT, redacted INTEGER NOT NULL, remember INTEGER NOT NULL,
        task_type TEXT, confidence REAL, model TEXT, provider TEXT, decision TEXT, error_code TEXT, error TEXT, degraded INTEGER NOT NULL,
        source TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, load_s REAL, ttft_s REAL, total_s REAL, config_hash TEXT, title TEXT, client TEXT, alternative_to TEXT, response TEXT, chore TEXT);
INSERT INTO "runs" VALUES(1,'018bcfe56800abcdef',1700000000.0,'cli',NULL,'ok','asked of old',NULL,NULL,'answered of old',0,1,'simple',NULL,'old:7b','ollama',NULL,NULL,NULL,0,'model',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE speeds (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, bench TEXT NOT NULL, cell TEXT NOT NULL, round INTEGER NOT NULL,
        model TEXT NOT NULL, provider TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, size TEXT NOT NULL, concurrency INTEGER NOT NULL,
        prompt_tokens INTEGER, completion_tokens INTEGER, load_s REAL, prefill_s REAL, decode_s REAL, ttft_s REAL, total_s REAL,
        resident_bytes INTEGER, timed_by TEXT NOT NULL, error TEXT, server TEXT NOT NULL DEFAULT '');
CREATE INDEX runs_at ON runs (at);
CREATE INDEX runs_session ON runs (session, seq) WHERE session IS NOT NULL;
CREATE INDEX attempts_run ON attempts (run_id);
CREATE INDEX attempts_model ON attempts (model, outcome, id);
CREATE INDEX attempts_loads ON attempts (model, id) WHERE load_s > 0.1;
CREATE TRIGGER runs_are_forgotten AFTER DELETE ON runs BEGIN
        INSERT INTO forgotten (run_id) VALUES (old.run_id);
    END;
CREATE TRIGGER corrections_are_forgotten AFTER DELETE ON runs BEGIN
        DELETE FROM corrections WHERE run_id = old.run_id;
    END;
CREATE TRIGGER ratings_are_forgotten AFTER DELETE ON runs BEGIN
        DELETE FROM ratings WHERE run_id = old.run_id;
    END;
CREATE INDEX speeds_model ON speeds (model, provider, id);
CREATE INDEX speeds_bench ON speeds (bench);
COMMIT;
