"""The memory of devices as text."""

from __future__ import annotations

import pytest

from orch.hardware.device import Devices, Gpu, MainMemory
from orch.routing.machine.device_wording import DeviceLine, device_lines
from orch.routing.machine.placement import ResidentModel, machine_memory
from tests.routing.machine.memory_layouts import GB, card, loaded, shared

MAIN = MainMemory(64 * GB, 40 * GB)


def lines(*gpus: Gpu, resident: tuple[ResidentModel, ...] = ()) -> list[DeviceLine]:
    memory = machine_memory(Devices(MAIN, gpus), resident)
    assert memory is not None
    return device_lines(memory)


def test_one_gpu_with_what_is_held_on_it() -> None:
    main, gpu = lines(card(24, 4, "RTX 4090"), resident=(loaded("a", 12, 10),))
    assert main.text == "40.0 of 64.0 GB free; models hold 2.0 GB, other programs 22.0 GB"
    assert gpu[:2] == (
        "RTX 4090",
        "4.0 of 24.0 GB free; models hold 10.0 GB, other programs 10.0 GB",
    )
    assert gpu.sizes == {
        "total": 24 * GB,
        "free": 4 * GB,
        "models": 10 * GB,
        "others": 10 * GB,
    }


def test_on_several_gpus_what_is_held_is_known_together_alone() -> None:
    _, one, two, both = lines(
        card(24, 4, "one"), card(8, 8, "two"), resident=(loaded("a", 10, 10),)
    )
    assert (one.text, two.text) == ("4.0 of 24.0 GB free", "8.0 of 8.0 GB free")
    assert both[:2] == (
        "GPUs together",
        "12.0 of 32.0 GB free; models hold 10.0 GB, other programs 10.0 GB",
    )
    assert one.sizes["models"] is None


def test_gpus_of_one_name_are_numbered() -> None:
    names = [line.name for line in lines(card(24, 4, "A"), card(24, 24, "A"), card(8, 8, "B"))]
    assert names == ["main memory", "A (1)", "A (2)", "B", "GPUs together"]


@pytest.mark.parametrize(
    ("gpu", "text"),
    [
        (shared(), "uses main memory"),
        (shared(48), "uses up to 48.0 GB of main memory"),
        (card(24, None), "24.0 GB; models hold 0.0 GB"),
        (Gpu("lost"), "size unknown"),
    ],
)
def test_what_is_unknown_is_no_number(gpu: Gpu, text: str) -> None:
    assert lines(gpu)[1].text == text


def test_a_gpu_that_only_a_server_knows_of() -> None:
    gpu = lines(resident=(loaded("a", 7, 7),))[1]
    assert gpu[:2] == ("GPU", "size unknown; models hold 7.0 GB")
    assert (gpu.sizes["total"], gpu.sizes["others"]) == (None, None)
