"""Measures this machine for `orch setup`: memory, GPUs, cores and memory bandwidth."""

from __future__ import annotations

from dataclasses import dataclass

from orch.hardware import devices

CORE_BYTES_PER_S = 6e9
"""Bytes of 4-bit weights that a core processes per second: SmolLM2 135M (98 MB) gives 130 tokens/s
on two cores."""
GPU_BYTES_PER_S = 250e9
"""The same for a mid-range GPU: .7 of the 360 GB/s of an RTX 3060. Large GPUs have two to four
times as much."""
_PROBE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes: in total, free (None where the system does not report it) and of GPUs; and
    the bytes that are read per second."""

    memory_bytes: int | None
    free_bytes: int | None
    gpus: tuple[tuple[str, int], ...]
    cores: int
    bytes_per_s: float

    @property
    def gpu_bytes(self) -> int:
        """Memory of all GPUs."""
        return sum(size for _, size in self.gpus)


def measure_machine() -> Machine:
    """This machine. Copies some memory to see how fast that goes: a twentieth of a second."""
    cores = devices.core_count()
    return Machine(
        devices.total_memory_bytes(),
        devices.free_memory_bytes(),
        devices.gpus(),
        cores,
        min(_copy_rate(), cores * CORE_BYTES_PER_S),
    )


def _copy_rate() -> float:
    """Bytes that are read and written in a second of this process's own time, the best of three:
    what else runs can only slow it down."""
    import time

    source, target, best = (
        bytearray(b"1") * _PROBE_BYTES,
        bytearray(b"0") * _PROBE_BYTES,
        float("inf"),
    )
    for _ in range(3):
        begun = time.process_time()
        target[:] = source
        best = min(best, max(time.process_time() - begun, 1e-3))
    return 2 * _PROBE_BYTES / best
