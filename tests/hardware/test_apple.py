"""Apple's GPU and its limit. Lines have the form that `sysctl` gives; the default limits are those
that Metal reported in ggml-org/llama.cpp#2011 (32 GB) and #1870 (64 GB)."""

from __future__ import annotations

import pytest

from orch.hardware.apple import parse_sysctl, read_apple
from orch.hardware.device import Gpu

GIB = 1 << 30


@pytest.mark.parametrize(("memory_gib", "limit_mb"), [(16, 10_922), (32, 21_845), (64, 49_152)])
def test_the_default_limit_is_a_share_of_main_memory(memory_gib: int, limit_mb: int) -> None:
    output = f"hw.memsize: {memory_gib * GIB}\niogpu.wired_limit_mb: 0\n"
    (gpu,) = parse_sysctl(output + "machdep.cpu.brand_string: Apple M2 Max\n")
    assert (gpu.name, gpu.shared, gpu.free_bytes) == ("Apple M2 Max GPU", True, None)
    assert (gpu.total_bytes or 0) >> 20 == limit_mb


def test_a_limit_that_was_set_counts() -> None:
    output = f"hw.memsize: {32 * GIB}\niogpu.wired_limit_mb: 28672\n"
    assert parse_sysctl(output) == (Gpu("Apple GPU", 28 * GIB, shared=True),)


def test_a_limit_above_main_memory_is_main_memory() -> None:
    (gpu,) = parse_sysctl(f"hw.memsize: {8 * GIB}\niogpu.wired_limit_mb: 99999999\n")
    assert gpu.total_bytes == 8 * GIB


@pytest.mark.parametrize("output", ["", "hw.memsize: many\n", "iogpu.wired_limit_mb: 5\n"])
def test_without_the_size_of_memory_there_is_none(output: str) -> None:
    assert parse_sysctl(output) == ()


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert read_apple() == ()
