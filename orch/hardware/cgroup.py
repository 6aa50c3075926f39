"""The memory limit of this process's container, from cgroup v2 or v1."""

from __future__ import annotations

from pathlib import Path

from orch.hardware.device import MainMemory

V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file")
"""The files of limit and usage below /sys/fs/cgroup, and the field of memory.stat that counts pages
of files which the kernel takes back first (Documentation/admin-guide/cgroup-v1 and -v2)."""
UNLIMITED_BYTES = 1 << 62
"""cgroup v1 has no word for "no limit": it gives the largest number of whole pages."""


def container_memory(root: Path = Path("/sys/fs/cgroup")) -> MainMemory:
    """The container's limit, and what is left of it; None for both if there is no limit."""
    for limit_name, usage_name, reclaimable in (V2, V1):
        limit = _number(root / limit_name)
        if limit is None or limit >= UNLIMITED_BYTES:
            continue
        used = _number(root / usage_name)
        if used is None:
            return MainMemory(limit)
        stat = (root / usage_name).with_name("memory.stat")
        return MainMemory(limit, min(limit, max(limit - used + _field(stat, reclaimable), 0)))
    return MainMemory()


def _number(path: Path) -> int | None:
    """The number in a file; None for `max` and where there is no file."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str) -> int:
    """A field of memory.stat; 0 if it is not there."""
    try:
        lines = path.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.split()[:1] == [name])
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
