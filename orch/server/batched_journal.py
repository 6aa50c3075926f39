"""A journal that writes runs in batches, within 50 ms of their end, in a thread of its own; runs
that can't be written are kept in memory."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from orch.errors import JournalError
from orch.storage.journal import Journal, RunRecord
from orch.text.redact import Redactor

BATCH_S = 0.05
"""A kill loses only runs that ended within this time (design, decision 1)."""
BATCH_RUNS = 500
"""Runs in one transaction."""
CORRECTIONS_TTL_S = 1.0
"""A correction written by another process takes effect after this time."""
RETRY_S = 1.0
"""Interval between attempts to write a journal that failed (SQLite itself waits for a lock before
it fails)."""
FLUSH_TIMEOUT_S = 2.0
"""How long a reader waits for the writing thread."""
MAX_PENDING_RUNS, MAX_PENDING_CHARS = 5_000, 50_000_000
"""Runs kept in memory until they can be written, and characters of their texts; further runs are
not recorded."""
_RUN_ERRORS = (
    OverflowError,
    TypeError,
    ValueError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""Errors caused by a run's own data, such as a number that SQLite can't store: a retry would fail,
too."""

RunCallback = Callable[[RunRecord], None]
LOG = logging.getLogger("orch.server")


class PendingRuns:
    """Runs that have ended and are not in the file yet, in order; bounded. Survives a reload of the
    configuration."""

    def __init__(self) -> None:
        self.runs: list[RunRecord] = []
        self.refused, self._chars = 0, 0
        self._noting, self.writing = threading.Lock(), threading.Lock()

    def add(self, run: RunRecord) -> bool:
        """Adds a run. Returns whether there was room."""
        size = _chars(run)
        with self._noting:
            if len(self.runs) >= MAX_PENDING_RUNS or (
                self.runs and self._chars + size > MAX_PENDING_CHARS
            ):
                self.refused += 1
                return False
            self.runs.append(run)
            self._chars += size
        return True

    def discard(self, count: int) -> None:
        """Removes the first `count` runs."""
        with self._noting:
            self._chars -= sum(map(_chars, self.runs[:count]))
            del self.runs[:count]


class BatchedJournal(Journal):
    """A journal whose `record` only enqueues a run. `told` is called with each run in the writing
    thread."""

    def __init__(
        self,
        path: Path,
        redactor: Redactor,
        mode: str,
        keep_s: int,
        told: RunCallback,
        unwritten: PendingRuns | None = None,
    ) -> None:
        super().__init__(path, redactor, mode, keep_s, cache_s=CORRECTIONS_TTL_S)
        self._told, self._unwritten = told, unwritten or PendingRuns()
        self._untold: list[RunRecord] = []
        self._trouble, self._retry_at = "", 0.0
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def warnings(self) -> list[str]:
        """Problems with the file so far, and the number of runs waiting for it."""
        said = super().warnings
        if self._trouble:
            said.append(
                f"{len(self._unwritten.runs):,} runs wait in memory until the journal can be"
                f" written ({self._trouble})"
            )
        if self._unwritten.refused:
            said.append(
                f"{self._unwritten.refused:,} runs were not recorded: too many waited for the"
                " journal"
            )
        return said

    def record(self, run: RunRecord) -> bool:
        """Enqueues a run to be written soon. Returns whether there was room for it."""
        self._untold.append(run)
        noted = self._unwritten.add(run)
        if self._thread is None:
            self._begin()
        self._wake.set()
        return noted

    def _begin(self) -> None:
        self._closing.clear()
        self._thread = threading.Thread(target=self._work, name="orch-journal", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(RETRY_S if self._trouble else None)
            self._wake.clear()
            self._closing.wait(max(BATCH_S, self._retry_at - time.monotonic()))
            self.flush()

    def flush(self) -> None:
        """Writes pending runs now, so that a read sees them. While the file can't be written, that
        is left to the writing thread."""
        if self._trouble and threading.current_thread() is not self._thread:
            return
        if self._unwritten.writing.acquire(timeout=FLUSH_TIMEOUT_S):
            try:
                self._flush()
            finally:
                self._unwritten.writing.release()

    def _flush(self) -> None:
        untold, self._untold = self._untold, []
        for run in untold:
            self._told(run)
        if self._trouble:
            self.database.close()  # a file that could not be opened is tried again at once
        # the first alone tells whether the trouble is over: to redact all of them again for each
        # try would cost seconds
        while waiting := self._unwritten.runs[: 1 if self._trouble else BATCH_RUNS]:
            written = self._write(waiting)
            self._unwritten.discard(written)
            if written < len(waiting):
                break

    def _write(self, runs: list[RunRecord]) -> int:
        """Writes runs. Returns how many of them, from the first, need no further attempt."""
        try:
            self.write(runs)
        except _RUN_ERRORS as error:
            if len(runs) == 1:
                self.database.file.add_warning(
                    f"run {runs[0].run_id} could not be written down: {error}"
                )
                return 1
            return self._write_each(runs)
        except (JournalError, sqlite3.Error) as error:
            self._fail(str(error), len(runs))
            return 0
        self._recover(len(runs))
        return len(runs)

    def _write_each(self, runs: list[RunRecord]) -> int:
        """Writes runs one by one, since a single one may be the reason that a batch fails."""
        for done, run in enumerate(runs):
            if not self._write([run]):
                return done
        return len(runs)

    def _fail(self, why: str, count: int) -> None:
        if not self._trouble:
            LOG.warning(
                "the journal can't be written (%s): %d runs wait in memory until it can", why, count
            )
        self._trouble, self._retry_at = why, time.monotonic() + RETRY_S

    def _recover(self, count: int) -> None:
        if self._trouble:
            LOG.warning("the journal can be written again: %d runs were", count)
            self._trouble, self._retry_at = "", 0.0
            self.database.clear_warnings()

    def close(self) -> None:
        """Writes pending runs and closes the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            self._wake.set()
            thread.join(timeout=10)
        self._trouble = ""  # one more try
        self.flush()
        if self._unwritten.runs:
            LOG.error(
                "%d runs were never written to the journal: %s",
                len(self._unwritten.runs),
                self._trouble,
            )
        super().close()


def _chars(run: RunRecord) -> int:
    return (
        len(run.task)
        + len(run.answer)
        + sum(len(str(message.get("content", ""))) for message in run.messages)
    )
