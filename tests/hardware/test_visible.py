"""The variables that hide GPUs from programs."""

from __future__ import annotations

import pytest

from orch.hardware.device import Gpu
from orch.hardware.visible import AMD, NVIDIA, visible_gpus

A, B, C = (Gpu(name, 1, id=f"GPU-{name}1f") for name in "abc")
ALL = (A, B, C)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("0,2", (A, C)),
        ("2,0", (C, A)),
        ("1,1", (B,)),
        ("GPU-b", (B,)),
        ("gpu-C1F,0", (C, A)),
        ("", ()),
        ("-1", ()),
        ("0,7,1", (A,)),
        ("0,none,1", (A,)),
        ("99999999999999999999", ()),
        ("MIG-4d6c", ALL),
    ],
)
def test_cuda_hides_what_is_not_named(value: str, left: tuple[Gpu, ...]) -> None:
    assert visible_gpus(ALL, {"CUDA_VISIBLE_DEVICES": value}, NVIDIA) == left


def test_without_a_variable_all_are_there() -> None:
    assert visible_gpus(ALL, {"HIP_VISIBLE_DEVICES": "0"}, NVIDIA) == ALL


def test_the_variables_of_rocm_count_one_within_the_other() -> None:
    env = {"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1"}
    assert visible_gpus(ALL, env, AMD) == (C,)


def test_rocm_names_the_drivers_number() -> None:
    gpus = (Gpu("x", id="0x9a"), Gpu("y", id="7b01"))
    assert visible_gpus(gpus, {"ROCR_VISIBLE_DEVICES": "GPU-7b01"}, AMD) == gpus[1:]


def test_two_gpus_that_look_alike_stay_two() -> None:
    twins = (Gpu("x", 8), Gpu("x", 8))
    assert visible_gpus(twins, {"ROCR_VISIBLE_DEVICES": "0,1"}, AMD) == twins
