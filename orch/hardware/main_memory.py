"""Main memory: from /proc and the container's limit on Linux, by the system's own calls
elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from orch.hardware.cgroup import container_memory
from orch.hardware.device import MainMemory


def read_main_memory() -> MainMemory:
    """Main memory within the container's limit."""
    if os.name == "nt":
        return _windows_memory()
    physical = _physical_bytes()
    try:
        meminfo = Path("/proc/meminfo").read_text()
    except OSError:
        return MainMemory(physical)
    return within(parse_meminfo(meminfo, physical), container_memory())


def parse_meminfo(text: str, physical_bytes: int | None = None) -> MainMemory:
    """The text of Linux's /proc/meminfo, whose kB are 1,024 bytes. Kernels before 3.14 have no
    MemAvailable: free and cached pages stand for it."""
    sizes = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal():
            sizes[name] = int(words[0]) * 1024
    free = sizes.get("MemAvailable")
    if free is None and "MemFree" in sizes:
        free = sum(sizes.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))
    return MainMemory(sizes.get("MemTotal", physical_bytes), free)


def within(machine: MainMemory, container: MainMemory) -> MainMemory:
    """The machine's memory as far as the container may use it."""
    return MainMemory(
        _least(machine.total_bytes, container.total_bytes),
        _least(machine.free_bytes, container.free_bytes),
    )


def _least(one: int | None, other: int | None) -> int | None:
    known = [size for size in (one, other) if size is not None]
    return min(known, default=None)


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _windows_memory() -> MainMemory:
    """GlobalMemoryStatusEx: a structure of two 32-bit and seven 64-bit numbers, of which the first
    two of the latter are physical memory, all and available."""
    import ctypes
    import struct

    form = "<LL7Q"
    buffer = ctypes.create_string_buffer(struct.pack(form, struct.calcsize(form), *[0] * 8))
    try:
        kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined]  # Windows alone has it
        if not kernel32.GlobalMemoryStatusEx(buffer):
            return MainMemory()
    except (AttributeError, OSError):
        return MainMemory()
    return parse_memory_status(buffer.raw)


def parse_memory_status(raw: bytes) -> MainMemory:
    """The 64 bytes of Windows's MEMORYSTATUSEX."""
    import struct

    try:
        _, _, total, free, *_ = struct.unpack_from("<LL7Q", raw)
    except struct.error:
        return MainMemory()
    return MainMemory(total, free) if total else MainMemory()
