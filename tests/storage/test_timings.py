"""Speed of models, from live answers and benchmark samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orch.providers.streams.usage import ReportedUsage
from orch.storage.journal import Journal
from orch.storage.timings import BenchmarkSample
from orch.text.redact import Redactor
from orch.types import Attempt, ModelKey, TaskType
from tests.support.journal_file import answered_run

KEY = ModelKey("p", "m")
ANSWER = Attempt(
    "m", "p", "ok", prompt_tokens=400, completion_tokens=100, prefill_s=2.0, decode_s=5.0,
    load_s=3.0, estimated_tokens=500,
)  # fmt: skip
SAMPLE = BenchmarkSample(
    2e9, "b", "c", 0, "m", "p", "d", "warm", "short", 1, "provider",
    prompt_tokens=400, completion_tokens=100, prefill_s=1.0, decode_s=2.0,
)  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite3", Redactor({}))


def record(journal: Journal, *attempts: Attempt, task_type: str = "coding") -> None:
    for number, attempt in enumerate(attempts):
        run = answered_run(f"run {number}", 1.9e9)
        journal.record(run._replace(attempts=(attempt,), task_type=task_type))


def test_speeds_are_computed_from_answers(journal: Journal) -> None:
    record(journal, ANSWER)
    stats = journal.timings.speed_stats([KEY, ModelKey("p", "unknown")])
    assert list(stats) == [KEY]
    speed = stats[KEY]
    assert (speed.n, speed.prefill_tps, speed.decode_tps, speed.load_s) == (1, 200, 20, 3)
    assert (speed.token_ratio, speed.answers) == (0.8, {TaskType.CODING: (1, 100)})


def test_samples_of_a_benchmark_count_and_newer_ones_more(journal: Journal) -> None:
    record(journal, ANSWER)
    assert journal.timings.add_samples([SAMPLE])
    assert journal.timings.speed_stats([KEY])[KEY].decode_tps == 50
    assert journal.timings.samples_of("b") == [SAMPLE]
    assert journal.timings.benchmarked_models() == {KEY}


@pytest.mark.parametrize(
    "sample", [SAMPLE._replace(concurrency=4), SAMPLE._replace(error="it failed")], ids=["c", "e"]
)
def test_concurrent_and_failed_samples_are_not_speeds(
    journal: Journal, sample: BenchmarkSample
) -> None:
    journal.timings.add_samples([sample])
    assert journal.timings.speed_stats([KEY]) == {}


def test_short_answers_and_short_loads_are_not_measurements(journal: Journal) -> None:
    record(journal, replace(ANSWER, prompt_tokens=9, completion_tokens=3, load_s=0.01))
    speed = journal.timings.speed_stats([KEY])[KEY]
    assert (speed.prefill_tps, speed.decode_tps, speed.load_s) == (None, None, None)


def test_a_prompt_that_overflowed_does_not_correct_other_estimates(journal: Journal) -> None:
    overflow = Attempt(
        "m", "p", "failed", code="context_overflow", prompt_tokens=900, estimated_tokens=500
    )
    record(journal, ANSWER, overflow)
    speed = journal.timings.speed_stats([KEY])[KEY]
    assert (speed.token_ratio, speed.recounts) == (None, ((500, 900),))


def test_recent_answers_are_counted_by_model(journal: Journal) -> None:
    record(journal, ANSWER, ANSWER, replace(ANSWER, model="other"))
    assert journal.timings.recent_answer_counts() == {KEY: 2, ModelKey("p", "other"): 1}


def test_decode_rates_are_by_model_and_known_task_type(journal: Journal) -> None:
    record(journal, ANSWER, ANSWER)
    record(journal, replace(ANSWER, decode_s=0.0))
    assert journal.timings.decode_rates(1) == {(KEY, TaskType.CODING): [20.0]}


def test_what_the_server_had_cached_took_no_time_to_read(journal: Journal) -> None:
    record(journal, replace(ANSWER, cached_tokens=300), replace(ANSWER, cached_tokens=400))
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == 50


WARM = replace(ANSWER, load_s=0.01)
"""Ollama counts the cached tokens of its prompt, and the seconds of the others."""


def test_an_answer_counts_as_read_whole_only_right_after_a_load(journal: Journal) -> None:
    record(journal, *(replace(WARM, prompt_tokens=40_000 + n) for n in range(8)), ANSWER)
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == 200


def test_a_bench_reads_its_prompts_whole(journal: Journal) -> None:
    record(journal, *(replace(WARM, prompt_tokens=40_000 + n) for n in range(8)))
    journal.timings.add_samples([SAMPLE])
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == 400


def test_of_answers_that_may_have_been_cached_the_slowest_tenth_counts(journal: Journal) -> None:
    record(journal, *(replace(WARM, prompt_tokens=400 * 5**n) for n in range(8)))
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == pytest.approx(200)


def test_fifty_cached_turns_do_not_hide_what_was_read_whole(journal: Journal) -> None:
    turns = [replace(WARM, prompt_tokens=8_000 + n, prefill_s=1.0) for n in range(50)]
    record(journal, ANSWER, *turns)
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == 200


def test_a_prompt_counts_as_much_as_was_read_of_it(journal: Journal) -> None:
    short = replace(WARM, prompt_tokens=8_000, cached_tokens=7_950, prefill_s=1.0)
    long = replace(WARM, prompt_tokens=8_000, cached_tokens=0, prefill_s=20.0)
    record(journal, long, *[short] * 9)
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == 400


@pytest.mark.parametrize(
    ("end", "speed"),
    [
        # llama-server: what it read and what it held, in its timings
        ({"timings": {"prompt_n": 200, "cache_n": 7_800, "prompt_ms": 2_000}}, 100),
        # the same, with the counts of OpenAI's form beside them
        (
            {
                "timings": {"prompt_n": 200, "cache_n": 7_800, "prompt_ms": 2_000},
                "usage": {
                    "prompt_tokens": 8_000,
                    "completion_tokens": 9,
                    "prompt_tokens_details": {"cached_tokens": 7_800},
                },
            },
            100,
        ),
        # Ollama since 0.30: the whole prompt is counted, and the cached part is not told
        ({"prompt_eval_count": 8_000, "prompt_eval_duration": 2 * 10**9, "eval_count": 9}, 4_000),
        (
            {
                "prompt_eval_count": 8_000,
                "prompt_eval_duration": 80 * 10**9,
                "load_duration": 10**9,
                "eval_count": 9,
            },
            100,
        ),
        # OpenAI's form: no seconds are told, so that no speed is learned
        (
            {
                "usage": {
                    "prompt_tokens": 8_000,
                    "completion_tokens": 9,
                    "prompt_tokens_details": {"cached_tokens": 7_800},
                }
            },
            None,
        ),
    ],
    ids=["timings", "timings and usage", "ollama", "ollama after a load", "openai"],
)
def test_each_form_of_a_server_teaches_the_speed_of_what_it_read(
    journal: Journal, end: dict[str, Any], speed: float | None
) -> None:
    usage = ReportedUsage()
    usage.add(end)
    told = usage.completion("stop")
    attempt = Attempt(
        "m", "p", "ok", prompt_tokens=told.prompt_tokens or 0, completion_tokens=9,
        prefill_s=told.prefill_s, load_s=told.load_s, cached_tokens=told.cached_tokens,
    )  # fmt: skip
    record(journal, attempt)
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == speed


def test_a_long_chat_does_not_make_reading_seem_fast(journal: Journal) -> None:
    # recorded of Ollama 0.32.15: the turns of one conversation
    turns = [(903, 51.9), (927, 1.187), (951, 0.978), (975, 1.211)]
    answers = [replace(WARM, prompt_tokens=n, prefill_s=s) for n, s in turns]
    record(journal, replace(answers[0], load_s=4.04), *answers[1:])
    assert journal.timings.speed_stats([KEY])[KEY].prefill_tps == pytest.approx(17.4, abs=0.1)


def test_samples_tell_the_servers_that_they_were_measured_with(journal: Journal) -> None:
    samples = [SAMPLE, SAMPLE._replace(server="ollama 0.33.0")]
    assert journal.timings.add_samples(samples)
    assert journal.timings.samples_of("b") == samples
    assert journal.timings.benchmark_servers(KEY) == ["ollama 0.33.0"]
    assert journal.timings.benchmark_servers(ModelKey("p", "other")) == []


def test_the_acceptance_of_drafts_is_their_tokens_in_the_answers(journal: Journal) -> None:
    most = replace(ANSWER, draft_tokens=30, draft_accepted=20)
    record(journal, ANSWER, most, replace(ANSWER, draft_tokens=10, draft_accepted=10))
    assert journal.timings.speed_stats([KEY])[KEY].draft_acceptance == 0.75


def test_a_model_without_a_draft_has_no_acceptance(journal: Journal) -> None:
    record(journal, ANSWER)
    assert journal.timings.speed_stats([KEY])[KEY].draft_acceptance is None
