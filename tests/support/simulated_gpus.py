"""GPUs that are simulated: a fake nvidia-smi tells what is free, and servers that put models there
fail where one does not fit.

They are a thousand times as large as real ones, so that the main memory of the machine that runs
the tests decides nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

MIB, TB = 1 << 20, 10**12
CONTEXT_BYTES = 300 << 20
"""What a process takes on each GPU that it uses, besides its model."""


class SimulatedGpus:
    """GPUs by name with (total, held by other programs) in TB. `sizes` are the TB of each model,
    `refused` and `cut_off` the models whose load failed, or that were unloaded while they
    answered."""

    def __init__(
        self, folder: Path, gpus: Mapping[str, tuple[float, float]], sizes: Mapping[str, float]
    ) -> None:
        self._lock = threading.Lock()
        self._totals = {name: int(total * TB) for name, (total, _) in gpus.items()}
        self._others = {name: int(held * TB) for name, (_, held) in gpus.items()}
        self._sizes = {name: int(size * TB) for name, size in sizes.items()}
        self._held: dict[str, dict[str, int]] = {}
        self.refused: list[str] = []
        self._report = folder / "report.csv"
        command = folder / "nvidia-smi"
        command.write_text(f"#!/bin/sh\nexec cat {self._report}\n")
        command.chmod(0o755)
        self._write()

    def take(self, model: str) -> bool:
        """Puts a model on the GPUs, the one with the most room first; False where it does not
        fit."""
        with self._lock:
            left, parts = self._sizes[model], dict[str, int]()
            for name in sorted(self._totals, key=self._free, reverse=True):
                part = min(max(self._free(name) - CONTEXT_BYTES, 0), left)
                parts[name] = part + (CONTEXT_BYTES if part else 0)
                left -= part
            if left:
                self.refused.append(model)
                return False
            self._held[model] = parts
            self._write()
            return True

    def give_back(self, model: str) -> None:
        """Frees what a model holds, if it holds anything."""
        with self._lock:
            if self._held.pop(model, None):
                self._write()

    @property
    def loaded(self) -> set[str]:
        """The models that hold memory."""
        return set(self._held)

    def _free(self, name: str) -> int:
        held = sum(parts.get(name, 0) for parts in self._held.values())
        return self._totals[name] - self._others[name] - held

    def _write(self) -> None:
        lines = [
            f"GPU-{at}, {self._totals[name] // MIB}, {max(self._free(name), 0) // MIB}, {name}\n"
            for at, name in enumerate(self._totals)
        ]
        draft = self._report.with_suffix(".new")
        draft.write_text("".join(lines))
        draft.replace(self._report)
