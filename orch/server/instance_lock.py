"""Allows one server for each ORCH_HOME: a lock file beside its socket, held while the process
lives, that names the process."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from orch.config import paths
from orch.config.socket_path import is_private_folder, socket_path

TRIES, TRY_S = 5, 0.02
"""A command that only checks for a server holds the lock for a moment, too."""


def lock_path() -> Path:
    """The path of the lock, beside the socket."""
    return socket_path().with_suffix(".lock")


if sys.platform == "win32":

    @contextlib.contextmanager
    def hold_lock() -> Iterator[bool]:
        """Commands do not look for a server where there are no Unix sockets."""
        yield True

    def lock_holder() -> int | None:
        """None."""
        return None

else:
    import fcntl

    @contextlib.contextmanager
    def hold_lock() -> Iterator[bool]:
        """Tries to take the lock for the duration of the block; yields whether it did. The file is
        never removed, or two processes could hold it. Raises OSError."""
        path = lock_path()
        paths.make_private(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            if taken := _taken(descriptor):
                _name(descriptor)
            yield taken
        finally:
            os.close(descriptor)

    def lock_holder() -> int | None:
        """The id of the server's process, which lives as long as it holds the lock; None without a
        server, 0 if the id is unknown here (another container)."""
        if not is_private_folder(lock_path().parent):
            return None
        try:
            descriptor = os.open(lock_path(), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            if _try(descriptor, fcntl.LOCK_SH):
                return None
            pid, _, machine = (
                os.read(descriptor, 1024).decode("utf-8", "replace").strip().partition("\n")
            )
            return int(pid) if pid.isdecimal() and machine == _machine() else 0
        finally:
            os.close(descriptor)

    def _name(descriptor: int) -> None:
        """Overwrites the content, which takes no new space. On a full disk the lock holds without a
        name."""
        named = f"{os.getpid()}\n{_machine()}\n".encode()
        with contextlib.suppress(OSError):
            os.write(descriptor, named)
            os.ftruncate(descriptor, len(named))

    def _taken(descriptor: int) -> bool:
        for _ in range(TRIES):
            if _try(descriptor, fcntl.LOCK_EX):
                return True
            time.sleep(TRY_S)
        return False

    def _try(descriptor: int, kind: int) -> bool:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _machine() -> str:
        """The namespace in which a process id is valid."""
        try:
            space = os.readlink("/proc/self/ns/pid")
        except OSError:
            space = ""
        return f"{os.uname().nodename} {space}"
