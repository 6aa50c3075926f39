"""Token counts and timings: wherever they stand, in whatever form."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.chat import Completion
from orch.providers.streams.usage import ReportedUsage

COUNTS = {"prompt_tokens": 7, "completion_tokens": 2}


def counted(*events: dict[str, Any]) -> tuple[int | None, int | None]:
    usage = ReportedUsage()
    for event in events:
        usage.add(event)
    completion = usage.completion("stop")
    return completion.prompt_tokens, completion.completion_tokens


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [], "usage": COUNTS},
        {"usage": {"prompt_tokens": "7", "completion_tokens": "2"}},
        {"usage": {"prompt_tokens": 7.0, "completion_tokens": 2.0}},
        {"usage": {"input_tokens": 7, "output_tokens": 2}},
        {"usage": {"prompt_tokens": 7, "total_tokens": 9}},
        {"choices": [{"delta": {}, "usage": COUNTS}]},
        {"choices": [{"delta": {"usage": COUNTS}}]},
        {"choices": [{"message": {"content": "", "usage": COUNTS}}]},
        {"choices": [None], "x_groq": {"usage": COUNTS}},
        {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2}},
        {"timings": {"prompt_n": 7, "predicted_n": 2}},
        {"prompt_eval_count": 7, "eval_count": 2, "done": True},
        {"tokens_evaluated": 7, "tokens_predicted": 2, "stop": True},
    ],
    ids=str,
)
def test_counts_are_found_anywhere(event: dict[str, Any]) -> None:
    assert counted(event) == (7, 2)


@pytest.mark.parametrize("usage", [None, 5, "many", [], {"prompt_tokens": None}, {"prompt_n": {}}])
def test_counts_that_are_none_are_none(usage: Any) -> None:
    assert counted({"usage": usage}) == (None, None)


def test_a_zero_does_not_replace_a_count() -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0}
    assert counted({"usage": zero}, {"usage": COUNTS}, {"usage": zero}) == (7, 2)
    assert counted({"usage": zero}) == (0, 0)


def test_the_last_count_counts() -> None:
    assert counted({"usage": {**COUNTS, "completion_tokens": 1}}, {"usage": COUNTS}) == (7, 2)


def test_timings_are_seconds() -> None:
    usage = ReportedUsage()
    usage.add({"load_duration": 2_000_000_000, "eval_duration": 500_000_000})
    usage.add({"timings": {"prompt_ms": 250.0, "predicted_ms": None}})
    completion = usage.completion("length")
    assert (completion.load_s, completion.prefill_s, completion.decode_s) == (2.0, 0.25, 0.5)
    assert completion.finish_reason == "length"


# ---------------------------------------------------------------- what was cached, and drafts


def ended(*events: dict[str, Any]) -> Completion:
    usage = ReportedUsage()
    for event in events:
        usage.add(event)
    return usage.completion("stop")


@pytest.mark.parametrize(
    "event",
    [
        {"usage": {**COUNTS, "prompt_tokens_details": {"cached_tokens": 5}}},
        {"usage": {**COUNTS, "prompt_cache_hit_tokens": 5}},
        {"timings": {"prompt_n": 2, "cache_n": 5, "predicted_n": 2}},
        {"timings": {"prompt_n": 2, "cache_n": 5}, "usage": COUNTS},
        {"usage": {"input_tokens": 7, "input_tokens_details": {"cached_tokens": "5"}}},
    ],
    ids=str,
)
def test_cached_tokens_are_part_of_the_prompt(event: dict[str, Any]) -> None:
    completion = ended(event)
    assert (completion.prompt_tokens, completion.cached_tokens) == (7, 5)


@pytest.mark.parametrize(
    "usage",
    [
        COUNTS,
        {**COUNTS, "prompt_tokens_details": None},
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": "many"}},
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 900}},
        {"prompt_tokens_details": {"cached_tokens": 5}},
    ],
    ids=str,
)
def test_what_no_prompt_can_have_cached_is_unknown(usage: dict[str, Any]) -> None:
    assert ended({"usage": usage}).cached_tokens is None


def test_the_acceptance_of_a_draft_is_read_from_llama_cpps_timings() -> None:
    drafted = ended({"timings": {"prompt_n": 7, "draft_n": 12, "draft_n_accepted": 9}})
    assert (drafted.draft_tokens, drafted.draft_accepted) == (12, 9)
    lie = ended({"timings": {"prompt_n": 7, "draft_n": 12, "draft_n_accepted": 90}})
    assert lie.draft_accepted is None
