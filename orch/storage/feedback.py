"""What is known about the worth of answers: the user's word, and grades of `orch bench
--quality`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from orch.storage.database import Database, insert_row
from orch.storage.sqlite_file import transaction
from orch.text.redact import Redactor
from orch.types import ModelKey

if TYPE_CHECKING:
    from orch.storage.grades import GradedAnswer, Rating

GOOD, BAD = 1.0, 0.0
BETTER, WORSE = 0.9, 0.3
"""Scores of two models of which the user named the better one: a comparison says less about each
than good or bad."""
RERUN, RERUN_SCORE = "rerun", 0.4
"""The kind of rating that an answer gets whose task was run again with another model: it was
probably not liked. Its score is written as ever, and not read."""
RERUN_WITHIN_S = 3_600
_RERUNS_SEEN = 20
_T = TypeVar("_T")


class FeedbackStore:
    """The journal's figures of quality."""

    def __init__(
        self, database: Database, redactor: Redactor, mode: str, keep_s: float = 0.0
    ) -> None:
        """`keep_s`: how long figures that every decision asks for may be old, where another process
        changes them."""
        self._database, self._redactor, self._mode, self._keep_s = database, redactor, mode, keep_s
        self._kept: dict[str, tuple[float, Any]] = {}

    def _lately(self, name: str, ask: Callable[[], _T]) -> _T:
        """What was found a moment ago, or what is found now."""
        at, found = self._kept.get(name, (0.0, None))
        if time.monotonic() - at < self._keep_s:
            kept: _T = found  # under a name of its own
            return kept
        value = ask()
        self._kept[name] = (time.monotonic(), value)
        return value

    # ------------------------------------------------------------ kinds of tasks

    def set_correction(self, run: dict[str, Any], task_type: str) -> bool:
        """Keeps what kind of task a run really was; whether it now stands there."""
        row = (run["run_id"], time.time(), run["task"], run["task_type"], task_type)
        self._kept.clear()
        return self._database.run_or_default(
            lambda c: bool(
                c.execute("INSERT OR REPLACE INTO corrections VALUES (?, ?, ?, ?, ?)", row)
            ),
            False,
        )

    def corrections(self, limit: int = 500) -> list[tuple[str, str]]:
        """Task and right type of what the user corrected, newest first; none where texts are not
        kept."""
        query = "SELECT task, task_type FROM corrections ORDER BY at DESC LIMIT ?"
        if self._mode != "full":
            return []
        return self._lately(
            f"corrections {limit}",
            lambda: self._database.run_or_default(
                lambda c: c.execute(query, (limit,)).fetchall(), []
            ),
        )

    def count_corrections(self, since: float) -> int:
        """How often the user corrected a type since a time."""
        found = (
            self._database.rows("SELECT count(*) AS n FROM corrections WHERE at >= ?", (since,))
            if self._mode == "full"
            else []
        )
        return int(found[0]["n"]) if found else 0

    # ------------------------------------------------------------ the user's word on answers

    def set_ratings(self, run: dict[str, Any], scores: dict[ModelKey, float], kind: str) -> bool:
        """Keeps scores of models for a run's task, in the place of earlier ones; whether they now
        stand there."""
        rows = [
            {
                "run_id": run["run_id"],
                "at": time.time(),
                "task": run["task"],
                "task_type": run["task_type"],
                "model": model,
                "provider": provider,
                "score": score,
                "kind": kind,
            }
            for (provider, model), score in scores.items()
        ]

        self._kept.clear()

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                connection.execute("DELETE FROM ratings WHERE run_id = ?", (run["run_id"],))
                for row in rows:
                    insert_row(connection, "ratings", row)
            return True

        return self._database.run_or_default(write, False)

    def record_rerun(self, task: str, model: ModelKey, at: float) -> bool:
        """Notes that a task was run again with another model, within an hour: weak evidence about
        the first one. Whether there was one."""
        if self._mode != "full":
            return False
        query = (
            "SELECT run_id, task, task_type, model, provider FROM (SELECT * FROM runs ORDER BY seq"
            " DESC LIMIT ?) WHERE task = ? AND at >= ? AND status = 'ok' AND source = 'model' AND"
            " (model != ? OR provider != ?) AND run_id NOT IN (SELECT run_id FROM ratings) LIMIT 1"
        )
        clean = self._redactor.redact(task)
        found = self._database.rows(
            query, (_RERUNS_SEEN, clean, at - RERUN_WITHIN_S, model[1], model[0])
        )
        return bool(found) and self.set_ratings(
            found[0], {(found[0]["provider"], found[0]["model"]): RERUN_SCORE}, RERUN
        )

    def ratings(self, after: int = 0) -> list[Rating]:
        """Every rating whose id is above `after`, the oldest first."""
        query = (
            "SELECT id, task, task_type, model, provider, score, kind FROM ratings WHERE id > ?"
            " ORDER BY id"
        )
        from orch.storage.grades import Rating  # few runs have any

        return [Rating(**row) for row in self._database.rows(query, (after,))]

    def count_ratings_up_to(self, last: int) -> int:
        """How many ratings there are with ids up to `last`: fewer than there were when one was
        forgotten or given anew."""
        found = self._database.rows("SELECT count(*) AS n FROM ratings WHERE id <= ?", (last,))
        return int(found[0]["n"]) if found else 0

    # ------------------------------------------------------------ graded answers

    def add_grades(self, answers: Iterable[GradedAnswer]) -> bool:
        """Keeps graded answers, in the place of earlier ones to the same task by the same model;
        whether they now stand there."""
        rows = [asdict(answer) for answer in answers]
        self._kept.clear()

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                for row in rows:
                    insert_row(connection, "graded", row, replace=True)
            return True

        return self._database.run_or_default(write, False)

    def graded_answers(self) -> list[GradedAnswer]:
        """Every graded answer, the oldest first."""
        from orch.storage.grades import GradedAnswer  # only a bench and fitting read them again

        return [
            GradedAnswer(**{name: row[name] for name in GradedAnswer.__slots__})
            for row in self._database.rows("SELECT * FROM graded ORDER BY id")
        ]

    def mean_grades(self) -> dict[ModelKey, tuple[float, int]]:
        """Mean score and number of the graded answers of each model."""
        query = (
            "SELECT provider, model, avg(score) AS mean, count(*) AS n FROM graded WHERE score IS"
            " NOT NULL AND how != 'static' GROUP BY provider, model"
        )
        return {
            (row["provider"], row["model"]): (row["mean"], row["n"])
            for row in self._database.rows(query)
        }

    def last_ids(self) -> tuple[int, int]:
        """The highest ids of graded answers and of ratings: what was learned from."""
        found = self._lately(
            "marks",
            lambda: self._database.rows(
                "SELECT (SELECT max(id) FROM graded) AS graded, (SELECT max(id) FROM ratings) AS"
                " ratings"
            ),
        )
        return (found[0]["graded"] or 0, found[0]["ratings"] or 0) if found else (0, 0)

    # ------------------------------------------------------------ what was learned from them

    def save_learned(self, name: str, stamp: str, data: bytes) -> None:
        """Keeps something that was fitted to the evidence; `stamp` says to what."""
        self._database.run_or_default(
            lambda c: c.execute(
                "INSERT OR REPLACE INTO learned VALUES (?, ?, ?)", (name, stamp, data)
            ),
            None,
        )

    def load_learned(self, name: str) -> tuple[str, bytes] | None:
        """What was kept under a name: its stamp and data."""
        row: Sequence[Any] | None = self._database.run_or_default(
            lambda c: c.execute(
                "SELECT stamp, data FROM learned WHERE name = ?", (name,)
            ).fetchone(),
            None,
        )
        return (str(row[0]), bytes(row[1])) if row else None
