"""What expected seconds are made of: answer lengths as measured, the pace of this machine, a load
that is spread, and what is unloaded."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from orch.config.spec import TERMS, TaskTypeRule
from orch.routing.machine.placement import MachineMemory, MemoryPart
from orch.routing.model_state import NEXT_USE_PRIOR, ModelState, next_use_probability
from orch.routing.scoring.expected_time import (
    GPU_TO_MAIN,
    LOAD_FIXED_S,
    LOAD_GB_PER_S,
    PRIOR_ANSWERS,
    rated_tps,
)
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import rank_candidates
from orch.routing.scoring.score_terms import TASKS_PER_LOAD, speed_score
from orch.types import Candidate, Classification, Need, SpeedStats, TaskType
from tests.support.scoring import HI, state, sure

GB = 10**9
SPEED_ALONE = dict.fromkeys(TERMS, 0.0) | {"speed": 1.0}
RULES = dict.fromkeys(TaskType, TaskTypeRule(answer_tokens=400))


def ranked(
    *states: ModelState, told: Classification | None = None, **policy: Any
) -> dict[str, Candidate]:
    """Every candidate by its id, with speed as the whole score."""
    return {
        each.model_id: each
        for each in rank_candidates(
            told or sure(), states, HI, Policy(SPEED_ALONE, RULES, **policy)
        )
    }


def sized(name: str, gigabytes: float = 6.0, **more: Any) -> ModelState:
    """A model of that size."""
    return state(name, size_bytes=int(gigabytes * GB), facts={"memory_gb": gigabytes}, **more)


def loads(gigabytes: float) -> float:
    """Seconds of a load that was never measured."""
    return LOAD_FIXED_S + gigabytes / LOAD_GB_PER_S


def measured(**more: Any) -> SpeedStats:
    """Figures of a model that writes 100 tokens a second."""
    return SpeedStats(n=9, last_at=0.0, prefill_tps=1e9, decode_tps=100.0, **more)


# ---------------------------------------------------------------- answer lengths


def test_the_expected_length_is_that_of_the_model_s_own_answers_of_the_type() -> None:
    plain = state(
        "a",
        resident=True,
        measured=measured(answers={TaskType.CODING: (15, 1_000.0), TaskType.SIMPLE: (50, 10.0)}),
    )
    usual = (PRIOR_ANSWERS * 400 + 15 * 1_000) / (PRIOR_ANSWERS + 15)
    own = (PRIOR_ANSWERS * usual + 15 * 1_000) / (PRIOR_ANSWERS + 15)
    assert ranked(plain)["a"].seconds["decode"] == pytest.approx(own / 100)


def test_lengths_of_one_model_tell_what_is_usual_here_for_those_without_answers_of_their_own() -> (
    None
):
    known = state(
        "known", resident=True, measured=measured(answers={TaskType.CODING: (15, 1_000.0)})
    )
    other = state("other", resident=True, measured=measured())
    assert ranked(known, other)["other"].seconds["decode"] == pytest.approx(
        (PRIOR_ANSWERS * 400 + 15_000) / (PRIOR_ANSWERS + 15) / 100
    )


def test_answers_of_models_that_think_tell_nothing_of_the_others() -> None:
    thinks = state(
        "thinks",
        resident=True,
        capabilities=frozenset({"completion", "thinking"}),
        measured=measured(answers={TaskType.CODING: (50, 5_000.0)}),
    )
    other = state("other", resident=True, measured=measured())
    found = ranked(thinks, other)
    assert found["other"].seconds["decode"] == pytest.approx(4.0)
    assert found["thinks"].seconds["decode"] > 40


def test_the_length_is_that_of_all_likely_types() -> None:
    told = Classification(TaskType.CODING, 0.5, {TaskType.CODING: 0.5, TaskType.SIMPLE: 0.5})
    rules = {
        TaskType.CODING: TaskTypeRule(answer_tokens=600),
        TaskType.SIMPLE: TaskTypeRule(answer_tokens=200),
    }
    (found,) = rank_candidates(
        told, [state("a", resident=True, measured=measured())], HI, Policy(SPEED_ALONE, rules)
    )
    assert found.seconds["decode"] == pytest.approx(4.0)


# ---------------------------------------------------------------- the pace of this machine


def test_an_unmeasured_model_is_as_much_slower_than_rated_as_the_measured_ones_are() -> None:
    new = state("new", resident=True)
    slow = [
        state(
            name,
            resident=True,
            measured=SpeedStats(n=3, last_at=0.0, decode_tps=rated_tps(new) / 8),
        )
        for name in ("a", "b")
    ]
    alone, beside = (
        ranked(new)["new"].seconds["decode"],
        ranked(new, *slow)["new"].seconds["decode"],
    )
    assert beside / alone == pytest.approx(8 ** (2 / 3)), (
        "shrunk: of two measured models two thirds are believed"
    )


def test_loads_that_were_measured_tell_how_long_others_will_take() -> None:
    seen = sized("seen", 6.0, measured=SpeedStats(n=3, last_at=0.0, load_s=4 * loads(6.0)))
    assert ranked(sized("new", 12.0), seen)["new"].seconds["load"] == pytest.approx(
        math.sqrt(4) * loads(12.0)
    )


def test_models_on_other_machines_tell_nothing_of_this_one() -> None:
    far = state("far", local=False, measured=SpeedStats(n=3, last_at=0.0, decode_tps=1.0))
    assert (
        ranked(state("new", resident=True), far)["new"]
        == ranked(state("new", resident=True))["new"]
    )


def test_a_model_that_nobody_rated_is_as_fast_as_its_weights_can_be_read() -> None:
    dense, sparse = (
        state(name, resident=True, bytes_per_token=int(size * GB))
        for name, size in (("dense", 4.9), ("sparse", 0.49))
    )
    found = ranked(dense, sparse)
    assert 400 / found["dense"].seconds["decode"] == pytest.approx(80, abs=1)
    assert found["dense"].seconds["decode"] == pytest.approx(10 * found["sparse"].seconds["decode"])
    assert found["dense"].provenance["speed"] == "guessed from size"


# ---------------------------------------------------------------- the load that is spread


def test_if_nothing_is_loaded_the_score_spreads_the_load_over_the_next_tasks() -> None:
    found = ranked(sized("a", 12.0))["a"]
    rest = found.seconds["prefill"] + found.seconds["decode"]
    assert found.expected_s == pytest.approx(loads(12.0) + rest)
    assert found.score == pytest.approx(speed_score(loads(12.0) / TASKS_PER_LOAD + rest))


@pytest.mark.parametrize(
    ("loaded", "spread"),
    [
        ({}, False),
        ({"capabilities": frozenset({"embedding"})}, True),
        ({"facts": {"quality_rating": 1}}, True),
    ],
)
def test_only_a_loaded_model_that_can_take_the_task_makes_a_load_count_whole(
    loaded: dict[str, Any], spread: bool
) -> None:
    rules = dict.fromkeys(TaskType, TaskTypeRule(answer_tokens=400, quality_floor=5))
    there = state("there", resident=True, **loaded)
    found = next(
        each
        for each in rank_candidates(
            sure(), [sized("a", 12.0), there], HI, Policy(SPEED_ALONE, rules)
        )
        if each.model_id == "a"
    )
    rest = found.seconds["prefill"] + found.seconds["decode"]
    assert found.score == pytest.approx(
        speed_score(loads(12.0) / (TASKS_PER_LOAD if spread else 1) + rest)
    )


# ---------------------------------------------------------------- what is unloaded


def test_a_load_that_unloads_another_model_costs_its_reload_times_how_likely_that_is_wanted() -> (
    None
):
    there = sized("there", 9.0, resident=True, resident_bytes=9 * GB, next_use_probability=0.75)
    found = ranked(there, sized("new", 6.0), memory_bytes=12 * GB)["new"]
    assert found.evicts == 1
    assert found.seconds["eviction"] == pytest.approx(0.75 * loads(9.0))
    assert found.expected_s == pytest.approx(
        found.seconds["load"] + found.seconds["prefill"] + found.seconds["decode"]
    )
    assert found.score == pytest.approx(speed_score(found.expected_s + found.seconds["eviction"]))


def test_where_there_is_room_beside_it_nothing_is_unloaded() -> None:
    there = sized("there", 9.0, resident=True, resident_bytes=9 * GB)
    found = ranked(there, sized("new", 6.0), memory_bytes=16 * GB)["new"]
    assert (found.evicts, found.seconds["eviction"]) == (0, 0.0)
    assert ranked(there, sized("new", 6.0))["new"].evicts == 0, "no memory known"


@pytest.mark.parametrize(
    ("most", "evicts"),
    [({"ollama": 1}, 2), ({"ollama": 2}, 1), ({"ollama": 3}, 0), ({"other": 1}, 0)],
)
def test_a_provider_that_keeps_so_many_models_unloads_one_for_the_next(
    most: dict[str, int], evicts: int
) -> None:
    there = [sized(name, 9.0, resident=True, resident_bytes=9 * GB) for name in "ab"]
    found = ranked(*there, sized("new"), max_loaded=most)["new"]
    assert found.evicts == evicts
    assert found.seconds["eviction"] == pytest.approx(evicts * NEXT_USE_PRIOR * loads(9.0))


@pytest.mark.parametrize(
    "exempt",
    [
        {"resident": True},
        {"local": False},
        {"remote_host": "far"},
        {"facts": {"provider": "other"}},
    ],
)
def test_who_needs_no_load_here_unloads_nobody(exempt: dict[str, Any]) -> None:
    there = sized("there", 9.0, resident=True, resident_bytes=9 * GB)
    found = ranked(
        there,
        state("new", size_bytes=6 * GB, **exempt),
        memory_bytes=16 * GB,
        max_loaded={"ollama": 1},
    )["new"]
    assert (found.evicts, found.seconds["eviction"]) == (0, 0.0)


def test_names_of_one_model_are_unloaded_once() -> None:
    there = [
        sized(name, 9.0, resident=True, resident_bytes=9 * GB, digest="same")
        for name in ("qwen3:8b", "qwen3:latest")
    ]
    assert ranked(*there, sized("new", 6.0), memory_bytes=12 * GB)["new"].seconds[
        "eviction"
    ] == pytest.approx(NEXT_USE_PRIOR * loads(9.0))


def test_the_order_of_the_models_does_not_count_in_sums() -> None:
    there = [
        sized(
            f"{n}",
            resident=True,
            next_use_probability=n / 10,
            measured=SpeedStats(n=1, last_at=0.0, load_s=1.0),
        )
        for n in (1, 2, 3)
    ]
    lengths = [
        state(f"m{n}", measured=measured(answers={TaskType.CODING: (1, n / 10)})) for n in (1, 2, 3)
    ]
    orders = [
        (*these, *those, sized("new"))
        for these in permutations(there)
        for those in permutations(lengths)
    ]
    found = {tuple(ranked(*order, memory_bytes=1)["new"].seconds.values()) for order in orders}
    assert len(found) == 1


def test_how_likely_a_model_is_wanted_follows_the_last_answers_and_is_a_half_before_any() -> None:
    assert next_use_probability(0, 0) == NEXT_USE_PRIOR == 0.5
    assert next_use_probability(20, 20) == pytest.approx(22 / 24)
    assert next_use_probability(0, 20) == pytest.approx(2 / 24)


def test_eviction_enters_the_speed_term_alone() -> None:
    there = sized("there", 9.0, resident=True, resident_bytes=9 * GB)
    crowded, roomy = (
        ranked(there, sized("new"), memory_bytes=memory)["new"] for memory in (12 * GB, 99 * GB)
    )
    assert crowded.terms["speed"] < roomy.terms["speed"]
    assert replace(crowded, terms={}, score=0.0, seconds={}, evicts=0) == replace(
        roomy, terms={}, score=0.0, seconds={}, evicts=0
    )


def test_where_nobody_says_whether_a_model_is_loaded_no_load_is_expected_and_nothing_evicted() -> (
    None
):
    unknown, resident = sized("unknown", resident=None), sized("loaded", resident=True)
    each = ranked(unknown, resident, memory_bytes=7 * GB)["unknown"]
    assert (each.resident, each.seconds["load"], each.evicts) == (None, 0.0, 0)
    assert "not known whether it is loaded" in each.reason


def test_a_model_of_unknown_residency_is_not_out_for_its_size() -> None:
    chosen = ranked(sized("unknown", resident=None), sized("cold"), memory_bytes=GB)
    assert not chosen["unknown"].eliminated
    assert chosen["cold"].eliminated


# ---------------------------------------------------------------- where a model stands


def with_gpus(gigabytes: float) -> dict[str, Any]:
    """A machine whose GPUs have so much for models."""
    gpus, main = MemoryPart(int(gigabytes * GB)), MemoryPart(64 * GB)
    return {"memory": MachineMemory(gpus.capacity_bytes + main.capacity_bytes, gpus, main)}


def decode_s(each: ModelState, **policy: Any) -> float:
    """Seconds of decoding an answer."""
    return ranked(each, **policy)[each.spec.id].seconds["decode"]


def test_a_part_in_main_memory_makes_a_guessed_speed_slower() -> None:
    large = sized("large", 40.0)
    whole, half, none = (decode_s(large, **with_gpus(gb)) for gb in (80, 22, 0))
    assert whole == pytest.approx(decode_s(large))
    assert half == pytest.approx(whole * (0.5 + GPU_TO_MAIN / 2))
    assert none == pytest.approx(whole * GPU_TO_MAIN)


def test_a_loaded_model_is_where_its_server_says() -> None:
    there = sized("there", 40.0, resident=True, resident_bytes=40 * GB)
    on_gpu, in_main = (
        decode_s(there._replace(vram_bytes=size), **with_gpus(80)) for size in (40 * GB, 0)
    )
    assert in_main == pytest.approx(on_gpu * GPU_TO_MAIN)


def test_a_measured_speed_stays_as_it_was_measured() -> None:
    large = sized("large", 40.0, measured=measured())
    assert decode_s(large, **with_gpus(0)) == decode_s(large, **with_gpus(80))


# ---------------------------------------------------------------- what a server has cached


LONG = Need(prompt_tokens=8_000)


def prefill_of(each: ModelState, need: Need = LONG) -> tuple[float, str]:
    """Seconds of prefill, and what the decision says of them."""
    policy = Policy(SPEED_ALONE, RULES)
    (found,) = rank_candidates(sure(), [each], need, policy)
    return found.seconds["prefill"], found.provenance.get("prefill", "")


def reading(**more: Any) -> ModelState:
    """A model that reads 100 tokens a second."""
    stats = SpeedStats(n=9, last_at=0.0, prefill_tps=100.0, decode_tps=10.0)
    return state("a", measured=stats, resident=True, resident_ctx=32_768, **more)


def test_only_what_the_server_does_not_hold_is_read() -> None:
    assert prefill_of(reading()) == (80.0, "")
    told = "prefill of 400 new tokens, 7,600 cached"
    assert prefill_of(reading(cached_tokens=7_600)) == (4.0, told)
    assert prefill_of(reading(cached_tokens=9_000))[0] == 0.0


def test_a_load_reads_all_of_it() -> None:
    with_other_context = reading(cached_tokens=7_600)._replace(resident_ctx=4_096)
    assert prefill_of(with_other_context) == (80.0, "")


def test_a_switch_of_model_costs_the_whole_prompt() -> None:
    holding = reading(cached_tokens=7_600)
    faster = SpeedStats(n=9, last_at=0.0, prefill_tps=300.0, decode_tps=10.0)
    other = state("b", measured=faster, resident=True, resident_ctx=32_768)
    policy = Policy(SPEED_ALONE, RULES)
    ranking = rank_candidates(sure(), [holding, other], LONG, policy)
    without = rank_candidates(sure(), [reading(), other], LONG, policy)
    assert (ranking[0].model_id, without[0].model_id) == ("a", "b")
