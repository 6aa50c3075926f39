"""The journal's tables as numbered migrations. A released migration is never changed, only followed
by another."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, at REAL NOT NULL, face TEXT NOT NULL, session TEXT,
        status TEXT NOT NULL, task TEXT, system TEXT, messages TEXT, answer TEXT, redacted INTEGER NOT NULL, remember INTEGER NOT NULL,
        task_type TEXT, confidence REAL, model TEXT, provider TEXT, decision TEXT, error_code TEXT, error TEXT, degraded INTEGER NOT NULL,
        source TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, load_s REAL, ttft_s REAL, total_s REAL, config_hash TEXT);
    CREATE INDEX runs_at ON runs (at);
    CREATE INDEX runs_session ON runs (session, seq) WHERE session IS NOT NULL;
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, n INTEGER NOT NULL, at REAL NOT NULL, task_type TEXT,
        model TEXT NOT NULL, provider TEXT NOT NULL, outcome TEXT NOT NULL, code TEXT, message TEXT, offset_chars INTEGER,
        ttft_s REAL, total_s REAL, load_s REAL, prefill_s REAL, decode_s REAL, prompt_tokens INTEGER, completion_tokens INTEGER,
        estimated_tokens INTEGER);
    CREATE INDEX attempts_run ON attempts (run_id);
    CREATE INDEX attempts_model ON attempts (model, outcome, id);
    CREATE INDEX attempts_loads ON attempts (model, id) WHERE load_s > 0.1;
    CREATE TABLE model_info (digest TEXT PRIMARY KEY, at REAL NOT NULL, info TEXT NOT NULL);
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    """
    ALTER TABLE runs ADD COLUMN title TEXT;
    CREATE TABLE forgotten (seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL);
    CREATE TRIGGER runs_are_forgotten AFTER DELETE ON runs BEGIN
        INSERT INTO forgotten (run_id) VALUES (old.run_id);
    END;
    """,
    """
    CREATE TABLE corrections (run_id TEXT PRIMARY KEY, at REAL NOT NULL, task TEXT NOT NULL, said TEXT, task_type TEXT NOT NULL);
    CREATE TRIGGER corrections_are_forgotten AFTER DELETE ON runs BEGIN
        DELETE FROM corrections WHERE run_id = old.run_id;
    END;
    """,
    """
    CREATE TABLE ratings (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, at REAL NOT NULL, task TEXT NOT NULL, task_type TEXT,
        model TEXT NOT NULL, provider TEXT NOT NULL, score REAL NOT NULL, kind TEXT NOT NULL, UNIQUE (run_id, model, provider));
    CREATE TRIGGER ratings_are_forgotten AFTER DELETE ON runs BEGIN
        DELETE FROM ratings WHERE run_id = old.run_id;
    END;
    CREATE TABLE graded (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, task_id TEXT NOT NULL, task_hash TEXT NOT NULL, task_type TEXT NOT NULL,
        lang TEXT NOT NULL, prompt TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, digest TEXT NOT NULL, answer TEXT,
        score REAL, how TEXT, why TEXT, seconds REAL, error TEXT, UNIQUE (task_id, task_hash, model, provider, digest));
    CREATE TABLE speeds (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, bench TEXT NOT NULL, cell TEXT NOT NULL, round INTEGER NOT NULL,
        model TEXT NOT NULL, provider TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, size TEXT NOT NULL, concurrency INTEGER NOT NULL,
        prompt_tokens INTEGER, completion_tokens INTEGER, load_s REAL, prefill_s REAL, decode_s REAL, ttft_s REAL, total_s REAL,
        resident_bytes INTEGER, timed_by TEXT NOT NULL, error TEXT);
    CREATE INDEX speeds_model ON speeds (model, provider, id);
    CREATE INDEX speeds_bench ON speeds (bench);
    CREATE TABLE learned (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, data BLOB NOT NULL);
    """,
    "ALTER TABLE runs ADD COLUMN client TEXT;",
    # an alternative answer was recorded under the session CONVERSATION/other/RUN/TIME, with a run
    # id of 18 and a time of some hexadecimal digits
    """
    ALTER TABLE runs ADD COLUMN alternative_to TEXT;
    UPDATE runs SET
        alternative_to = substr(rtrim(session, '0123456789abcdef'), -19, 18),
        session = substr(rtrim(session, '0123456789abcdef'), 1,
                         length(rtrim(session, '0123456789abcdef')) - 26)
    WHERE session LIKE '%/other/%/%'
        AND substr(rtrim(session, '0123456789abcdef'), -26, 7) = '/other/'
        AND substr(rtrim(session, '0123456789abcdef'), -19, 18) NOT GLOB '*[^0-9a-f]*'
        AND rtrim(session, '0123456789abcdef') != session
        AND substr(rtrim(session, '0123456789abcdef'), -1) = '/';
    """,
    # of an answer that its client may refer to by its id: JSON, without what other columns have
    "ALTER TABLE runs ADD COLUMN response TEXT;",
    # of prompt_tokens, those that the server had cached; what a draft proposed, and what was taken
    """
    ALTER TABLE attempts ADD COLUMN cached_tokens INTEGER;
    ALTER TABLE attempts ADD COLUMN draft_tokens INTEGER;
    ALTER TABLE attempts ADD COLUMN draft_accepted INTEGER;
    """,
    # the server's name and version, empty if unknown
    """
    ALTER TABLE speeds ADD COLUMN server TEXT NOT NULL DEFAULT '';
    ALTER TABLE graded ADD COLUMN server TEXT NOT NULL DEFAULT '';
    """,
    # what a client asked for by itself (title, tags), null for what a person asked; what was
    # repaired of an attempt's tool calls, a JSON list of words
    """
    ALTER TABLE runs ADD COLUMN chore TEXT;
    ALTER TABLE attempts ADD COLUMN repairs TEXT;
    """,
)
