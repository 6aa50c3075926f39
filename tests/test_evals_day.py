"""The simulated machine of `tests/evals/day.py`: memory, seconds, oracle, and goals that a bad
policy misses."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from orch.types import Candidate, Decision, TaskType
from tests.evals.days.goals import Check, checks
from tests.evals.days.machine import Model, made, metadata
from tests.evals.days.ollama import Ollama
from tests.evals.days.pools import Pool
from tests.evals.days.quality import split
from tests.evals.days.tasks import DayTask, day
from tests.evals.days.world import (
    Day,
    Step,
    Totals,
    World,
    kept,
    not_ruled_out,
    oracle,
    passed_over,
    spent,
)
from tests.readme.days import kept_of

WEIGHTS = {"fit": 0.2, "quality": 0.4, "speed": 0.3, "confidence": 0.1}


def model(name: str, quality: float = 0.6, *, size_b: float = 8.0, **at: float) -> Model:
    by_type = {kind: at.get(kind, quality) for kind in TaskType}
    return Model((f"{name}:8b",), name, size_b, size_b, "Q4_K_M", 32_768, (), {}, by_type)


def task(kind: TaskType = TaskType.CODING) -> DayTask:
    return DayTask(f"a task of {kind}", kind, (), 400)


def world(
    *models: Model, room: int = 1, profile: str = "balanced", tasks: tuple[DayTask, ...] = ()
) -> World:
    return World(Pool("toy", models), room, "gpu", profile, tasks or (task(),) * 20)


def candidate(
    of: Model, quality: float, expected_s: float, *, resident: bool = False, out: str = ""
) -> Candidate:
    return Candidate(
        of.name,
        of.name,
        "ollama",
        quality=quality,
        expected_s=expected_s,
        resident=resident,
        eliminated=out or None,
        eliminated_code=out,
    )


def decision(chosen: Candidate, *others: Candidate) -> Decision:
    return Decision(
        chosen.model_id,
        chosen.model_id,
        "ollama",
        TaskType.CODING,
        0.9,
        "",
        (chosen, *others),
        "balanced",
        WEIGHTS,
        20,
        "",
    )


def as_chosen(where: World, names: str) -> Day:
    """A day on which the models were used in that order, by the first letter of their names."""
    by_letter = {each.name[0]: each for each in where.pool.models}
    server = Ollama(where.pool.models, where.room, where.memory_bytes, where.machine)
    steps = [
        _step(where, server, by_letter[letter], each)
        for letter, each in zip(names, where.tasks, strict=True)
    ]
    auto = Totals.of(
        [s.quality for s in steps],
        [s.answer.seconds for s in steps],
        sum(s.answer.load_s > 0 for s in steps),
    )
    return Day(
        where,
        tuple(steps),
        auto,
        {each.name: kept(where, each) for each in where.pool.models},
        auto,
    )


def _step(where: World, server: Ollama, chosen: Model, asked: DayTask) -> Step:
    before, server.answer_tokens = (
        tuple(each.model.name for each in server.loaded),
        asked.answer_tokens,
    )
    loaded = (
        candidate(each, each.quality[asked.label], 1.0, resident=True)
        for each in where.pool.models
        if each.name in before and each is not chosen
    )
    made = decision(candidate(chosen, chosen.quality[asked.label], 2.0), *loaded)
    return Step(
        asked, made, server.ask(chosen.name, 8192, 20), before, passed_over(made), frozenset()
    )


def missed(of: Day) -> list[Check]:
    return [check for check in checks(of) if not check.reached]


# ---------------------------------------------------------------- the machine


def test_the_model_used_longest_ago_is_evicted() -> None:
    a, b, c = model("a"), model("b"), model("c")
    server = Ollama([a, b, c], most=2, memory_bytes=10**12, machine="gpu")
    loads = [server.ask(each.name, 8192, 20).load_s > 0 for each in (a, b, a, c, a, b)]
    assert loads == [True, True, False, True, False, True]


def test_ollama_itself_unloads_by_the_name_of_the_file() -> None:
    first, second = sorted((model("a"), model("b")), key=lambda each: each.digest)
    server = Ollama(
        [first, second, model("c")], most=2, memory_bytes=10**12, machine="gpu", by_name=True
    )
    for name in (second.name, first.name, "c:8b"):
        server.ask(name, 8192, 20)
    assert {each.name for each in server.loaded} == {second.name, "c:8b"}


def test_memory_evicts_before_the_number_of_models_does() -> None:
    a, b = model("a"), model("b")
    server = Ollama([a, b], most=2, memory_bytes=int(a.bytes_at(8192) * 1.5), machine="gpu")
    server.ask(a.name, 8192, 20)
    server.ask(b.name, 8192, 20)
    assert [each.model for each in server.loaded] == [b]


def test_two_names_of_a_blob_are_loaded_once() -> None:
    twice = replace(model("a"), names=("a:8b", "a:latest"))
    server = Ollama([twice], most=2, memory_bytes=10**12, machine="gpu")
    assert server.ask("a:8b", 8192, 20).load_s > 0
    assert server.ask("a", 8192, 20).load_s == 0
    assert [each["name"] for each in server.json("/api/ps", None)["models"]] == ["a:8b"]


def test_another_context_is_another_load() -> None:
    server = Ollama([model("a")], most=1, memory_bytes=10**12, machine="gpu")
    assert [server.ask("a:8b", num_ctx, 20).load_s > 0 for num_ctx in (8192, 8192, 16_384)] == [
        True,
        False,
        True,
    ]


def test_seconds_are_bandwidth_over_active_gigabytes() -> None:
    sparse = replace(model("a", size_b=30), active_b=3.0)
    server = Ollama([sparse], most=1, memory_bytes=10**12, machine="gpu")
    server.answer_tokens = 400
    size = 30 * 0.62 + 0.2
    answer = server.ask("a:8b", 8192, 1000)
    assert (answer.load_s, answer.prefill_s, answer.decode_s) == pytest.approx(
        (0.5 + size / 1.2, size / 40, size / 10)
    )


def test_a_name_tells_the_active_parameters_that_the_data_lacks() -> None:
    facts: dict[str, Any] = {
        "model": "x",
        "family": "x",
        "released": None,
        "params_b": 7.0,
        "active_b": None,
        "context": None,
        "capabilities": [],
        "scores": [],
    }
    assert [
        made({**facts, "ollama": [name]}, {}).active_b
        for name in ("granite4:7b-a1b-h", "granite4:7b")
    ] == [1.0, 7.0]


def test_metadata_tells_the_name_in_three_parts() -> None:
    facts = {
        "model": "qwen2.5-coder-7b-instruct",
        "family": "qwen2.5",
        "released": "2024-11",
        "params_b": 7.6,
    }
    told = metadata(facts, "usual")
    assert (told["general.basename"], told["general.size_label"], told["general.finetune"]) == (
        "Qwen2.5-Coder",
        "7B",
        "Instruct",
    )
    assert metadata(facts, "bare") == {}


# ---------------------------------------------------------------- days


def test_a_day_has_a_third_of_coding_and_runs_of_one_type() -> None:
    kinds = [each.label for each in day(0)]
    assert (len(kinds), kinds.count(TaskType.CODING), kinds.count(TaskType.SIMPLE)) == (60, 21, 12)
    assert sum(one is not other for one, other in pairwise(kinds)) < 30
    assert not {each.text for each in day(0)} & {each.text for each in day(1)}


def test_a_day_goes_through_orch_and_measured_speeds_reach_it() -> None:
    small, large = model("small", 0.5, size_b=3), model("large", 0.7, size_b=14)
    found = spent(world(small, large, tasks=day(0)[:4]))
    assert [step.decision.model_id for step in found.steps] == [
        step.answer.model.name for step in found.steps
    ]
    last = next(
        each
        for each in found.steps[-1].decision.candidates
        if each.model_id == found.steps[-2].answer.model.name
    )
    assert last.resident
    assert last.provenance["speed"].startswith("measured")


def test_orch_knows_what_it_is_told() -> None:
    modes = {"off": {"scores": 9, "newest": "2026-07"} | dict.fromkeys(TaskType, 8.5)}
    told = {
        "models": [
            {
                "name": "small",
                "family": "toy",
                "ollama": ["small:8b"],
                "params_b": 3.0,
                "modes": modes,
            }
        ]
    }
    found = spent(
        replace(
            world(model("small", size_b=3), model("large", size_b=14), tasks=day(0)[:1]), told=told
        )
    )
    assert {each.model_id: each.quality for each in found.steps[0].decision.candidates}[
        "small:8b"
    ] == pytest.approx(0.85)


def test_the_oracle_stays_where_a_switch_costs_more_than_it_gives() -> None:
    one, two = model("one", 0.60), model("two", 0.60, coding=0.61)
    tasks = (task(), task(TaskType.WRITING)) * 10
    assert oracle(world(one, two, tasks=tasks), WEIGHTS, [()] * 20).loads == 1


def test_the_oracle_switches_where_that_is_worth_it() -> None:
    one, two = model("one", 0.2, coding=0.9), model("two", 0.2, writing=0.9)
    tasks = (task(),) * 20 + (task(TaskType.WRITING),) * 20
    found = oracle(world(one, two, tasks=tasks), WEIGHTS, [()] * 40)
    assert (found.loads, round(found.quality, 6)) == (2, 0.9)


def test_the_oracle_uses_no_model_where_a_floor_rules_it_out() -> None:
    one, two = model("one", 0.5), model("two", 0.9)
    found = oracle(world(one, two, tasks=(task(),) * 4), WEIGHTS, [(), (), (two.name,), ()])
    assert round(found.quality, 6) == 0.8


def test_halves_share_no_test_and_all_votes_are_together() -> None:
    dates = {
        ("chat", "arena"): [2025.0] * 50,
        ("chat", "alpaca"): [2024.0] * 50,
        ("coding", "arena"): [2025.0] * 50,
        ("coding", "x"): [2026.0] * 50,
    }
    halves = [split(dates, seed) for seed in range(8)]
    assert all(
        half["chat", "arena"] == half["coding", "arena"] != half["chat", "alpaca"]
        for half in halves
    )
    assert {half["coding", "x"] for half in halves} == {"A", "B"}


# ---------------------------------------------------------------- goals


def test_a_day_with_the_best_model_alone_reaches_every_goal() -> None:
    good, bad = model("good", 0.7), model("bad", 0.5)
    for profile in ("balanced", "speed", "quality"):
        assert missed(as_chosen(world(good, bad, profile=profile), "g" * 20)) == []


def test_a_policy_that_switches_for_nothing_misses_every_balanced_goal() -> None:
    found = missed(as_chosen(world(model("good", 0.7), model("bad", 0.5)), "gb" * 10))
    assert [check.goal.split()[0] for check in found] == ["no", "round", "loads", "decisions"]
    assert all(check.missed_by > 0 and check.blamed for check in found)


def test_a_slow_choice_misses_the_goal_of_speed() -> None:
    slow, quick = model("slow", 0.7, size_b=30), model("quick", 0.65, size_b=4)
    assert any(
        check.goal.startswith("seconds")
        for check in missed(as_chosen(world(slow, quick, profile="speed"), "s" * 20))
    )


def test_a_worse_choice_misses_the_goal_of_quality() -> None:
    good, bad = model("good", 0.7, size_b=30), model("bad", 0.6)
    assert [
        check.goal for check in missed(as_chosen(world(good, bad, profile="quality"), "b" * 20))
    ] == ["quality beside the best kept model"]


def test_a_round_trip_that_brings_better_answers_is_none_that_loses() -> None:
    one, two = model("one", 0.5, coding=0.6), model("two", 0.5, writing=0.9)
    tasks = ((task(),) * 3 + (task(TaskType.WRITING),) * 2) * 4
    found = as_chosen(world(one, two, tasks=tasks), "ooott" * 4)
    assert next(check for check in checks(found) if check.goal.startswith("round")).figure == 0


def test_a_loaded_model_is_passed_over_where_it_is_sooner_and_no_worse() -> None:
    chosen, sooner = candidate(model("a"), 0.6, 5.0), candidate(model("b"), 0.6, 4.0, resident=True)
    worse, cold = candidate(model("c"), 0.59, 4.0, resident=True), candidate(model("d"), 0.7, 1.0)
    out = candidate(model("e"), 0.9, 1.0, resident=True, out="quality_floor")
    assert passed_over(decision(chosen, sooner, worse, cold, out)) == (sooner,)


def test_models_below_the_floor_at_most_tasks_are_no_yardstick() -> None:
    good, bad = model("good", 0.7), model("bad", 0.5)
    found = as_chosen(world(good, bad), "g" * 20)
    steps = [
        replace(step, ruled_out=frozenset({bad.name}) if at < 11 else frozenset())
        for at, step in enumerate(found.steps)
    ]
    assert not_ruled_out(steps, found.world) == [good.name]
    assert not_ruled_out(steps[10:], found.world) == [good.name, bad.name]


# ---------------------------------------------------------------- the README


def test_the_readme_keeps_a_reports_figures_and_where_a_goal_was_missed() -> None:
    totals = {"quality": 0.7654, "seconds": 1234.5, "loads": 2}
    shown = {
        "pool": "a",
        "room": 1,
        "machine": "gpu",
        "profile": "balanced",
        "auto": totals,
        "kept": {"m": totals},
        "best_kept": "m",
        "oracle": totals,
    }
    days = [
        {**shown, "checks": [{"goal": "g", "reached": True}]},
        {**shown, "room": 2, "checks": [{"goal": "g", "reached": False}]},
    ]
    report = {"date": "2026-11-29", "machine": "here", "n": 2, "told": "half", "days": days}
    kept_figures = kept_of(report, {"before": {"a": ".5 1 s 3"}})
    assert kept_figures["rows"] == {
        "a": {"auto": ".765 1,234 s 2", "kept": "m .765 1,234 s", "oracle": ".765 1,234 s 2"}
    }
    assert (kept_figures["goals"], kept_figures["before"]) == (
        {"g": "1/2 (a -1)"},
        {"a": ".5 1 s 3"},
    )
    assert kept_of({**report, "told": "truth"}, {"rows": {}}) == {"rows": {}, "truth": {"g": "1/2"}}
