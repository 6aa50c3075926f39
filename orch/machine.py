"""How much memory this machine has for models; knows nothing of models."""

from __future__ import annotations

import os
from pathlib import Path

_NVIDIA_SMI_S = 3.0


def free_memory_bytes() -> int | None:
    """Main memory that programs can still take, within the container's limit. None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        # macOS compresses and swaps at will: what is there in all is the bound
        return _physical_bytes()
    limit = _container_left_bytes()
    return min(free, limit) if limit is not None else free


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
    """Memory of all GPUs; 0 where none is seen. Starts nvidia-smi where it is installed: ask only when main memory does not do."""
    total = 0
    for file in Path("/sys/class/drm").glob("card*/device/mem_info_vram_total"):
        try:
            total += int(file.read_text())
        except (OSError, ValueError):
            continue
    return total + _nvidia_bytes()


def _nvidia_bytes() -> int:
    import shutil
    import subprocess

    command = shutil.which("nvidia-smi")
    if not command:
        return 0
    query = [command, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=_NVIDIA_SMI_S, check=True).stdout
        return sum(int(line) * 1024**2 for line in said.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
