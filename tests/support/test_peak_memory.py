"""Peak memory is the program's own, not that of the process that starts it."""

from __future__ import annotations

import os
import sys

import pytest

from tests.support.peak_memory import MeasuredProcess

MB = 1_000_000


def measure(code: str) -> tuple[int, int]:
    process = MeasuredProcess([sys.executable, "-S", "-c", code], os.environ)
    process.stdout.read()
    return process.wait()


@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="needs posix_spawn")
def test_the_peak_is_the_programs_own_and_not_its_starters() -> None:
    own = bytearray(200 * MB)  # this process is larger than what it starts
    assert measure("pass")[1] < 100 * MB
    assert len(own) == 200 * MB
    assert measure(f"x = bytearray({150 * MB})")[1] > 150 * MB


@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="needs posix_spawn")
def test_the_exit_code_is_the_programs() -> None:
    assert measure("raise SystemExit(7)")[0] == 7
