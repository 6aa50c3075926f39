"""How fast this machine reads memory, which decides how fast a model writes."""

from __future__ import annotations

from orch.hardware.devices import core_count

CORE_BYTES_PER_S = 6e9
"""Bytes of 4-bit weights that a core processes per second: SmolLM2 135M (98 MB) gives 130 tokens/s
on two cores."""
GPU_BYTES_PER_S = 250e9
"""The same for a mid-range GPU: .7 of the 360 GB/s of an RTX 3060. Large GPUs have two to four
times as much."""
_PROBE_BYTES = 64 << 20


def main_bytes_per_s() -> float:
    """Bytes of weights in main memory that are read per second: as fast as memory is copied, and
    at most as fast as the cores process them. Copies some memory, which takes a twentieth of a
    second."""
    return min(_copy_rate(), core_count() * CORE_BYTES_PER_S)


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
