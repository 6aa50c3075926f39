"""Answers that were given before, by the exact question: one SQLite file, bounded in age and size,
safe between processes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orch.storage.database import database_at
from orch.storage.sqlite_file import transaction
from orch.text.prompt import PreparedTask, Task
from orch.text.slices import SLICE_CHARS
from orch.types import Candidate, Decision, Response, RunResult, TaskType, Timing, Usage

MAX_BYTES = 64_000_000
"""Of answers in all; the least recently used go first."""
_MIGRATIONS = (
    """
    CREATE TABLE answers (
        key TEXT PRIMARY KEY, at REAL NOT NULL, used_at REAL NOT NULL, uses INTEGER NOT NULL, size INTEGER NOT NULL, run_id TEXT NOT NULL,
        task TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, digest TEXT NOT NULL, result TEXT NOT NULL,
        single INTEGER NOT NULL, embedder TEXT, vector BLOB);
    CREATE INDEX answers_used ON answers (used_at);
    """,
)
_COUNTS = "at > ? AND at <= ?"
_COLUMNS = "key, at, uses, size, run_id, task, provider, model, digest, result"


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """One answer with the model that gave it. `at` is seconds since the epoch, `size` bytes;
    `result` is the run's as JSON."""

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
        """The name people type."""
        return self.key[:12]

    def to_result(self, run_id: str, began: float) -> RunResult:
        """The result of a run that this answers; `began` is its beginning by the performance
        counter."""
        data = json.loads(self.result)
        decision = _decision(data["decision"])
        elapsed = time.perf_counter() - began
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
    candidates = tuple(Candidate(**candidate) for candidate in data["candidates"])
    return Decision(**{**data, "task_type": TaskType(data["task_type"]), "candidates": candidates})


def answer_key(prepared: PreparedTask, config_hash: str) -> str:
    """The hash of everything that an answer depends on: exact messages, tools, format, options,
    pin, fallback, type, profile, dial, configuration."""
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
    """The same value with each long text, such as an image, as its hash: JSON would copy it twice
    more, in calls that keep the interpreter."""
    if isinstance(value, str) and len(value) > SLICE_CHARS:
        digest = hashlib.sha256()
        for begin in range(0, len(value), SLICE_CHARS):
            digest.update(value[begin : begin + SLICE_CHARS].encode("utf-8", "replace"))
        return f"{len(value)} {digest.hexdigest()}"
    if isinstance(value, dict):
        return {key: _hashable(entry) for key, entry in value.items()}
    return [_hashable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


class AnswerStore:
    """The answers of one machine. What goes wrong with the file is said in `warnings`; a run goes
    on without."""

    def __init__(self, path: Path, ttl_s: int) -> None:
        self.ttl_s = ttl_s
        self.database = database_at(path, _MIGRATIONS, "the cache")

    @property
    def warnings(self) -> list[str]:
        """What went wrong with the file so far."""
        return self.database.warnings

    def open(self) -> None:
        """Opens the file, for who has nothing to tell without it. Raises JournalError where it
        can't be read."""
        self.database.open()

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        self.database.close()

    def get(self, key: str) -> CachedAnswer | None:
        """The answer, if it is there and not too old."""

        def read(connection: sqlite3.Connection) -> CachedAnswer | None:
            return _one(connection, f"key = ? AND {_COUNTS}", (key, *self._span()))

        return self.database.run_or_default(read, None)

    def _span(self) -> tuple[float, float]:
        """From when to when an answer must have been given to count: one of the future was kept
        while the clock was wrong."""
        now = time.time()
        return now - self.ttl_s, now

    def mark_used(self, key: str) -> None:
        """Marks an answer as given once more."""
        self.database.run_or_default(
            lambda c: c.execute(
                "UPDATE answers SET uses = uses + 1, used_at = ? WHERE key = ?", (time.time(), key)
            ),
            None,
        )

    def put(self, key: str, task: Task, result: RunResult, digest: str) -> None:
        """Keeps an answer; makes room for it."""
        text, asked = json.dumps(_packed(result)), task.text.encode("utf-8", "replace").decode()
        now, single = time.time(), int(is_standalone(task))
        row = (
            key,
            now,
            now,
            0,
            len(text) + len(asked),
            result.run_id,
            asked,
            result.decision.provider,
            result.decision.model_id,
            digest,
            text,
            single,
        )

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                names = (
                    "key, at, used_at, uses, size, run_id, task, provider, model, digest, result,"
                    " single"
                )
                connection.execute(
                    f"INSERT OR REPLACE INTO answers ({names}) VALUES ({','.join('?' * len(row))})",
                    row,
                )
                connection.execute("DELETE FROM answers WHERE at <= ?", (now - self.ttl_s,))
                _make_room(connection)

        self.database.run_or_default(write, None)

    def find(self, prefix: str) -> list[CachedAnswer]:
        """The answers whose id begins so, at most two."""

        def read(connection: sqlite3.Connection) -> list[CachedAnswer]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE substr(key, 1, ?) = ? LIMIT 2",
                (len(prefix), prefix),
            )
            return [CachedAnswer(*row) for row in rows]

        return self.database.run_or_default(read, [])

    def forget(self, *, keys: Sequence[str] = (), run_ids: Sequence[str] | None = None) -> int:
        """Deletes answers by key or by the run that gave them (`run_ids`), everything where neither
        is named; also from free pages and WAL."""

        def write(connection: sqlite3.Connection) -> int:
            connection.execute("PRAGMA secure_delete=ON")
            with transaction(connection):
                if keys:
                    count = connection.executemany(
                        "DELETE FROM answers WHERE key = ?", [(key,) for key in keys]
                    ).rowcount
                elif run_ids is not None:
                    count = connection.executemany(
                        "DELETE FROM answers WHERE run_id = ?", [(run_id,) for run_id in run_ids]
                    ).rowcount
                else:
                    count = connection.execute("DELETE FROM answers").rowcount
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return count

        return self.database.run_or_default(write, 0)

    def stats(self) -> dict[str, Any]:
        """How many answers, how large, how often given, how old the oldest is (seconds)."""

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

    # ------------------------------------------------------------ vectors, for the nearest earlier
    # task

    def tasks_without_vector(self, embedder: str, limit: int) -> list[tuple[str, str]]:
        """Keys and tasks of single-turn answers that have no vector of this embedder yet, newest
        first."""
        query = (
            f"SELECT key, task FROM answers WHERE single = 1 AND {_COUNTS} AND coalesce(embedder,"
            " '') != ? ORDER BY at DESC LIMIT ?"
        )
        return self.database.run_or_default(
            lambda c: c.execute(query, (*self._span(), embedder, limit)).fetchall(), []
        )

    def set_vectors(self, embedder: str, vectors: Sequence[tuple[str, bytes]]) -> None:
        """Keeps vectors (float32) by key."""
        rows = [(embedder, vector, key) for key, vector in vectors]
        self.database.run_or_default(
            lambda c: c.executemany(
                "UPDATE answers SET embedder = ?, vector = ? WHERE key = ?", rows
            ),
            None,
        )

    def vectors(self, embedder: str, limit: int) -> list[tuple[str, str, bytes]]:
        """Keys, tasks and vectors, newest first."""
        query = (
            f"SELECT key, task, vector FROM answers WHERE single = 1 AND {_COUNTS} AND embedder = ?"
            " ORDER BY at DESC LIMIT ?"
        )
        return self.database.run_or_default(
            lambda c: c.execute(query, (*self._span(), embedder, limit)).fetchall(), []
        )


def is_standalone(task: Task) -> bool:
    """Whether a task is one short question and nothing beside it: only such ones are compared with
    each other."""
    beside = (
        task.history,
        task.messages,
        task.attachments,
        task.context,
        task.tools,
        task.response_format,
        task.system_prompt,
    )
    return not any(beside)


def is_cacheable(result: RunResult) -> bool:
    """Whether an answer may be given again: complete, not empty, of text alone, and from no last
    resort that was not named."""
    response = result.response
    beside = response.tool_calls or response.logprobs
    return (
        response.finish_reason == "stop"
        and bool(response.content.strip())
        and not beside
        and (not result.degraded or result.decision.pinned)
    )


def _packed(result: RunResult) -> dict[str, Any]:
    response = result.response
    return {
        "decision": asdict(result.decision),
        "content": response.content,
        "thinking": response.thinking,
        "usage": asdict(response.usage),
        "degraded": result.degraded,
    }


def _one(
    connection: sqlite3.Connection, condition: str, values: tuple[Any, ...]
) -> CachedAnswer | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM answers WHERE {condition}", values).fetchone()
    return CachedAnswer(*row) if row else None


def _make_room(connection: sqlite3.Connection) -> None:
    """Deletes the least recently used answers until the rest is small enough."""
    connection.execute(
        "DELETE FROM answers WHERE key IN (SELECT key FROM (SELECT key, sum(size) OVER (ORDER BY"
        " used_at DESC, key) AS so_far FROM answers) WHERE so_far > ?)",
        (MAX_BYTES,),
    )
