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
        self._lock, self.writing = threading.Lock(), threading.Lock()

    def add(self, run: RunRecord) -> bool:
        """Adds a run. Returns whether there was room."""
        size = _chars(run)
        with self._lock:
            is_too_large = bool(self.runs) and self._chars + size > MAX_PENDING_CHARS
            if is_too_large or len(self.runs) >= MAX_PENDING_RUNS:
                self.refused += 1
                return False
            self.runs.append(run)
            self._chars += size
        return True

    def discard(self, count: int) -> None:
        """Removes the first `count` runs."""
        with self._lock:
            self._chars -= sum(map(_chars, self.runs[:count]))
            del self.runs[:count]


class BatchedJournal(Journal):
    """A journal whose `record` only enqueues a run. `on_run` is called with each run in the writing
    thread."""

    def __init__(
        self,
        path: Path,
        redactor: Redactor,
        mode: str,
        keep_s: int,
        on_run: RunCallback,
        pending: PendingRuns | None = None,
    ) -> None:
        super().__init__(path, redactor, mode, keep_s, cache_s=CORRECTIONS_TTL_S)
        self._on_run, self._pending = on_run, pending or PendingRuns()
        self._unreported: list[RunRecord] = []
        self._failure, self._retry_at = "", 0.0
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def warnings(self) -> list[str]:
        """Problems with the file so far, and the number of runs waiting for it."""
        warnings = super().warnings
        if self._failure:
            waiting = _runs(len(self._pending.runs))
            reason = f"until the journal can be written ({self._failure})"
            warnings.append(f"{waiting} kept in memory {reason}")
        if self._pending.refused:
            lost = _runs(self._pending.refused)
            warnings.append(f"{lost} not recorded: too many were waiting for the journal")
        return warnings

    def record(self, run: RunRecord) -> bool:
        """Enqueues a run to be written soon. Returns whether there was room for it."""
        self._unreported.append(run)
        has_room = self._pending.add(run)
        if self._thread is None:
            self._begin()
        if not self._wake.is_set():
            self._wake.set()
        return has_room

    def _begin(self) -> None:
        self._closing.clear()
        self._thread = threading.Thread(target=self._work, name="orch-journal", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(RETRY_S if self._failure else None)
            self._wake.clear()
            self._closing.wait(max(BATCH_S, self._retry_at - time.monotonic()))
            self.flush()

    def flush(self) -> None:
        """Writes pending runs now, so that a read sees them. While the file can't be written, that
        is left to the writing thread."""
        if self._failure and threading.current_thread() is not self._thread:
            return
        if self._pending.writing.acquire(timeout=FLUSH_TIMEOUT_S):
            try:
                self._flush()
            finally:
                self._pending.writing.release()

    def _flush(self) -> None:
        unreported, self._unreported = self._unreported, []
        for run in unreported:
            self._on_run(run)
        if self._failure:
            self.database.close()  # so that a file that could not be opened is opened again
        # while the file fails, one run is enough to test it: redacting all of them again for each
        # attempt would take seconds
        while waiting := self._pending.runs[: 1 if self._failure else BATCH_RUNS]:
            written = self._write(waiting)
            self._pending.discard(written)
            if written < len(waiting):
                break

    def _write(self, runs: list[RunRecord]) -> int:
        """Writes runs. Returns how many of them, from the first, need no further attempt."""
        try:
            self.write(runs)
        except _RUN_ERRORS as error:
            if len(runs) == 1:
                self.database.file.add_warning(
                    f"run {runs[0].run_id} could not be written to the journal: {error}"
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

    def _fail(self, reason: str, count: int) -> None:
        if not self._failure:
            LOG.warning(
                "the journal can't be written (%s): %d runs are kept in memory until it can",
                reason,
                count,
            )
        self._failure, self._retry_at = reason, time.monotonic() + RETRY_S

    def _recover(self, count: int) -> None:
        if self._failure:
            LOG.warning("the journal can be written again: wrote %d runs", count)
            self._failure, self._retry_at = "", 0.0
            self.database.clear_warnings()

    def close(self) -> None:
        """Writes pending runs and closes the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            self._wake.set()
            thread.join(timeout=10)
        self._failure = ""  # try once more
        self.flush()
        if self._pending.runs:
            count = len(self._pending.runs)
            were = "was" if count == 1 else "were"
            reason = self._failure
            LOG.error("%s %s never written to the journal: %s", _runs(count), were, reason)
        super().close()


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _chars(run: RunRecord) -> int:
    messages = sum(len(str(message.get("content", ""))) for message in run.messages)
    return len(run.task) + len(run.answer) + messages
