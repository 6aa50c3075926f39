"""Where a model stands, and how fast it writes there."""

from __future__ import annotations

import pytest

from orch.routing.recommendations.capacity import MachineCapacity, Placement
from orch.types import SpeedStats
from tests.support.scoring import state

GB = 10**9
CARD = 8 * GB


@pytest.mark.parametrize(
    ("main", "gpus", "needed", "placement"),
    [
        (16, (), 16, Placement.MEMORY),
        (16, (), 17, Placement.NOWHERE),
        (16, (CARD,), 8, Placement.GPU),
        (16, (CARD,), 9, Placement.SPLIT),
        (16, (CARD,), 24, Placement.SPLIT),
        (16, (CARD,), 25, Placement.NOWHERE),
        (16, (CARD, CARD), 16, Placement.GPU),
        (None, (), 1, Placement.UNKNOWN),
        (None, (CARD,), 8, Placement.GPU),
        (None, (CARD,), 9, Placement.UNKNOWN),
        (0, (100,), 1, Placement.NOWHERE),
    ],
)
def test_a_model_stands_where_all_of_it_has_room(
    main: int | None, gpus: tuple[int, ...], needed: int, placement: Placement
) -> None:
    capacity = MachineCapacity(None if main is None else main * GB, gpus)
    assert capacity.place(needed * GB) is placement


def test_a_budget_limits_what_fits() -> None:
    capacity = MachineCapacity(64 * GB, (CARD,), limit_bytes=10 * GB)
    assert capacity.place(10 * GB) is Placement.SPLIT
    assert capacity.place(11 * GB) is Placement.NOWHERE
    assert capacity.total_bytes == 10 * GB
    assert MachineCapacity(None).total_bytes is None


def test_tokens_per_second_follow_where_the_weights_stand() -> None:
    capacity = MachineCapacity(64 * GB, (CARD,), main_bytes_per_s=50e9, gpu_bytes_per_s=250e9)
    assert capacity.tokens_per_s(5 * GB, 8 * GB) == pytest.approx(50)
    assert capacity.tokens_per_s(5 * GB, 8 * GB * 10**6) == pytest.approx(10, rel=0.01)
    # half on either: a tenth of a second at 50 GB/s for one half, a fiftieth for the other
    assert capacity.tokens_per_s(10 * GB, 16 * GB) == pytest.approx(1 / (0.1 + 0.02))


def test_more_memory_on_gpus_is_never_slower() -> None:
    rates = [
        MachineCapacity(64 * GB, (size * GB,), 300e9, 250e9).tokens_per_s(5 * GB, 20 * GB)
        for size in range(0, 30, 3)
    ]
    assert rates == sorted(rates)


def test_measured_answers_move_the_guess_of_the_place_where_they_were_given() -> None:
    measured = SpeedStats(n=9, last_at=0.0, decode_tps=10.0)
    small = state("small", size_bytes=5 * GB, measured=measured)  # 50 GB/s, on the card
    capacity = MachineCapacity(64 * GB, (CARD,), main_bytes_per_s=20e9, gpu_bytes_per_s=200e9)
    moved = capacity.with_measured_speed([small])
    assert moved.gpu_bytes_per_s == pytest.approx(100e9)  # the geometric mean of 50 and 200
    assert moved.main_bytes_per_s == pytest.approx(20e9)


def test_a_model_elsewhere_or_without_a_size_moves_nothing() -> None:
    measured = SpeedStats(n=9, last_at=0.0, decode_tps=10.0)
    states = [state("far", size_bytes=5 * GB, measured=measured, local=False), state("bare")]
    capacity = MachineCapacity(64 * GB, (), main_bytes_per_s=20e9)
    assert capacity.with_measured_speed(states).main_bytes_per_s == pytest.approx(20e9)
