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


def measure_machine() -> Machine:
    """This machine."""
    return Machine(
        devices.total_memory_bytes(),
        devices.free_memory_bytes(),
        devices.gpus(),
        devices.core_count(),
    )
