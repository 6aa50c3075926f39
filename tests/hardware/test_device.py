"""Sizes as drivers write them."""

from __future__ import annotations

import pytest

from orch.hardware.amd import parse_amdgpu
from orch.hardware.apple import parse_sysctl
from orch.hardware.device import parse_size
from orch.hardware.nvidia import parse_smi


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("24564", 24564), ("-1", None), ("[N/A]", None), ("9" * 19, None)]
)
def test_a_size_is_a_number_that_a_device_can_have(text: str, size: int | None) -> None:
    assert parse_size(text) == size


def test_thousands_of_digits_are_no_size() -> None:
    digits = "9" * 5_000
    (gpu,) = parse_smi(f"GPU-1, {digits}, {digits}, RTX")
    assert (gpu.total_bytes, gpu.free_bytes) == (None, None)
    assert parse_amdgpu({"mem_info_vram_total": digits}) is None
    assert parse_sysctl(f"hw.memsize: {digits}") == ()
