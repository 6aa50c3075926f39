"""Apple's GPU, which uses main memory up to a limit, from sysctl."""

from __future__ import annotations

import os
import sys

from orch.hardware.command import command_output
from orch.hardware.device import Gpu, parse_size

KEYS = ("hw.memsize", "iogpu.wired_limit_mb", "machdep.cpu.brand_string")
SMALL_SHARE, LARGE_SHARE, LARGE_BYTES = 2 / 3, 3 / 4, 36 << 30
"""The share of main memory that macOS lets the GPU use unless iogpu.wired_limit_mb is set: Metal's
recommendedMaxWorkingSetSize is 21,845 MB of 32 GB and 49,152 MB of 64 GB (ggml-org/llama.cpp#2011,
#1870)."""


def read_apple() -> tuple[Gpu, ...]:
    """The GPU of a Mac with Apple's own processor."""
    if sys.platform != "darwin" or os.uname().machine != "arm64":
        return ()
    return parse_sysctl(command_output("sysctl", *KEYS))


def parse_sysctl(output: str) -> tuple[Gpu, ...]:
    """Lines of `sysctl hw.memsize iogpu.wired_limit_mb machdep.cpu.brand_string`; a key that the
    system does not have has none."""
    values = {}
    for line in output.splitlines():
        key, _, value = line.partition(":")
        values[key.strip()] = value.strip()
    total, limit_mb = parse_size(values.get(KEYS[0], "")), parse_size(values.get(KEYS[1], ""))
    if total is None:
        return ()
    share = LARGE_SHARE if total > LARGE_BYTES else SMALL_SHARE
    limit = limit_mb << 20 if limit_mb else int(total * share)
    return (Gpu(f"{values.get(KEYS[2]) or 'Apple'} GPU", min(limit, total), shared=True),)
