"""Reads files that the user names, up to a limit: regular files, pipes, devices and /proc."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable

PATIENCE_S = 2.0
_CHUNK = 1 << 20


class FileTooLongError(Exception):
    """Raised when a file holds more than the limit; `size` is the size of the file, if known, else
    what was read."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def read_bounded(
    path: str | os.PathLike[str], most: int, waiting: Callable[[], None] = lambda: None
) -> bytes:
    """Reads at most `most` bytes. Calls `waiting` once if a pipe stays silent for two seconds.
    Raises OSError, and FileTooLargeError above the limit."""
    # opening a named pipe without a writer would block
    with open(
        path,
        "rb",
        buffering=0,
        opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)),
    ) as file:
        status = os.fstat(file.fileno())
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if status.st_size > most:
            raise FileTooLongError(status.st_size)
        if hasattr(os, "O_NONBLOCK"):
            os.set_blocking(file.fileno(), True)
        if stat.S_ISFIFO(status.st_mode):
            _wait_for_data(file.fileno(), waiting)
        return _read_all(file.fileno(), most)


def _wait_for_data(descriptor: int, waiting: Callable[[], None]) -> None:
    """Waits for data: a pipe without a writer would look as if it had ended."""
    if not select.select([descriptor], [], [], PATIENCE_S)[0]:
        waiting()
        select.select([descriptor], [], [])


def _read_all(descriptor: int, most: int) -> bytes:
    chunks, size = [], 0
    while piece := os.read(descriptor, _CHUNK):
        chunks.append(piece)
        size += len(piece)
        if size > most:
            raise FileTooLongError(size)
    return b"".join(chunks)
