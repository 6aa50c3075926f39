"""What is recommended: never what does not fit, nothing without a gain beyond the error, more on a
larger machine."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise

import pytest

from orch.config.load import config_from_data
from orch.routing.known_models.identity import Identity
from orch.routing.known_models.pullable import PullableModel, pullable_models
from orch.routing.priors import QualityPriors
from orch.routing.recommendations.capacity import MachineCapacity, Placement
from orch.routing.recommendations.installed import Quality
from orch.routing.recommendations.recommend import (
    DEFAULT_CTX,
    MOST_ROWS,
    Drop,
    KnownQuality,
    Machine,
    Recommendation,
    Recommendations,
    Wishes,
    recommend,
    significant_gain,
)
from orch.routing.scoring.policy import Policy
from orch.types import Prior, Reason, TaskType
from tests.support.scoring import shipped

GB = 10**9
MODELS = pullable_models()
PRIORS = QualityPriors(config_from_data(None, None).models.models)
KNOWN = KnownQuality(PRIORS.known_prior, lambda name: PRIORS.sizes_b(Identity(name)))
POLICY = Policy.from_routing(shipped(), asdict(shipped().weights), None)
MACHINES = [
    MachineCapacity(main * GB, tuple(size * GB for size in gpus), 40e9)
    for main, gpus in [
        *[(1, ()), (2, ()), (4, ()), (8, ()), (12, ()), (16, ()), (32, ()), (64, ()), (128, ())],
        *[(8, (4,)), (16, (8,)), (16, (12,)), (32, (24,)), (64, (24, 24)), (128, (80,))],
    ]
]


def best_of(value: float, sd: float = 0.3, name: str = "mine") -> dict[TaskType, Quality]:
    return {each: Quality(value, sd, name) for each in TaskType}


def found_on(
    capacity: MachineCapacity,
    wishes: Wishes = Wishes(),
    models: tuple[PullableModel, ...] = MODELS,
    **machine: object,
) -> Recommendations:
    return recommend(
        models,
        replace(Machine(capacity, {}), **machine),  # type: ignore[arg-type]
        KNOWN,
        POLICY,
        wishes,
    )


def tags(found: Recommendations) -> list[str]:
    return [row.model.tag for row in found.rows]


@pytest.mark.parametrize("num_ctx", [None, 512, 32_768, 131_072])
@pytest.mark.parametrize(
    "capacity", MACHINES, ids=lambda each: f"{each.main_bytes}{each.gpu_bytes}"
)
def test_nothing_is_recommended_that_does_not_fit(
    capacity: MachineCapacity, num_ctx: int | None
) -> None:
    found = found_on(capacity, Wishes(num_ctx=num_ctx))
    for row in found.rows:
        needed = row.model.memory_bytes(num_ctx or DEFAULT_CTX)
        assert row.memory_bytes == needed <= (capacity.total_bytes or 0)
        assert row.placement not in (Placement.NOWHERE, Placement.UNKNOWN)
        assert row.model.context >= (num_ctx or 0)
    assert len(found.rows) <= MOST_ROWS


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.tag)
def test_what_is_recommended_stays_so_with_more_memory_and_is_never_worse(
    model: PullableModel,
) -> None:
    sizes = [
        *[(main, ()) for main in (1, 2, 4, 8, 16, 32, 64, 128)],
        *[(128, (gpu,)) for gpu in (2, 8, 24, 48, 96)],
    ]
    rows = [
        found_on(
            MachineCapacity(main * GB, tuple(each * GB for each in gpus), 40e9), models=(model,)
        ).rows
        for main, gpus in sizes
    ]
    assert rows[-1]
    for smaller, larger in pairwise(rows):
        assert len(smaller) <= len(larger)
        assert all(
            one.score <= other.score + 1e-9 for one, other in zip(smaller, larger, strict=False)
        )


def test_beside_a_better_model_nothing_is_a_gain() -> None:
    found = found_on(MACHINES[8], best=best_of(9.9))
    assert found.rows == ()
    assert found.dropped[Drop.NO_GAIN] == len(MODELS)


def test_a_gain_within_the_error_of_both_estimates_is_none() -> None:
    assert significant_gain(Quality(8.0, 0.3, "a"), Quality(7.6, 0.3, "b")) is None
    assert significant_gain(Quality(8.0, 0.3, "a"), Quality(7.5, 0.3, "b")) == pytest.approx(0.5)
    assert significant_gain(Quality(8.0, 0.3, "a"), Quality(7.5, 1.0, "b")) is None
    assert significant_gain(Quality(8.0, 0.3, "a"), None) is None


def test_only_types_with_a_gain_are_named_with_the_model_that_is_the_best_there() -> None:
    best = best_of(9.9) | {TaskType.CODING: Quality(5.0, 0.3, "coder")}
    for row in found_on(MACHINES[8], best=best).rows:
        assert set(row.gains) == {TaskType.CODING}
        assert row.beside[TaskType.CODING].model == "coder"


def test_a_type_counts_alone_where_it_is_asked_for() -> None:
    best = best_of(9.9) | {TaskType.CODING: Quality(5.0, 0.3, "coder")}
    assert found_on(MACHINES[8], Wishes(TaskType.WRITING), best=best).rows == ()
    rows = found_on(MACHINES[8], Wishes(TaskType.CODING), best=best).rows
    assert rows
    assert all(set(row.quality) == {TaskType.CODING} for row in rows)


def test_installed_models_and_what_the_disk_has_no_room_for_are_left_out() -> None:
    capacity = MachineCapacity(8 * GB, (), 40e9)
    first = tags(found_on(capacity))[0]
    assert first not in tags(found_on(capacity, installed=frozenset({first})))
    found = found_on(capacity, disk_bytes=3 * GB)
    assert all(row.model.size_bytes <= 3 * GB for row in found.rows)
    assert found.dropped[Drop.DISK] > 0


def test_where_memory_is_unknown_nothing_fits() -> None:
    assert found_on(MachineCapacity(None)).rows == ()


def one_row(tag: str, capacity: MachineCapacity) -> Recommendation:
    model = next(each for each in MODELS if each.tag == tag)
    (row,) = found_on(capacity, models=(model,)).rows
    return row


def test_a_mixture_of_experts_is_as_fast_as_its_active_parameters() -> None:
    capacity = MachineCapacity(64 * GB, (), 40e9)
    mixture, dense = one_row("qwen3:30b", capacity), one_row("qwen3:32b", capacity)
    assert mixture.tokens_per_s > 5 * dense.tokens_per_s
    assert mixture.answer_s < dense.answer_s / 5


def test_the_order_is_gain_times_speed_and_the_faster_first_where_answers_take_minutes() -> None:
    rows = found_on(MachineCapacity(64 * GB, (), 40e9)).rows
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
    slow = [row for row in found_on(MachineCapacity(64 * GB, (), 1e9)).rows if not row.score]
    assert [row.answer_s for row in slow] == sorted(row.answer_s for row in slow)


def test_a_model_that_is_worse_slower_and_larger_than_another_is_left_out() -> None:
    def prior_of(name: str) -> Prior:
        quality = {"good": 0.8, "bad": 0.6}[name]
        return Prior(dict.fromkeys(TaskType, quality), "", origin=(Reason("benchmarks"),))

    good, bad = (
        PullableModel(name, name, size * GB, 32_000, ((10, 1, 64),))
        for name, size in (("good", 4), ("bad", 5))
    )
    known = KnownQuality(prior_of, lambda name: (None, None))
    found = recommend((bad, good), Machine(MACHINES[8], {}), known, POLICY)
    assert tags(found) == ["good"]
    assert found.dropped == {Drop.DOMINATED: 1}
