"""Counts of prompts that the server remembers."""

from __future__ import annotations

from orch.server.token_counts import MAX_MODELS, MAX_SAMPLES, MIN_SAMPLES, TokenCounts
from orch.types import ModelKey

MODEL = ModelKey("ollama", "a")
PARTS = (300.0, 100.0)


def recorded(*counts: int, model: ModelKey = MODEL) -> TokenCounts:
    """What is remembered after these counts of one prompt."""
    kept = TokenCounts()
    for count in counts:
        kept.record(model, PARTS, count)
    return kept


def test_some_counts_are_needed_before_they_are_used() -> None:
    assert recorded(*[800] * (MIN_SAMPLES - 1)).estimate(MODEL, PARTS) is None
    assert recorded(*[800] * MIN_SAMPLES).estimate(MODEL, PARTS) in (799, 800, 801)
    assert recorded(*[800] * MIN_SAMPLES).estimate(ModelKey("ollama", "b"), PARTS) is None


def test_a_later_count_changes_the_estimate() -> None:
    kept = recorded(*[800] * MIN_SAMPLES)
    assert kept.estimate(MODEL, PARTS) == 800
    for _ in range(MAX_SAMPLES):
        kept.record(MODEL, PARTS, 400)
    assert kept.estimate(MODEL, PARTS) == 400


def test_small_prompts_and_counts_of_something_else_are_not_remembered() -> None:
    kept = recorded(*[0, 5, 40_000] * MIN_SAMPLES)
    for _ in range(MIN_SAMPLES):
        kept.record(MODEL, (10.0, 10.0), 30)
    assert kept.estimate(MODEL, PARTS) is None


def test_no_more_than_so_many_models_are_remembered() -> None:
    kept = recorded(*[800] * MIN_SAMPLES)
    for number in range(MAX_MODELS):
        kept.record(ModelKey("ollama", str(number)), PARTS, 800)
    assert kept.estimate(MODEL, PARTS) is None
