"""Cores and memory of this machine, of every kind of device: what a decision or a report needs to
know. Nothing is kept: each call reads again."""

from __future__ import annotations

import os
from collections.abc import Mapping

from orch.hardware.device import Devices, Gpu, MainMemory
from orch.hardware.main_memory import read_main_memory


def core_count() -> int:
    """The number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def main_memory() -> MainMemory:
    """Main memory within the container's limit. Reads some files at most."""
    return read_main_memory()


def read_gpus(env: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """The GPUs that the environment leaves. May run a command of the system (nvidia-smi, sysctl),
    so call it only where they matter, and not on an event loop."""
    # imported here: most runs need main memory alone
    from orch.hardware import amd, apple, intel, nvidia, visible

    return (
        *visible.visible_gpus(nvidia.read_nvidia(), env, visible.NVIDIA),
        *visible.visible_gpus(amd.read_amd(), env, visible.AMD),
        *intel.read_intel(),
        *apple.read_apple(),
    )


def read_devices(env: Mapping[str, str] = os.environ) -> Devices:
    """Main memory and the GPUs; as slow as `read_gpus`."""
    return Devices(main_memory(), read_gpus(env))


def free_memory_bytes() -> int | None:
    """Main memory that is still available, within the container's limit; all of it where the
    system does not tell, None if that is unknown as well."""
    memory = main_memory()
    # macOS compresses and swaps freely: only the total is a limit
    return memory.total_bytes if memory.free_bytes is None else memory.free_bytes


def total_memory_bytes() -> int | None:
    """All main memory, within the container's limit; None if unknown."""
    return main_memory().total_bytes


def gpu_memory_bytes() -> int:
    """Memory of all GPUs that have their own; 0 if there are none. As slow as `read_gpus`."""
    return sum(size for _, size in gpus())


def gpus() -> tuple[tuple[str, int], ...]:
    """Name and bytes of each GPU with its own memory. As slow as `read_gpus`."""
    own = (gpu for gpu in read_gpus() if not gpu.shared)
    return tuple((gpu.name, gpu.total_bytes) for gpu in own if gpu.total_bytes)
