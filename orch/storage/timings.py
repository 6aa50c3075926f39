"""What the machine measured of each model's speed: cells of `orch bench` and live answers, read as
one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orch.storage.database import Database, insert_row
from orch.storage.sqlite_file import transaction
from orch.types import ModelKey, SpeedStats, TaskType

if TYPE_CHECKING:
    from orch.storage.benchmark_sample import BenchmarkSample

_TYPES = frozenset(TaskType)
RECENT_ANSWERS = 20
"""Answers that are looked at: live runs keep the figures fresh."""
RECENT_LOADS = 5
COLD_LOAD_S = 0.1
"""A load shorter than this is a model that was there already: Ollama reports some milliseconds for
those."""
HALF_LIFE_S = 14 * 86_400
"""A measurement counts half as much as one that is two weeks younger."""
_ANSWERS = """
    SELECT * FROM (SELECT at, prefill_s, decode_s, prompt_tokens, completion_tokens, estimated_tokens FROM attempts
                   WHERE model = :model AND provider = :provider AND outcome = 'ok' ORDER BY id DESC LIMIT :most)
    UNION ALL
    SELECT * FROM (SELECT at, prefill_s, decode_s, prompt_tokens, completion_tokens, NULL FROM speeds
                   WHERE model = :model AND provider = :provider AND concurrency = 1 AND error IS NULL ORDER BY id DESC LIMIT :most)
    ORDER BY at DESC LIMIT :most"""
_LOADS = f"""
    SELECT * FROM (SELECT at, load_s FROM attempts
                   WHERE model = :model AND provider = :provider AND load_s > {COLD_LOAD_S} ORDER BY id DESC LIMIT :most)
    UNION ALL
    SELECT * FROM (SELECT at, load_s FROM speeds
                   WHERE model = :model AND provider = :provider AND load_s > {COLD_LOAD_S} AND error IS NULL ORDER BY id DESC LIMIT :most)
    ORDER BY at DESC LIMIT :most"""
_LENGTHS = """
    SELECT task_type, count(*), avg(completion_tokens) FROM (
        SELECT task_type, completion_tokens FROM attempts WHERE model = :model AND provider = :provider AND outcome = 'ok' ORDER BY id DESC LIMIT :most)
    WHERE task_type IS NOT NULL AND completion_tokens > 0 GROUP BY task_type"""
_LATELY = """
    SELECT provider, model, count(*) AS count FROM (SELECT provider, model FROM attempts WHERE outcome = 'ok' ORDER BY id DESC LIMIT ?)
    GROUP BY provider, model"""
RECENT_LENGTHS = 100
"""Answers whose length is looked at."""
RECENT_CHOICES = 20
"""Answers that tell which model is likely wanted next."""
MIN_COMPARED_TOKENS = 200
"""Estimated tokens from which a count tells how far estimates are off: of less, most is the model's
own template."""
_RECOUNTS = """
    SELECT at, estimated_tokens, prompt_tokens FROM attempts
    WHERE model = :model AND provider = :provider AND outcome IN ('failed', 'partial') AND code = 'context_overflow' AND prompt_tokens > 0
          AND estimated_tokens > 0 ORDER BY id DESC LIMIT :most"""


class TimingStore:
    """The journal's figures of speed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def speed_stats(self, models: Sequence[ModelKey]) -> dict[ModelKey, SpeedStats]:
        """By provider and model: weighted medians over the last 20 answers and the last 5 cold
        loads, younger ones counting more."""

        def read(connection: sqlite3.Connection) -> dict[ModelKey, SpeedStats]:
            found = ((key, _measured(connection, *key)) for key in models)
            return {key: measured for key, measured in found if measured is not None}

        return self._database.run_or_default(read, {})

    def recent_answer_counts(self) -> dict[ModelKey, int]:
        """How many of the last 20 answers each model gave."""
        return {
            (row["provider"], row["model"]): row["count"]
            for row in self._database.rows(_LATELY, (RECENT_CHOICES,))
        }

    def add_samples(self, speeds: Iterable[BenchmarkSample]) -> bool:
        """Keeps cells of a bench; whether they now stand there."""
        rows = [asdict(speed) for speed in speeds]

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                for row in rows:
                    insert_row(connection, "speeds", row)
            return True

        return self._database.run_or_default(write, False)

    def samples_of(self, name: str) -> list[BenchmarkSample]:
        """The cells of one bench, in the order they were measured."""
        return [
            _speed(row)
            for row in self._database.rows(
                "SELECT * FROM speeds WHERE bench = ? ORDER BY id", (name,)
            )
        ]

    def benchmarked_models(self) -> set[ModelKey]:
        """The models of which anything was benched."""
        return {
            (row["provider"], row["model"])
            for row in self._database.rows(
                "SELECT DISTINCT provider, model FROM speeds WHERE error IS NULL"
            )
        }


def _speed(row: dict[str, Any]) -> BenchmarkSample:
    from orch.storage.benchmark_sample import BenchmarkSample  # only a bench reads its cells again

    return BenchmarkSample(**{name: row[name] for name in BenchmarkSample.__slots__})


def _measured(connection: sqlite3.Connection, provider: str, model: str) -> SpeedStats | None:
    key = {"model": model, "provider": provider}
    rows = connection.execute(_ANSWERS, {**key, "most": RECENT_ANSWERS}).fetchall()
    recounts = connection.execute(_RECOUNTS, {**key, "most": RECENT_LOADS}).fetchall()
    if not rows:
        return SpeedStats(0, recounts[0][0], recounts=_pairs(recounts)) if recounts else None
    loads = connection.execute(_LOADS, {**key, "most": RECENT_LOADS}).fetchall()
    newest = rows[0][0]
    return SpeedStats(
        n=len(rows),
        last_at=newest,
        load_s=_median([(row[1], row[0]) for row in loads], newest),
        prefill_tps=_median(
            [(row[3] / row[1], row[0]) for row in rows if row[1] and (row[3] or 0) >= 32], newest
        ),
        decode_tps=_median(
            [(row[4] / row[2], row[0]) for row in rows if row[2] and (row[4] or 0) >= 8], newest
        ),
        token_ratio=_median(
            [
                (row[3] / row[5], row[0])
                for row in rows
                if row[3] and _tells_of_others(row[5] or 0, recounts)
            ],
            newest,
        ),
        answers=_lengths(connection.execute(_LENGTHS, {**key, "most": RECENT_LENGTHS}).fetchall()),
        recounts=_pairs(recounts),
    )


def _lengths(rows: Iterable[tuple[str, int, float]]) -> dict[TaskType, tuple[int, float]]:
    return {TaskType(task_type): (n, mean) for task_type, n, mean in rows if task_type in _TYPES}


def _tells_of_others(estimated: int, recounts: Iterable[tuple[float, int, int]]) -> bool:
    """Whether a count says how far estimates of other prompts are off: not that of a prompt that
    was refused before, which stands for itself."""
    return estimated >= MIN_COMPARED_TOKENS and all(
        estimated != refused for _, refused, _ in recounts
    )


def _pairs(rows: Iterable[tuple[float, int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple((estimated, counted) for _, estimated, counted in rows)


def _median(values: list[tuple[float, float]], newest: float) -> float | None:
    """The weighted median of (value, when); None of nothing."""
    weighed = sorted((value, 0.5 ** (max(newest - at, 0.0) / HALF_LIFE_S)) for value, at in values)
    half = sum(weight for _, weight in weighed) / 2
    for value, weight in weighed:
        half -= weight
        if half < 0:
            return value
    return weighed[-1][0] if weighed else None
