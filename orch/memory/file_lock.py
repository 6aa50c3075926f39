"""A lock file that one process holds at a time; it ends with the process, however that ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import IO

from orch.config import paths
from orch.memory.store import StoreError

_POLL_S = 0.02

if sys.platform == "win32":
    import msvcrt

    def _try(stream: IO[bytes]) -> bool:
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(stream: IO[bytes]) -> bool:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """The lock at a path, not yet taken. `take` waits up to `patience_s`; the file is never
    removed, or two could hold it."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self._path, self._patience_s = path, patience_s
        self._stream: IO[bytes] | None = None

    def take(self, patience_s: float | None = None) -> None:
        """Takes the lock, waiting its own patience or another; nothing where it is held. Raises
        OSError, and StoreError with the code `locked`."""
        if self._stream is not None:
            return
        paths.touch_private(self._path)
        stream = self._path.open("r+b")
        try:
            self._wait(stream, self._patience_s if patience_s is None else patience_s)
        except BaseException:
            stream.close()
            raise
        self._stream = stream

    def _wait(self, stream: IO[bytes], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while not _try(stream):
            if time.monotonic() >= deadline:
                raise StoreError(
                    "another orch process is using the memory",
                    "try again when it has ended",
                    code="locked",
                )
            time.sleep(_POLL_S)

    def give(self) -> None:
        """Gives the lock free; nothing where it is not held."""
        if self._stream is not None:
            self._stream.close()  # the system ends the lock with its file
            self._stream = None
