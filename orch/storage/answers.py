"""Caches answers by the exact request in one SQLite file, limited in age and size, safe between
processes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from orch.storage.database import database_at, insert_row
from orch.storage.sqlite_file import transaction
from orch.text.prompt import PreparedTask, Task
from orch.text.slices import SLICE_CHARS
from orch.types import (
    Candidate,
    Decision,
    Elimination,
    Reason,
    Response,
    RunResult,
    TaskType,
    Timing,
    Usage,
)

MAX_BYTES = 64_000_000
"""Of all answers; the least recently used are deleted first."""
_MIGRATIONS = (
    """
    CREATE TABLE answers (
        key TEXT PRIMARY KEY, at REAL NOT NULL, used_at REAL NOT NULL, uses INTEGER NOT NULL,
        size INTEGER NOT NULL, run_id TEXT NOT NULL, task TEXT NOT NULL, provider TEXT NOT NULL,
        model TEXT NOT NULL, digest TEXT NOT NULL, result TEXT NOT NULL, single INTEGER NOT NULL,
        embedder TEXT, vector BLOB);
    CREATE INDEX answers_used ON answers (used_at);
    """,
)
_IS_VALID = "at > ? AND at <= ?"
"""An answer from the future was stored while the clock was wrong."""
_COLUMNS = "key, at, uses, size, run_id, task, provider, model, digest, result"


class CachedAnswer(NamedTuple):
    """One cached answer and its model. `at` is seconds since the epoch, `size` bytes; `result` is
    the run's result as JSON."""

    key: str
    at: float
    uses: int
    size: int
    run_id: str
    task: str
    provider: str
    model: str
    digest: str
    result: str

    @property
    def id(self) -> str:
        """The prefix of the key that commands show and accept."""
        return self.key[:12]

    def to_result(self, run_id: str, started: float) -> RunResult:
        """The result of a run that this answers; `started` is its start by the performance
        counter."""
        data = json.loads(self.result)
        decision = _decision(data["decision"])
        elapsed = time.perf_counter() - started
        return RunResult(
            decision=decision,
            task_type=decision.task_type,
            confidence=decision.confidence,
            response=Response(data["content"], Usage(**data["usage"]), data["thinking"]),
            timing=Timing(elapsed, elapsed, 0.0),
            attempts=(),
            warnings=(),
            run_id=run_id,
            degraded=data["degraded"],
            source="cache",
        )


def _decision(data: dict[str, Any]) -> Decision:
    values = {**data, "task_type": TaskType(data["task_type"]), "reasons": _reasons(data)}
    return Decision(**{**values, "candidates": tuple(map(_candidate, data["candidates"]))})


def _candidate(data: dict[str, Any]) -> Candidate:
    elimination = data.get("elimination")
    values = {**data, "elimination": Elimination(**elimination) if elimination else None}
    return Candidate(**{**values, "reasons": _reasons(data)})


def _reasons(data: dict[str, Any]) -> tuple[Reason, ...]:
    return tuple(Reason(**reason) for reason in data.get("reasons", ()))


def answer_key(prepared: PreparedTask, config_hash: str) -> str:
    """Hashes everything that an answer depends on: exact messages, tools, format, options, pin,
    fallback, task type, profile, dial and configuration."""
    task = prepared.task
    depends_on = [
        _hashable(prepared.messages),
        task.tools,
        task.response_format,
        task.options,
        task.extra,
        task.model,
        task.may_fall_back,
        task.task_type,
        task.profile,
        task.dial,
        config_hash,
    ]
    text = json.dumps(depends_on, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _hashable(value: Any) -> Any:
    """Replaces each long string, such as an image, by its hash: JSON would copy it twice, in calls
    that block the interpreter."""
    if isinstance(value, str) and len(value) > SLICE_CHARS:
        digest = hashlib.sha256()
        for start in range(0, len(value), SLICE_CHARS):
            digest.update(value[start : start + SLICE_CHARS].encode("utf-8", "replace"))
        return f"{len(value)} {digest.hexdigest()}"
    if isinstance(value, dict):
        return {key: _hashable(entry) for key, entry in value.items()}
    return [_hashable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


class AnswerStore:
    """The cached answers of one machine. A file that can't be used never fails a run: `warnings`
    says what is wrong."""

    def __init__(self, path: Path, ttl_s: int) -> None:
        self.ttl_s = ttl_s
        self.database = database_at(path, _MIGRATIONS, "the cache")

    @property
    def warnings(self) -> list[str]:
        """What is or was wrong with the file."""
        return self.database.warnings

    def open(self) -> None:
        """Opens the file now. Raises JournalError if it can't be read."""
        self.database.open()

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        self.database.close()

    def get(self, key: str) -> CachedAnswer | None:
        """The answer, if it exists and has not expired."""
        answers = self._select(f"key = ? AND {_IS_VALID}", (key, *self._valid_span()))
        return answers[0] if answers else None

    def _select(self, condition: str, values: tuple[Any, ...]) -> list[CachedAnswer]:
        query = f"SELECT {_COLUMNS} FROM answers WHERE {condition}"
        rows: list[tuple[Any, ...]] = self.database.run_or_default(
            lambda c: c.execute(query, values).fetchall(), []
        )
        return [CachedAnswer(*row) for row in rows]

    def _valid_span(self) -> tuple[float, float]:
        """The times between which a valid answer was given."""
        now = time.time()
        return now - self.ttl_s, now

    def mark_used(self, key: str) -> None:
        """Counts a cache hit."""
        query = "UPDATE answers SET uses = uses + 1, used_at = ? WHERE key = ?"
        values = (time.time(), key)
        self.database.run_or_default(lambda c: c.execute(query, values), None)

    def put(self, key: str, task: Task, result: RunResult, digest: str) -> None:
        """Stores an answer; deletes expired ones, and others as far as space requires."""
        text, now = json.dumps(_to_dict(result)), time.time()
        row = {
            "key": key,
            "at": now,
            "used_at": now,
            "uses": 0,
            "size": len(text) + len(task.text),
            "run_id": result.run_id,
            "task": task.text,
            "provider": result.decision.provider,
            "model": result.decision.model_id,
            "digest": digest,
            "result": text,
            "single": int(is_standalone(task)),
        }

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                insert_row(connection, "answers", row, replace=True)
                connection.execute("DELETE FROM answers WHERE at <= ?", (now - self.ttl_s,))
                _evict(connection)

        self.database.run_or_default(write, None)

    def find(self, prefix: str) -> list[CachedAnswer]:
        """The answers whose key starts with `prefix`, at most two."""
        return self._select("substr(key, 1, ?) = ? LIMIT 2", (len(prefix), prefix))

    def forget(self, *, keys: Sequence[str] = (), run_ids: Sequence[str] | None = None) -> int:
        """Deletes answers by key or by run, all if neither is given, also from free pages and WAL.
        Returns how many."""

        def delete(connection: sqlite3.Connection) -> int:
            if not keys and run_ids is None:
                return connection.execute("DELETE FROM answers").rowcount
            column, names = ("key", keys) if keys else ("run_id", run_ids or ())
            query = f"DELETE FROM answers WHERE {column} = ?"
            return connection.executemany(query, [(name,) for name in names]).rowcount

        def write(connection: sqlite3.Connection) -> int:
            connection.execute("PRAGMA secure_delete=ON")
            with transaction(connection):
                count = delete(connection)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return count

        return self.database.run_or_default(write, 0)

    def stats(self) -> dict[str, Any]:
        """Number, size and hits of all answers, and the age of the oldest in seconds."""

        def read(connection: sqlite3.Connection) -> dict[str, Any]:
            row = connection.execute(
                "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(uses), 0), min(at) FROM"
                " answers"
            ).fetchone()
            return {
                "answers": row[0],
                "bytes": row[1],
                "hits": row[2],
                "oldest_s": round(time.time() - row[3]) if row[3] else None,
            }

        return self.database.run_or_default(read, {})

    # ------------------------------------------------------------ vectors, for similar tasks

    def tasks_without_vector(self, embedder: str, limit: int) -> list[tuple[str, str]]:
        """Keys and tasks of standalone answers without a vector of this embedder, newest first."""
        query = (
            f"SELECT key, task FROM answers WHERE single = 1 AND {_IS_VALID}"
            " AND coalesce(embedder, '') != ? ORDER BY at DESC LIMIT ?"
        )
        values = (*self._valid_span(), embedder, limit)
        return self.database.run_or_default(lambda c: c.execute(query, values).fetchall(), [])

    def set_vectors(self, embedder: str, vectors: Sequence[tuple[str, bytes]]) -> None:
        """Stores vectors (float32) by key."""
        rows = [(embedder, vector, key) for key, vector in vectors]
        query = "UPDATE answers SET embedder = ?, vector = ? WHERE key = ?"
        self.database.run_or_default(lambda c: c.executemany(query, rows), None)

    def vectors(self, embedder: str, limit: int) -> list[tuple[str, str, bytes]]:
        """Keys, tasks and vectors of an embedder, newest first."""
        query = (
            f"SELECT key, task, vector FROM answers WHERE single = 1 AND {_IS_VALID}"
            " AND embedder = ? ORDER BY at DESC LIMIT ?"
        )
        values = (*self._valid_span(), embedder, limit)
        return self.database.run_or_default(lambda c: c.execute(query, values).fetchall(), [])


def is_standalone(task: Task) -> bool:
    """Whether a task is a question without anything else: only such tasks are compared with each
    other."""
    others = (
        task.history,
        task.messages,
        task.attachments,
        task.context,
        task.tools,
        task.response_format,
        task.system_prompt,
    )
    return not any(others)


def is_cacheable(result: RunResult) -> bool:
    """Whether an answer may be used again: complete, not empty, only text, and not from a last
    resort unless that was named."""
    response = result.response
    return (
        response.finish_reason == "stop"
        and bool(response.content.strip())
        and not response.tool_calls
        and not response.logprobs
        and (not result.degraded or result.decision.pinned)
    )


def _to_dict(result: RunResult) -> dict[str, Any]:
    response = result.response
    return {
        "decision": asdict(result.decision),
        "content": response.content,
        "thinking": response.thinking,
        "usage": asdict(response.usage),
        "degraded": result.degraded,
    }


def _evict(connection: sqlite3.Connection) -> None:
    """Deletes the least recently used answers until the rest fits into MAX_BYTES."""
    connection.execute(
        "DELETE FROM answers WHERE key IN (SELECT key FROM (SELECT key, sum(size) OVER (ORDER BY"
        " used_at DESC, key) AS so_far FROM answers) WHERE so_far > ?)",
        (MAX_BYTES,),
    )
