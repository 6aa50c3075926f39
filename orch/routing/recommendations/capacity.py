"""Where a model would stand in this machine's memory, and how fast it would write there (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from orch.hardware.bandwidth import GPU_BYTES_PER_S
from orch.routing.model_state import ModelState, required_memory


class Placement(StrEnum):
    """Where weights and context stand: on GPUs alone, on both, in main memory alone, nowhere; or
    unknown, where the system does not tell its memory."""

    GPU = "GPU"
    SPLIT = "GPU+memory"
    MEMORY = "memory"
    NOWHERE = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MachineCapacity:
    """Bytes for models if no other one is loaded: main memory (None if unknown), and of GPUs;
    `limit_bytes` is `memory_budget_gb` of routing.yaml. Weights are read at `main_bytes_per_s` and
    `gpu_bytes_per_s`."""

    main_bytes: int | None
    gpu_bytes: tuple[int, ...] = ()
    main_bytes_per_s: float = 12e9
    gpu_bytes_per_s: float = GPU_BYTES_PER_S
    limit_bytes: int | None = None

    @property
    def usable_gpu_bytes(self) -> int:
        """What models get of all GPUs' memory."""
        return sum(self.gpu_bytes)

    @property
    def total_bytes(self) -> int | None:
        """What a model gets at most; None if unknown."""
        if self.main_bytes is None:
            return self.limit_bytes
        both = self.main_bytes + self.usable_gpu_bytes
        return both if self.limit_bytes is None else min(both, self.limit_bytes)

    def place(self, needed_bytes: int) -> Placement:
        """Where a model of that need stands."""
        if self.limit_bytes is not None and needed_bytes > self.limit_bytes:
            return Placement.NOWHERE
        gpu = self.usable_gpu_bytes
        if gpu and needed_bytes <= gpu:
            return Placement.GPU
        if self.main_bytes is None:
            return Placement.UNKNOWN
        if needed_bytes > self.main_bytes + gpu:
            return Placement.NOWHERE
        return Placement.SPLIT if gpu else Placement.MEMORY

    def tokens_per_s(self, read_bytes: int, needed_bytes: int) -> float:
        """Tokens per second of a model that reads so many bytes of weights a token: what stands on
        GPUs is read at their speed, the rest at that of main memory."""
        share = min(self.usable_gpu_bytes / max(needed_bytes, 1), 1.0)
        gpu_rate = max(self.gpu_bytes_per_s, self.main_bytes_per_s)
        seconds_per_byte = share / gpu_rate + (1 - share) / self.main_bytes_per_s
        return 1 / (max(read_bytes, 1) * seconds_per_byte)

    def with_measured_speed(self, states: Iterable[ModelState]) -> MachineCapacity:
        """The capacity with the speeds that answers of the local models show: those that fit the
        GPUs for GPUs, the others for main memory. A guess counts as one more model."""
        rates: dict[Placement, list[float]] = {Placement.GPU: [], Placement.MEMORY: []}
        for state in states:
            rate = _measured_rate(state)
            placement = self.place(required_memory(state, state.num_ctx))
            if rate and placement in rates:
                rates[placement].append(rate)
        return replace(
            self,
            main_bytes_per_s=_shrunk(self.main_bytes_per_s, rates[Placement.MEMORY]),
            gpu_bytes_per_s=_shrunk(self.gpu_bytes_per_s, rates[Placement.GPU]),
        )


def _measured_rate(state: ModelState) -> float | None:
    """Bytes of weights a second that a model's measured answers took."""
    read = state.bytes_per_token or state.size_bytes
    tokens = state.measured.decode_tps if state.measured and state.local else None
    return tokens * read if tokens and read else None


def _shrunk(guess: float, rates: list[float]) -> float:
    logs = [math.log(rate) for rate in rates]
    return math.exp((math.log(guess) + math.fsum(logs)) / (len(logs) + 1))
