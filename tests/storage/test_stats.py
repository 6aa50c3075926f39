"""Statistics of attempts: fallbacks counted from both sides, percentiles, figures by client."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from orch.storage.stats import by_client, by_model, by_type, cold_loads, count_fallbacks, percentile


def attempt(run_id: str, n: int, model: str, **values: Any) -> dict[str, Any]:
    """A row of the table `attempts`."""
    defaults = {
        "run_id": run_id,
        "n": n,
        "model": model,
        "provider": "p",
        "task_type": "coding",
        "outcome": "ok",
        "code": None,
        "completion_tokens": None,
        "decode_s": None,
        "ttft_s": None,
        "total_s": None,
        "load_s": None,
    }
    return defaults | values


FELL_BACK = [
    attempt("1", 0, "a", outcome="failed", code="cut"),
    attempt("1", 1, "b", completion_tokens=30, decode_s=2.0, total_s=3.0),
    attempt("2", 0, "a", outcome="failed", code="interrupted"),
]


def test_a_fallback_is_counted_for_the_model_that_failed_and_for_the_one_that_took_over() -> None:
    stats = by_model(FELL_BACK)
    counts = {name: (row["fallbacks"], row["takeovers"]) for name, row in stats.items()}
    assert counts == {"a": (1, 0), "b": (0, 1)}
    assert count_fallbacks(FELL_BACK) == Counter({("a", "cut", "b"): 1})


def test_an_interrupted_attempt_is_not_an_error() -> None:
    assert by_model(FELL_BACK)["a"]["errors"] == 1


def test_a_chore_that_was_sent_away_is_no_error_of_the_model() -> None:
    away = attempt("3", 0, "a", task_type=None, outcome="failed", code="turn_in_progress")
    assert by_model([away])["a"]["errors"] == 0


def test_times_are_those_of_answers() -> None:
    row = by_type(FELL_BACK)["coding"]
    assert (row["runs"], row["tokens"], row["tokens_per_s"], row["total_p50_s"]) == (3, 30, 15, 3)
    assert row["ttft_p50_s"] is None


def test_a_model_of_two_providers_is_named_with_its_provider() -> None:
    rows = [attempt("1", 0, "a"), attempt("2", 0, "a", provider="q")]
    assert list(by_model(rows)) == ["p/a", "q/a"]


def test_cold_loads_are_the_long_ones() -> None:
    rows = [attempt("1", 0, "a", load_s=4.0), attempt("2", 0, "a", load_s=0.01)]
    assert cold_loads(rows) == {"a": [4.0]}


def test_clients_without_a_key_are_counted_under_the_empty_name() -> None:
    run = {"client": None, "status": "failed", "prompt_tokens": 5, "completion_tokens": None}
    assert by_client([run, run]) == {
        "": {"runs": 2, "errors": 2, "prompt_tokens": 10, "completion_tokens": 0}
    }


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([7], 95, 7), ([3, 1, 2], 50, 2), (range(1, 101), 95, 95), ([1, 2], 0, 1)],
)
def test_percentiles_are_of_the_nearest_rank(
    values: list[float], percent: float, expected: float | None
) -> None:
    assert percentile(values, percent) == expected
