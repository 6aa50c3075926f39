"""Main memory, from the texts and structures of the systems."""

from __future__ import annotations

import struct

from orch.hardware.device import MainMemory
from orch.hardware.main_memory import (
    parse_meminfo,
    parse_memory_status,
    read_main_memory,
    within,
)

MEMINFO = """MemTotal:       24542508 kB
MemFree:         8410864 kB
MemAvailable:   22544908 kB
Buffers:          401488 kB
Cached:         13303312 kB
HugePages_Total:       0
"""
KIB = 1024


def test_what_linux_calls_available_is_free() -> None:
    assert parse_meminfo(MEMINFO) == MainMemory(24_542_508 * KIB, 22_544_908 * KIB)


def test_an_old_kernel_tells_what_it_can_take_back() -> None:
    old = MEMINFO.replace("MemAvailable", "Unknown")
    assert parse_meminfo(old).free_bytes == (8_410_864 + 401_488 + 13_303_312) * KIB


def test_a_text_of_another_form_leaves_free_memory_unknown() -> None:
    assert parse_meminfo("MemTotal: many kB\nMemFree\n:\n", 7) == MainMemory(7, None)


def test_a_container_has_no_more_than_its_limit() -> None:
    machine = MainMemory(100, 60)
    assert within(machine, MainMemory()) == machine
    assert within(machine, MainMemory(50, 20)) == MainMemory(50, 20)
    assert within(machine, MainMemory(200, 90)) == machine
    assert within(MainMemory(100, None), MainMemory(50, 20)) == MainMemory(50, 20)


def test_windows_tells_both_in_one_structure() -> None:
    raw = struct.pack("<LL7Q", 64, 43, 32 << 30, 18 << 30, 1, 2, 3, 4, 0)
    assert parse_memory_status(raw) == MainMemory(32 << 30, 18 << 30)
    assert parse_memory_status(raw[:8]) == MainMemory()
    assert parse_memory_status(bytes(64)) == MainMemory()


def test_this_machine_has_memory() -> None:
    memory = read_main_memory()
    assert memory.total_bytes is not None
    assert (memory.free_bytes or 0) <= memory.total_bytes
