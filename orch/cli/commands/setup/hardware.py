"""This machine as `orch setup` sees it: its memory, its graphics cards, its cores, and how fast it
reads its memory."""

from __future__ import annotations

from dataclasses import dataclass

from orch.providers import hardware

CORE_BYTES_PER_S = 6e9
"""Bytes of 4-bit weights that a core works through in a second: SmolLM2 135M (98 MB) gives 130
tokens/s on two (design, decision 6)."""
GPU_BYTES_PER_S = 250e9
"""The same of a middling graphics card: .7 of the 360 GB/s of an RTX 3060. Large ones have two to
four times as much."""
_PROBE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is, in bytes: memory in all and still free (None where the system does not say),
    of GPUs, and what a second reads of it."""

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
    cores = hardware.core_count()
    return Machine(
        hardware.total_memory_bytes(),
        hardware.free_memory_bytes(),
        hardware.gpus(),
        cores,
        min(_copied_per_s(), cores * CORE_BYTES_PER_S),
    )


def _copied_per_s() -> float:
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
