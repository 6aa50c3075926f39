"""Cores and memory of this machine: main memory within the container's limit, and GPUs; knows
nothing of models."""

from __future__ import annotations

import os
from pathlib import Path

_NVIDIA_SMI_TIMEOUT_S = 3.0


def core_count() -> int:
    """The number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def free_memory_bytes() -> int | None:
    """Main memory that is still available, within the container's limit; None if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        free = int(available.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        # macOS compresses and swaps freely: only the total is a limit
        return _physical_bytes()
    limit = _container_free_bytes()
    return min(free, limit) if limit is not None else free


def total_memory_bytes() -> int | None:
    """All main memory, within the container's limit; None if unknown."""
    physical = _physical_bytes()
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return physical
    return min(physical, limit) if physical else limit


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _container_free_bytes() -> int | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):
        return None


def gpu_memory_bytes() -> int:
    """Memory of all GPUs; 0 if there are none. Runs nvidia-smi if installed, so call it only when
    main memory is not enough."""
    return sum(size for _, size in gpus())


def gpus() -> tuple[tuple[str, int], ...]:
    """Name and bytes of each GPU with its own memory. Runs nvidia-smi if installed."""
    amd = []
    for file in sorted(Path("/sys/class/drm").glob("card*/device/mem_info_vram_total")):
        try:
            amd.append(("AMD GPU", int(file.read_text())))
        except (OSError, ValueError):
            continue
    return (*amd, *_nvidia())


def _nvidia() -> list[tuple[str, int]]:
    import shutil
    import subprocess

    command = shutil.which("nvidia-smi")
    if not command:
        return []
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(
            query, capture_output=True, text=True, timeout=_NVIDIA_SMI_TIMEOUT_S, check=True
        ).stdout
        rows = (line.rpartition(",") for line in output.splitlines() if line.strip())
        return [(name.strip(), int(size) * 1024**2) for name, _, size in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
