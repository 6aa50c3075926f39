"""Opens SQLite files: creates them with mode 0600, migrates them and keeps a copy, and sets a
corrupt one aside. Only SQLite opens the file itself.

On POSIX systems, closing any descriptor of a file drops every lock that the process holds on it,
SQLite's too
(https://www.sqlite.org/howtocorrupt.html, 2.2). So the file is created exclusively, where it is
missing, and never opened by hand again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from orch.config import paths
from orch.config.version import VERSION
from orch.errors import JournalError

MIN_FREE_BYTES = 65_536
"""Bytes that SQLite needs beside a file to open it: its index of the WAL takes 32,768."""
BUSY_TIMEOUT_S = 15.0
"""Timeout for a file that another process has locked."""
_CREATING = threading.Lock()
_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, orch TEXT NOT NULL,"
    " at REAL NOT NULL)"
)
"""Which orch brought the file to which schema version."""

FileId = tuple[int, int]
"""Device and inode of a file."""


class SQLiteConnection(sqlite3.Connection):
    """A connection that knows which file it was opened on."""

    file_id: FileId | None = None
    generation = 0


class SQLiteFile:
    """One SQLite file with its migrations (SQL scripts, the oldest first). `warnings` collects what
    was wrong with it."""

    def __init__(
        self, path: Path, migrations: Sequence[str], what: str, *, keeps_copies: bool
    ) -> None:
        self.path, self.what, self.warnings = path, what, list[str]()
        self._migrations, self._keeps_copies = migrations, keeps_copies

    def file_id(self) -> FileId | None:
        """The file that stands at the path now; None where there is none."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def connect(self) -> SQLiteConnection:
        """A new connection. Sets a corrupt file aside and begins a new one; reads one that can't be
        written. Raises JournalError."""
        try:
            return self._connect_or_set_aside()
        except (
            OSError,
            sqlite3.Error,
        ) as error:  # a corrupt file in a folder that can't be written to, and its like
            why, hint = (
                ("its disk is full", f"make room at {self.path.parent}")
                if self._is_full()
                else (str(error), f"see {self.path}")
            )
            raise JournalError(
                f"{self.what} {self.path} can't be opened ({why}): nothing is recorded", hint
            ) from error

    def _is_full(self) -> bool:
        if not hasattr(os, "statvfs"):
            return False
        try:
            disk = os.statvfs(self.path.parent)  # shutil, which asks the same, costs 5 ms to import
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES

    def _connect_or_set_aside(self) -> SQLiteConnection:
        try:
            create_private_file(self.path)
        except OSError as error:
            return self._connect_to_read(error)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self.quarantine(error)
            return self._connect()

    def _connect(self) -> SQLiteConnection:
        connection = self._raw("rw")
        try:
            self._refuse_newer(connection)
            _retrying(lambda: connection.execute("PRAGMA journal_mode=WAL"))
            connection.execute("PRAGMA synchronous=NORMAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _raw(self, mode: str) -> SQLiteConnection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            address,
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            factory=SQLiteConnection,
        )
        connection.file_id = self.file_id()
        return connection

    def _connect_to_read(self, cause: OSError) -> SQLiteConnection:
        said = (
            f"{self.what} {self.path} can't be written ({cause.strerror or cause}): nothing is"
            " recorded"
        )
        try:
            if not self.path.is_file():  # to open a pipe would wait for its other end
                raise cause
            connection = self._raw("ro" if self._has_log() else "ro&immutable=1")
            schema_version(connection)
        except (OSError, sqlite3.Error, ValueError):
            raise JournalError(said, "set ORCH_HOME to a folder of your own") from cause
        self.add_warning(said)
        return connection

    def _has_log(self) -> bool:
        """Whether somebody has it open, or left changes beside it.

        Where not, SQLite reads it in a folder that can't be written to only if it is told that
        nobody changes it.
        """
        return self.path.with_name(f"{self.path.name}-wal").exists()

    def add_warning(self, message: str) -> None:
        """Keeps a warning once."""
        if message not in self.warnings:
            self.warnings.append(message)

    # ------------------------------------------------------------ schema versions

    def _refuse_newer(self, connection: sqlite3.Connection) -> None:
        version, known = schema_version(connection), len(self._migrations)
        if version > known:
            said = (
                f"{self.what} {self.path} was written by {_writer(connection, version)} (schema"
                f" version {version}); this is orch {VERSION}, which knows {known}"
            )
            copies = ", ".join(str(copy) for copy in find_copies(self.path, "schema"))
            raise JournalError(
                f"{said}; it is left"
                f" untouched{f', and the copy from before is {copies}' if copies else ''}",
                "upgrade orch, or set ORCH_HOME to another folder",
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if schema_version(connection) == len(self._migrations):
            return
        with transaction(connection):
            before = schema_version(connection)  # another process may have been faster
            if 0 < before < len(self._migrations) and self._keeps_copies:
                self._keep_copy(before)
            for number in range(before, len(self._migrations)):
                for statement in _statements(self._migrations[number]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number + 1}")
            connection.execute(_VERSIONS)
            connection.execute(
                "INSERT OR IGNORE INTO schema_versions VALUES (?, ?, ?)",
                (len(self._migrations), VERSION, time.time()),
            )

    def _keep_copy(self, version: int) -> None:
        """The file as it was, in the place of the copy of the migration before. Raises
        JournalError."""
        copy, older = (
            self.path.with_name(f"{self.path.stem}.schema-{version}{self.path.suffix}"),
            find_copies(self.path, "schema"),
        )
        try:
            copy_database(self.path, copy)
        except (OSError, sqlite3.Error) as error:
            said = (
                f"{self.what} is of an older orch (schema version {version}) and can't be copied to"
                f" {copy} before it is changed: {error}"
            )
            raise JournalError(f"{said}; nothing is recorded", "make room on that disk") from error
        for each in older:
            if each != copy:
                each.unlink(missing_ok=True)

    # ------------------------------------------------------------ corruption

    def quarantine(self, error: Exception) -> None:
        """Renames a corrupt file and begins a new one; one process does it, the others find the new
        file. Raises OSError."""
        with _file_lock(self.path.with_suffix(".lock")):
            if self._is_sound():
                return
            stamp = time.strftime("%Y%m%d-%H%M%S")
            aside = self.path.with_name(
                f"{self.path.stem}.corrupt-{stamp}-{os.getpid()}{self.path.suffix}"
            )
            os.replace(self.path, aside)
            for tail in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self.path}{tail}", f"{aside}{tail}")
            create_private_file(self.path)
        self.add_warning(
            f"{self.what} was corrupt ({error}): set aside as {aside}, a new one is begun"
        )

    def _is_sound(self) -> bool:
        try:
            with closing(self._connect()) as connection:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        except sqlite3.DatabaseError:
            return False


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, with the write lock from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


# ---------------------------------------------------------------- files


def create_private_file(path: Path) -> None:
    """Creates an empty file for its owner alone where none is; takes what others may read from one
    that is there. Raises OSError."""
    paths.make_private(path.parent)
    # no thread may connect while the descriptor is open, and each connects only after this
    with _CREATING, contextlib.suppress(FileExistsError):
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            return
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a file")
    if mode & 0o077:
        with contextlib.suppress(PermissionError):  # somebody else's file, which they share
            path.chmod(mode & 0o700)
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def find_copies(path: Path, *kinds: str) -> list[Path]:
    """The copies of a database that stand beside it, from before a migration (`schema`), a restore
    (`replaced`) and damage (`corrupt`)."""
    return sorted(
        copy for kind in kinds for copy in path.parent.glob(f"{path.stem}.{kind}-*{path.suffix}")
    )


def copy_database(source: Path, target: Path) -> None:
    """Copies a database beside whoever uses it, in one step, to a file that only its owner can
    read. Raises OSError, sqlite3.Error."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    try:
        create_private_file(scratch)
        with (
            closing(
                sqlite3.connect(
                    f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S
                )
            ) as taken,
            closing(sqlite3.connect(scratch)) as made,
        ):
            taken.backup(made)
            made.execute(
                "PRAGMA journal_mode=DELETE"
            )  # one file, readable where nothing can be written
        os.replace(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    paths.touch_private(path)
    with path.open("r+b") as stream:
        try:
            import fcntl
        except ImportError:  # Windows: setting aside is not guarded there
            yield
            return
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


# ---------------------------------------------------------------- SQLite


def is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite says that the file itself is damaged, or no database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def schema_version(connection: sqlite3.Connection) -> int:
    """How many migrations a file has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _writer(connection: sqlite3.Connection, version: int) -> str:
    with contextlib.suppress(sqlite3.Error):
        row = connection.execute(
            "SELECT orch FROM schema_versions WHERE version = ?", (version,)
        ).fetchone()
        return f"orch {row[0]}" if row else "a newer orch"
    return "a newer orch"


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's own semicolons do not end it. (`executescript` would
    end the transaction.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _retrying(act: Callable[[], Any], seconds: float = BUSY_TIMEOUT_S) -> None:
    """Switching to WAL needs the file alone and does not heed SQLite's own busy timeout."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
