"""Stores benchmark samples, and computes each model's speed from them and from live answers."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from orch.storage.database import Database, insert_row
from orch.storage.sqlite_file import transaction
from orch.storage.value_cache import ValueCache
from orch.types import ModelKey, SpeedStats, TaskType

RECENT_ANSWERS, RECENT_LOADS = 20, 5
"""How many answers and cold loads are used: live answers keep the figures current."""
RECENT_READS = 60
"""Answers among which those are found whose speed of reading is known: in a long conversation most
of a prompt is cached, and a server may not say how much."""
RECENT_LENGTHS = 100
"""How many answers are used for their length."""
RECENT_CHOICES = 20
"""How many answers predict which model is needed next."""
COLD_LOAD_S = 0.1
"""A shorter load is that of a loaded model, for which Ollama reports some milliseconds."""
HALF_LIFE_S = 14 * 86_400
"""A measurement counts half as much as one that is two weeks newer."""
MIN_COMPARED_TOKENS = 200
"""Estimated tokens from which the server's count corrects estimates: below, most tokens are the
model's template."""
MIN_READ_TOKENS = 32
"""Tokens that a server read of a prompt, from which its speed is computed."""
_TYPES = frozenset(TaskType)
_MODEL = "model = :model AND provider = :provider"
_ANSWERS = f"""
    SELECT * FROM (SELECT at, prefill_s, prompt_tokens,
                          coalesce(cached_tokens, CASE WHEN load_s > {COLD_LOAD_S} THEN 0 END),
                          decode_s, completion_tokens,
                          estimated_tokens, draft_tokens, draft_accepted
                   FROM attempts
                   WHERE {_MODEL} AND outcome = 'ok' ORDER BY id DESC LIMIT :most)
    UNION ALL
    SELECT * FROM (SELECT at, prefill_s, prompt_tokens, 0, decode_s, completion_tokens,
                          NULL, NULL, NULL
                   FROM speeds
                   WHERE {_MODEL} AND concurrency = 1 AND error IS NULL
                   ORDER BY id DESC LIMIT :most)
    ORDER BY at DESC LIMIT :most"""
_READS = f"""
    SELECT * FROM (SELECT at, prefill_s, prompt_tokens,
                          coalesce(cached_tokens, CASE WHEN load_s > {COLD_LOAD_S} THEN 0 END)
                   FROM attempts
                   WHERE {_MODEL} AND outcome = 'ok' AND prefill_s > 0
                   ORDER BY id DESC LIMIT :most)
    UNION ALL
    SELECT * FROM (SELECT at, prefill_s, prompt_tokens, 0 FROM speeds
                   WHERE {_MODEL} AND concurrency = 1 AND error IS NULL AND prefill_s > 0
                   ORDER BY id DESC LIMIT {RECENT_ANSWERS})
    ORDER BY at DESC LIMIT :most"""
_LOADS = f"""
    SELECT * FROM (SELECT at, load_s FROM attempts
                   WHERE {_MODEL} AND load_s > {COLD_LOAD_S} ORDER BY id DESC LIMIT :most)
    UNION ALL
    SELECT * FROM (SELECT at, load_s FROM speeds
                   WHERE {_MODEL} AND load_s > {COLD_LOAD_S} AND error IS NULL
                   ORDER BY id DESC LIMIT :most)
    ORDER BY at DESC LIMIT :most"""
_LENGTHS = f"""
    SELECT task_type, count(*), avg(completion_tokens) FROM (
        SELECT task_type, completion_tokens FROM attempts
        WHERE {_MODEL} AND outcome = 'ok' ORDER BY id DESC LIMIT :most)
    WHERE task_type IS NOT NULL AND completion_tokens > 0 GROUP BY task_type"""
_CHOICES = """
    SELECT provider, model, count(*) AS count FROM (
        SELECT provider, model FROM attempts WHERE outcome = 'ok' ORDER BY id DESC LIMIT ?)
    GROUP BY provider, model"""
_OVERFLOWS = f"""
    SELECT at, estimated_tokens, prompt_tokens FROM attempts
    WHERE {_MODEL} AND outcome IN ('failed', 'partial') AND code = 'context_overflow'
          AND prompt_tokens > 0 AND estimated_tokens > 0
    ORDER BY id DESC LIMIT :most"""
_DECODE_RATES = """
    SELECT provider, model, task_type, completion_tokens / decode_s AS rate FROM (
        SELECT *, row_number() OVER
            (PARTITION BY provider, model, task_type ORDER BY id DESC) AS place
        FROM attempts WHERE outcome = 'ok' AND decode_s > 0 AND completion_tokens >= 8
            AND task_type IS NOT NULL)
    WHERE place <= ?"""


class BenchmarkSample(NamedTuple):
    """One measured cell of a speed benchmark, in seconds, tokens and bytes. `kind` is cold, warm or
    together; `timed_by` is provider or clock."""

    # a named tuple: a dataclass of so many fields takes 1.4 ms to create at each start, this 0.25

    at: float
    bench: str
    cell: str
    round: int
    model: str
    provider: str
    digest: str
    kind: str
    size: str
    concurrency: int
    timed_by: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    load_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    ttft_s: float | None = None
    total_s: float | None = None
    resident_bytes: int | None = None
    error: str | None = None
    server: str = ""
    """The server's name and version, such as `ollama 0.32.15`; empty if unknown."""


class _Answer(NamedTuple):
    """One row of _ANSWERS."""

    at: float
    prefill_s: float | None
    prompt_tokens: int | None
    cached_tokens: int | None
    decode_s: float | None
    completion_tokens: int | None
    estimated_tokens: int | None
    draft_tokens: int | None
    draft_accepted: int | None


class _Read(NamedTuple):
    """One row of _READS, or the beginning of one of _ANSWERS."""

    at: float
    prefill_s: float | None
    prompt_tokens: int | None
    cached_tokens: int | None
    """None if its server does not say. Nothing is cached right after a load, nor of a bench's
    prompts, whose first words are new."""

    @property
    def tokens(self) -> int:
        """The tokens of the prompt that the server read: what it had cached took no time."""
        return (self.prompt_tokens or 0) - (self.cached_tokens or 0)


class TimingStore:
    """The timings of one journal. A file that can't be used becomes a warning of its database."""

    def __init__(self, database: Database, cache_s: float = 0.0) -> None:
        """`cache_s`: for how long `recent_answer_counts` may be cached."""
        self._database, self._cache = database, ValueCache(cache_s)

    @property
    def is_cached(self) -> bool:
        """Whether `recent_answer_counts` would read no file."""
        return self._cache.is_fresh(("answer counts",))

    # ------------------------------------------------------------ speed of models

    def speed_stats(self, models: Sequence[ModelKey]) -> dict[ModelKey, SpeedStats]:
        """Weighted medians over the last answers and cold loads of each model, newer ones counting
        more. Models without measurements are left out."""

        def read(connection: sqlite3.Connection) -> dict[ModelKey, SpeedStats]:
            stats = ((key, _read_stats(connection, *key)) for key in models)
            return {key: each for key, each in stats if each is not None}

        return self._database.run_or_default(read, {})

    def recent_answer_counts(self) -> dict[ModelKey, int]:
        """How many of the last RECENT_CHOICES answers each model gave."""

        def read() -> dict[ModelKey, int]:
            rows = self._database.rows(_CHOICES, (RECENT_CHOICES,))
            return {ModelKey(row["provider"], row["model"]): row["count"] for row in rows}

        return self._cache.get("answer counts", read)

    def decode_rates(self, limit: int) -> dict[tuple[ModelKey, TaskType], list[float]]:
        """Tokens per second of the last `limit` answers of each model and task type."""
        rates: dict[tuple[ModelKey, TaskType], list[float]] = {}
        for row in self._database.rows(_DECODE_RATES, (limit,)):
            if row["task_type"] in _TYPES:
                key = ModelKey(row["provider"], row["model"]), TaskType(row["task_type"])
                rates.setdefault(key, []).append(row["rate"])
        return rates

    # ------------------------------------------------------------ benchmark samples

    def add_samples(self, samples: Iterable[BenchmarkSample]) -> bool:
        """Stores samples; returns whether they were written."""
        rows = [sample._asdict() for sample in samples]

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                for row in rows:
                    insert_row(connection, "speeds", row)
            return True

        return self._database.run_or_default(write, False)

    def samples_of(self, bench: str) -> list[BenchmarkSample]:
        """The samples of one benchmark, in the order they were measured."""
        columns = ", ".join(BenchmarkSample._fields)
        query = f"SELECT {columns} FROM speeds WHERE bench = ? ORDER BY id"
        return [BenchmarkSample(**row) for row in self._database.rows(query, (bench,))]

    def benchmarked_models(self) -> set[ModelKey]:
        """The models with at least one successful sample."""
        rows = self._database.rows(
            "SELECT DISTINCT provider, model FROM speeds WHERE error IS NULL"
        )
        return {ModelKey(row["provider"], row["model"]) for row in rows}

    def benchmark_servers(self, model: ModelKey) -> list[str]:
        """The servers, with their versions, that a model's samples were measured with."""
        query = (
            "SELECT DISTINCT server FROM speeds WHERE provider = ? AND model = ? AND server != ''"
            " ORDER BY server"
        )
        return [row["server"] for row in self._database.rows(query, tuple(model))]


# ---------------------------------------------------------------- statistics


def _read_stats(connection: sqlite3.Connection, provider: str, model: str) -> SpeedStats | None:
    def read(query: str, most: int) -> list[tuple[Any, ...]]:
        values = {"model": model, "provider": provider, "most": most}
        return connection.execute(query, values).fetchall()

    answers = [_Answer._make(row) for row in read(_ANSWERS, RECENT_ANSWERS)]
    overflows = read(_OVERFLOWS, RECENT_LOADS)
    recounts = tuple((estimated, counted) for _, estimated, counted in overflows)
    if not answers:
        return SpeedStats(0, overflows[0][0], recounts=recounts) if overflows else None
    newest = answers[0].at
    loads = [(load_s, at) for at, load_s in read(_LOADS, RECENT_LOADS)]
    return SpeedStats(
        n=len(answers),
        last_at=newest,
        load_s=_weighted_median(loads, newest),
        prefill_tps=_prefill_rate(answers, lambda: read(_READS, RECENT_READS)),
        decode_tps=_weighted_median(_decode_rates(answers), newest),
        token_ratio=_weighted_median(_token_ratios(answers, recounts), newest),
        answers=_lengths(read(_LENGTHS, RECENT_LENGTHS)),
        draft_acceptance=_draft_acceptance(answers),
        recounts=recounts,
    )


def _draft_acceptance(answers: Sequence[_Answer]) -> float | None:
    """The share of the drafts' tokens that the answers took."""
    drafts = [each for each in answers if each.draft_tokens and each.draft_accepted is not None]
    proposed = sum(each.draft_tokens or 0 for each in drafts)
    return sum(each.draft_accepted or 0 for each in drafts) / proposed if proposed else None


def _prefill_rate(
    answers: Sequence[_Answer], more: Callable[[], list[tuple[Any, ...]]]
) -> float | None:
    """Tokens read per second. Ollama counts the cached tokens of a prompt and the seconds of the
    others (since 0.30.1; seen with 0.32.15: 903 tokens in 51.9 s, at the next turn 927 in 1.2), so
    that only answers count of which it is known what was cached; without any, those before them,
    and without any there, the slowest tenth, which cached tokens have made too fast the least. A
    prompt counts as much as was read of it, since a short one is read more slowly."""
    reads = _timed([_Read._make(each[:4]) for each in answers])
    if reads and not (known := _known(reads)):
        reads = _timed([_Read._make(row) for row in more()])
        known = _known(reads)[:RECENT_ANSWERS]
    elif not reads:
        return None
    rates = [
        (each.tokens / (each.prefill_s or 1.0), each.at, each.tokens) for each in known or reads
    ]
    slowest = rates if known else sorted(rates)[: math.ceil(len(rates) / 10)]
    newest = max(at for _, at, _ in slowest)
    return _weighted_median(
        [(rate, at) for rate, at, _ in slowest], newest, [tokens for *_, tokens in slowest]
    )


def _timed(reads: Sequence[_Read]) -> list[_Read]:
    return [each for each in reads if each.prefill_s and each.tokens >= MIN_READ_TOKENS]


def _known(reads: Sequence[_Read]) -> list[_Read]:
    return [each for each in reads if each.cached_tokens is not None]


def _decode_rates(answers: Sequence[_Answer]) -> list[tuple[float, float]]:
    return [
        ((each.completion_tokens or 0) / each.decode_s, each.at)
        for each in answers
        if each.decode_s and (each.completion_tokens or 0) >= 8
    ]


def _token_ratios(
    answers: Sequence[_Answer], recounts: Sequence[tuple[int, int]]
) -> list[tuple[float, float]]:
    """How far estimates are off. A prompt that overflowed before is left out: its own count is
    known."""
    refused = {estimated for estimated, _ in recounts}
    return [
        (each.prompt_tokens / each.estimated_tokens, each.at)
        for each in answers
        if each.prompt_tokens
        and each.estimated_tokens is not None
        and each.estimated_tokens >= MIN_COMPARED_TOKENS
        and each.estimated_tokens not in refused
    ]


def _lengths(rows: Sequence[tuple[Any, ...]]) -> dict[TaskType, tuple[int, float]]:
    return {TaskType(task_type): (n, mean) for task_type, n, mean in rows if task_type in _TYPES}


def _weighted_median(
    values: Sequence[tuple[float, float]], newest: float, weights: Sequence[float] = ()
) -> float | None:
    """The weighted median of (value, time) pairs; None if there are none. Older ones count less,
    and each as much as its weight."""
    weighted = sorted(
        (value, 0.5 ** (max(newest - at, 0.0) / HALF_LIFE_S) * weight)
        for (value, at), weight in zip(values, weights or [1.0] * len(values), strict=True)
    )
    half = sum(weight for _, weight in weighted) / 2
    for value, weight in weighted:
        half -= weight
        if half < 0:
            return value
    return weighted[-1][0] if weighted else None
