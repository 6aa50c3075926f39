"""One cell of a speed bench, as the journal keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BenchmarkSample:
    """One cell of a speed bench. Seconds, tokens, bytes; `kind` is cold, warm or together;
    `timed_by` is provider or clock."""

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
