"""The lock of a memory index, held by one process at a time; it ends with the process, however that
ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orch.config import paths
from orch.memory.store import StoreError

if TYPE_CHECKING:
    import filelock

_POLL_S = 0.02


class IndexLock:
    """The lock at a path, not yet acquired. The file is never removed, or two processes could hold
    the lock."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._lock: filelock.BaseFileLock | None = None

    def acquire(self, timeout_s: float | None = None) -> None:
        """Waits for the lock, up to its own timeout or another; does nothing if it is held. Raises
        OSError, and StoreError with the code `locked`."""
        if self._lock is not None:
            return
        import filelock  # as long as `python -c pass`, which only commands that use memory pay

        paths.touch_private(self._path)
        timeout = self._timeout_s if timeout_s is None else timeout_s
        # a server closes its memory in another thread than the one that opened it
        lock = filelock.FileLock(self._path, mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=timeout, poll_interval=_POLL_S)
        except filelock.Timeout:
            raise StoreError(
                "another orch process is using the memory",
                "try again when it has ended",
                code="locked",
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Releases the lock; does nothing if it is not held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
