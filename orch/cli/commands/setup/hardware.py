"""Measures this machine for `orch setup`: memory, GPUs and cores."""

from __future__ import annotations

from dataclasses import dataclass

from orch.hardware import devices


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes: in total, free (None where the system does not report it) and of GPUs."""

    memory_bytes: int | None
    free_bytes: int | None
    gpus: tuple[tuple[str, int], ...]
    cores: int
    free_gpu_bytes: tuple[int | None, ...] = ()
    """What is free of each GPU; None where its driver does not say."""
    shared_gpus: tuple[str, ...] = ()
    """GPUs that use main memory, by name."""


def measure_machine() -> Machine:
    """This machine."""
    gpus = devices.read_gpus()
    own = [(gpu, gpu.total_bytes) for gpu in gpus if gpu.total_bytes and not gpu.shared]
    return Machine(
        devices.total_memory_bytes(),
        devices.free_memory_bytes(),
        tuple((gpu.name, total) for gpu, total in own),
        devices.core_count(),
        tuple(gpu.free_bytes for gpu, _ in own),
        tuple(gpu.name for gpu in gpus if gpu.shared),
    )
