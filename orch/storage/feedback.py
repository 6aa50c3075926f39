"""Stores user feedback (ratings, corrections), benchmark grades, and what was learned from them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from orch.storage.database import Database, insert_row
from orch.storage.sqlite_file import transaction
from orch.storage.value_cache import ValueCache
from orch.text.redact import Redactor
from orch.types import ModelKey

GOOD, BAD = 1.0, 0.0
BETTER, WORSE = 0.9, 0.3
"""Scores of two models of which the user named the better one: a comparison says less about each
than good or bad."""
RERUN, RERUN_SCORE = "rerun", 0.4
"""The kind of rating for an answer whose task was run again with another model, which suggests that
it was not liked. The score is written for older versions and not read."""
RERUN_WITHIN_S = 3_600
_RERUN_RUNS = 20
"""How many of the last runs are searched for the same task."""
MAX_CORRECTIONS = 500
_NEEDED = ("corrections", "last ids")
"""The cached values; corrections are read only where texts are recorded."""


# named tuples: a dataclass of so many fields takes 1.4 ms to create at each start, these 0.25 ms


class GradedAnswer(NamedTuple):
    """One graded answer of a benchmark. `score` is 0 to 1, None if the model failed (`error` says
    why); `how` is graded, static or executed."""

    at: float
    task_id: str
    task_hash: str
    task_type: str
    lang: str
    prompt: str
    model: str
    provider: str
    digest: str
    answer: str | None = None
    score: float | None = None
    how: str | None = None
    why: str | None = None
    seconds: float | None = None
    error: str | None = None
    server: str = ""
    """The server's name and version, such as `ollama 0.32.15`; empty if unknown."""


class Rating(NamedTuple):
    """The user's rating of one model's answer to a task. `kind` is word, better or rerun."""

    id: int
    task: str
    task_type: str | None
    model: str
    provider: str
    score: float
    kind: str


def is_evidence(answer: GradedAnswer) -> bool:
    """Whether a grade is evidence of a model's quality: code that was not executed is not."""
    return answer.score is not None and answer.how != "static"


class FeedbackStore:
    """The feedback of one journal. A file that can't be used becomes a warning of its database."""

    def __init__(
        self, database: Database, redactor: Redactor, mode: str, cache_s: float = 0.0
    ) -> None:
        """`cache_s`: for how long values that every decision needs may be cached, which another
        process may change."""
        self._database, self._redactor, self._mode = database, redactor, mode
        self._cache = ValueCache(cache_s)

    @property
    def is_cached(self) -> bool:
        """Whether `corrections` and `last_ids` would read no file."""
        return self._cache.is_fresh(_NEEDED if self._mode == "full" else _NEEDED[1:])

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever rated, graded or corrected."""
        return self.last_ids() == (0, 0) and not self.corrections()

    # ------------------------------------------------------------ corrections of task types

    def set_correction(self, run: dict[str, Any], task_type: str) -> bool:
        """Stores the right task type of a run; returns whether it was written."""
        row = (run["run_id"], time.time(), run["task"], run["task_type"], task_type)
        self._cache.clear()
        query = "INSERT OR REPLACE INTO corrections VALUES (?, ?, ?, ?, ?)"
        return self._database.run_or_default(lambda c: bool(c.execute(query, row)), False)

    def corrections(self) -> list[tuple[str, str]]:
        """The last MAX_CORRECTIONS tasks and their right types, newest first; empty if texts are
        not recorded."""
        if self._mode != "full":
            return []
        query = "SELECT task, task_type FROM corrections ORDER BY at DESC LIMIT ?"

        def read() -> list[tuple[str, str]]:
            return self._database.run_or_default(
                lambda c: c.execute(query, (MAX_CORRECTIONS,)).fetchall(), []
            )

        return self._cache.get("corrections", read)

    def count_corrections(self, since: float) -> int:
        """The number of corrections since a time."""
        if self._mode != "full":
            return 0
        return self._count("SELECT count(*) AS n FROM corrections WHERE at >= ?", since)

    # ------------------------------------------------------------ ratings of answers

    def set_ratings(self, run: dict[str, Any], scores: dict[ModelKey, float], kind: str) -> bool:
        """Stores scores of models for a run's task, replacing earlier ones; returns whether they
        were written."""
        shared = {"run_id": run["run_id"], "at": time.time(), "kind": kind}
        shared |= {"task": run["task"], "task_type": run["task_type"]}
        rows = [
            {**shared, "model": model, "provider": provider, "score": score}
            for (provider, model), score in scores.items()
        ]
        self._cache.clear()

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                connection.execute("DELETE FROM ratings WHERE run_id = ?", (run["run_id"],))
                for row in rows:
                    insert_row(connection, "ratings", row)
            return True

        return self._database.run_or_default(write, False)

    def record_rerun(self, task: str, model: ModelKey, at: float) -> bool:
        """Records that a task was run again with another model within RERUN_WITHIN_S, which is weak
        evidence against the first one. Returns whether there was a first one."""
        if self._mode != "full":
            return False
        query = (
            "SELECT run_id, task, task_type, model, provider"
            " FROM (SELECT * FROM runs ORDER BY seq DESC LIMIT ?)"
            " WHERE task = ? AND at >= ? AND status = 'ok' AND source = 'model'"
            " AND (model != ? OR provider != ?)"
            " AND run_id NOT IN (SELECT run_id FROM ratings) LIMIT 1"
        )
        provider, name = model
        values = (_RERUN_RUNS, self._redactor.redact(task), at - RERUN_WITHIN_S, name, provider)
        runs = self._database.rows(query, values)
        if not runs:
            return False
        first = runs[0]
        return self.set_ratings(
            first, {ModelKey(first["provider"], first["model"]): RERUN_SCORE}, RERUN
        )

    def ratings(self, after: int = 0) -> list[Rating]:
        """Ratings with an id above `after`, oldest first."""
        columns = ", ".join(Rating._fields)
        query = f"SELECT {columns} FROM ratings WHERE id > ? ORDER BY id"
        return [Rating(**row) for row in self._database.rows(query, (after,))]

    def count_ratings_up_to(self, last: int) -> int:
        """The number of ratings with ids up to `last`; it shrinks if one is forgotten or
        replaced."""
        return self._count("SELECT count(*) AS n FROM ratings WHERE id <= ?", last)

    def _count(self, query: str, value: float) -> int:
        rows = self._database.rows(query, (value,))
        return int(rows[0]["n"]) if rows else 0

    # ------------------------------------------------------------ graded answers

    def add_grades(self, answers: Iterable[GradedAnswer]) -> bool:
        """Stores graded answers, replacing earlier ones of the same task and model; returns whether
        they were written."""
        rows = [answer._asdict() for answer in answers]
        self._cache.clear()

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                for row in rows:
                    insert_row(connection, "graded", row, replace=True)
            return True

        return self._database.run_or_default(write, False)

    def graded_answers(self) -> list[GradedAnswer]:
        """All graded answers, oldest first."""
        columns = ", ".join(GradedAnswer._fields)
        rows = self._database.rows(f"SELECT {columns} FROM graded ORDER BY id")
        return [GradedAnswer(**row) for row in rows]

    def mean_grades(self) -> dict[ModelKey, tuple[float, int]]:
        """Mean score and number of the graded answers of each model."""
        query = (
            "SELECT provider, model, avg(score) AS mean, count(*) AS n FROM graded"
            " WHERE score IS NOT NULL AND how != 'static' GROUP BY provider, model"
        )
        rows = self._database.rows(query)
        return {ModelKey(row["provider"], row["model"]): (row["mean"], row["n"]) for row in rows}

    def graded_servers(self, model: ModelKey) -> list[str]:
        """The servers, with their versions, whose answers of a model were graded."""
        query = (
            "SELECT DISTINCT server FROM graded WHERE provider = ? AND model = ? AND server != ''"
            " ORDER BY server"
        )
        return [row["server"] for row in self._database.rows(query, tuple(model))]

    def last_ids(self) -> tuple[int, int]:
        """The highest ids of graded answers and of ratings, which identify the evidence."""
        query = (
            "SELECT (SELECT max(id) FROM graded) AS graded,"
            " (SELECT max(id) FROM ratings) AS ratings"
        )
        rows = self._cache.get("last ids", lambda: self._database.rows(query))
        return (rows[0]["graded"] or 0, rows[0]["ratings"] or 0) if rows else (0, 0)

    # ------------------------------------------------------------ fitted models

    def save_learned(self, name: str, stamp: str, data: bytes) -> None:
        """Stores a fitted model; `stamp` identifies the evidence."""
        query, values = "INSERT OR REPLACE INTO learned VALUES (?, ?, ?)", (name, stamp, data)
        self._database.run_or_default(lambda c: c.execute(query, values), None)

    def load_learned(self, name: str) -> tuple[str, bytes] | None:
        """The stamp and the data of a fitted model."""
        query = "SELECT stamp, data FROM learned WHERE name = ?"
        row: Sequence[Any] | None = self._database.run_or_default(
            lambda c: c.execute(query, (name,)).fetchone(), None
        )
        return (str(row[0]), bytes(row[1])) if row else None
