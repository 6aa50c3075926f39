"""How much memory this machine has for models; knows nothing of models."""

from __future__ import annotations

import os
from pathlib import Path

_NVIDIA_SMI_S = 3.0


def core_count() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def free_memory_bytes() -> int | None:
    """Main memory that programs can still take, within the container's limit. None where the system
    does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")
        )
    except (OSError, StopIteration, ValueError):
        # macOS compresses and swaps at will: what is there in all is the bound
        return _physical_bytes()
    limit = _container_left_bytes()
    return min(free, limit) if limit is not None else free


def total_memory_bytes() -> int | None:
    """Main memory in all, within the container's limit."""
    there = _physical_bytes()
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return there
    return min(there, limit) if there else limit


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _container_left_bytes() -> int | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):
        return None


def gpu_memory_bytes() -> int:
    """Memory of all GPUs; 0 where none is seen. Starts nvidia-smi where it is installed: ask only
    when main memory does not do."""
    return sum(size for _, size in gpus())


def gpus() -> tuple[tuple[str, int], ...]:
    """Each GPU that has memory of its own, with its name and its bytes. Starts nvidia-smi where it
    is installed."""
    found = []
    for file in sorted(Path("/sys/class/drm").glob("card*/device/mem_info_vram_total")):
        try:
            found.append(("AMD GPU", int(file.read_text())))
        except (OSError, ValueError):
            continue
    return (*found, *_nvidia())


def _nvidia() -> list[tuple[str, int]]:
    import shutil
    import subprocess

    command = shutil.which("nvidia-smi")
    if not command:
        return []
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(
            query, capture_output=True, text=True, timeout=_NVIDIA_SMI_S, check=True
        ).stdout
        rows = (line.rpartition(",") for line in said.splitlines() if line.strip())
        return [(name.strip(), int(size) * 1024**2) for name, _, size in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
