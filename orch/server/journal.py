"""The journal of a server: runs are written together, at most 50 ms after they ended, by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from orch.journal import Journal, RunRecord
from orch.redact import Redactor

BATCH_S = 0.05
"""A kill loses no run that ended longer ago (design, decision 1)."""
LATELY_S = 1.0
"""A correction that another process wrote counts after this long."""
MOST_WAITING = 5_000
"""Rows that may wait to be written: beyond it a run waits for its row."""

Told = Callable[[RunRecord], None]


class BatchedJournal(Journal):
    """A journal whose `record` only notes a run. `told` is called with each, in the writing thread."""

    def __init__(self, path: Path, redactor: Redactor, mode: str, keep_s: int, told: Told) -> None:
        super().__init__(path, redactor, mode, keep_s, lately_s=LATELY_S)
        self._told = told
        self._waiting: list[RunRecord] = []
        self._wake, self._closing = threading.Event(), threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def record(self, run: RunRecord) -> bool:
        """Notes a run; it stands in the file soon. Where too many wait, it is written at once with them."""
        self._waiting.append(run)
        if self._thread is None:
            self._begin()
        self._wake.set()
        if len(self._waiting) > MOST_WAITING:
            self.flush()
        return True

    def _begin(self) -> None:
        self._closing.clear()
        self._thread = threading.Thread(target=self._work, name="orch-journal", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._closing.wait(BATCH_S)
            self.flush()

    def flush(self) -> None:
        """Writes what waits, now: before somebody reads it."""
        with self._writing:
            waiting, self._waiting = self._waiting, []
            if waiting:
                self._write(waiting)
            for run in waiting:
                self._told(run)

    def _write(self, runs: list[RunRecord]) -> None:
        """Together, or where one can't be written (a number that SQLite can't hold, say) each alone, so that the others are."""
        try:
            self.record_all(runs)
        except (OverflowError, TypeError, ValueError) as error:
            if len(runs) == 1:
                self.database.warnings.append(f"run {runs[0].run_id} could not be written down: {error}")
                return
            for run in runs:
                self._write([run])

    def close(self) -> None:
        """Writes what waits and closes the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            self._wake.set()
            thread.join(timeout=10)
        self.flush()
        super().close()
