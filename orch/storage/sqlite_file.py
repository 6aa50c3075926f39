"""Opens SQLite files: creates them with mode 0600, migrates them after keeping a copy, and
quarantines corrupt ones. Only SQLite opens the file itself.

On POSIX systems, closing any descriptor of a file drops every lock of the process on it, SQLite's
too (https://www.sqlite.org/howtocorrupt.html, 2.2). So the file is created exclusively if it is
missing, and never opened by other means again.
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
"""Free bytes that SQLite needs to open a file: its index of the WAL takes 32,768."""
BUSY_TIMEOUT_S = 15.0
"""Timeout for a file that another process has locked."""
_CREATING = threading.Lock()
_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, orch TEXT NOT NULL,"
    " at REAL NOT NULL)"
)
"""The versions of orch that migrated the file."""

FileId = tuple[int, int]
"""Device and inode of a file."""


class SQLiteConnection(sqlite3.Connection):
    """A connection with the identity of the file that it was opened on."""

    file_id: FileId | None = None
    generation = 0


class SQLiteFile:
    """One SQLite file with its migrations (SQL scripts, oldest first). `warnings` collects what was
    wrong with it."""

    def __init__(
        self, path: Path, migrations: Sequence[str], what: str, *, keeps_copies: bool
    ) -> None:
        self.path, self.what, self.warnings = path, what, list[str]()
        self._migrations, self._keeps_copies = migrations, keeps_copies

    def file_id(self) -> FileId | None:
        """The identity of the file at the path; None if there is none."""
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def connect(self) -> SQLiteConnection:
        """Opens a connection. Quarantines a corrupt file and creates a new one; opens a file that
        can't be written for reading. Raises JournalError."""
        try:
            return self._connect_or_quarantine()
        except (OSError, sqlite3.Error) as error:  # such as a corrupt file in a read-only folder
            why, hint = str(error), f"see {self.path}"
            if self._is_disk_full():
                why, hint = "its disk is full", f"make room at {self.path.parent}"
            raise JournalError(
                f"{self.what} {self.path} can't be opened ({why}): nothing is recorded", hint
            ) from error

    def _is_disk_full(self) -> bool:
        if not hasattr(os, "statvfs"):
            return False
        try:
            disk = os.statvfs(self.path.parent)  # importing shutil for this takes 5 ms
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES

    def _connect_or_quarantine(self) -> SQLiteConnection:
        try:
            create_private_file(self.path)
        except OSError as error:
            return self._connect_read_only(error)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self.quarantine(error)
            return self._connect()

    def _connect(self) -> SQLiteConnection:
        connection = self._open("rw")
        try:
            self._refuse_newer(connection)
            _retry_while_locked(lambda: connection.execute("PRAGMA journal_mode=WAL"))
            connection.execute("PRAGMA synchronous=NORMAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self, mode: str) -> SQLiteConnection:
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

    def _connect_read_only(self, cause: OSError) -> SQLiteConnection:
        message = (
            f"{self.what} {self.path} can't be written ({cause.strerror or cause}): nothing is"
            " recorded"
        )
        try:
            if not self.path.is_file():  # opening a pipe would wait for its other end
                raise cause
            connection = self._open("ro" if self._has_wal() else "ro&immutable=1")
            schema_version(connection)
        except (OSError, sqlite3.Error, ValueError):
            raise JournalError(message, "set ORCH_HOME to a folder of your own") from cause
        self.add_warning(message)
        return connection

    def _has_wal(self) -> bool:
        """Whether another process has the file open, or left changes in a WAL.

        If not, SQLite reads it in a read-only folder only with `immutable`.
        """
        return self.path.with_name(f"{self.path.name}-wal").exists()

    def add_warning(self, message: str) -> None:
        """Adds a warning, once."""
        if message not in self.warnings:
            self.warnings.append(message)

    # ------------------------------------------------------------ schema versions

    def _refuse_newer(self, connection: sqlite3.Connection) -> None:
        version, known = schema_version(connection), len(self._migrations)
        if version > known:
            copies = ", ".join(str(copy) for copy in find_copies(self.path, "schema"))
            copy = f", and the copy from before is {copies}" if copies else ""
            raise JournalError(
                f"{self.what} {self.path} was written by {_writer(connection, version)} (schema"
                f" version {version}); this is orch {VERSION}, which knows {known}; it is left"
                f" untouched{copy}",
                "upgrade orch, or set ORCH_HOME to another folder",
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if schema_version(connection) == len(self._migrations):
            return
        with transaction(connection):
            before = schema_version(connection)  # another process may have migrated it
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
        """Copies the file before a migration, replacing the copy of an earlier one. Raises
        JournalError."""
        copy = self.path.with_name(f"{self.path.stem}.schema-{version}{self.path.suffix}")
        older = find_copies(self.path, "schema")
        try:
            copy_database(self.path, copy)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(
                f"{self.what} was written by an older orch (schema version {version}) and can't be"
                f" copied to {copy} before it is changed: {error}; nothing is recorded",
                "make room on that disk",
            ) from error
        for each in older:
            if each != copy:
                each.unlink(missing_ok=True)

    # ------------------------------------------------------------ corruption

    def quarantine(self, error: Exception) -> None:
        """Renames a corrupt file and creates a new one. One process does it; the others find the
        new file. Raises OSError."""
        import filelock  # as long as `python -c pass`, and files are rarely corrupt

        lock = self.path.with_suffix(".lock")
        paths.touch_private(lock)
        with filelock.FileLock(lock, mode=0o600):
            if self._is_intact():
                return
            stamp = time.strftime("%Y%m%d-%H%M%S")
            name = f"{self.path.stem}.corrupt-{stamp}-{os.getpid()}{self.path.suffix}"
            renamed = self.path.with_name(name)
            os.replace(self.path, renamed)
            for tail in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self.path}{tail}", f"{renamed}{tail}")
            create_private_file(self.path)
        self.add_warning(
            f"{self.what} was corrupt ({error}): it was set aside as {renamed}, and a new one"
            " created"
        )

    def _is_intact(self) -> bool:
        try:
            with closing(self._connect()) as connection:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        except sqlite3.DatabaseError:
            return False


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that takes the write lock at its start."""
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
    """Creates an empty file with mode 0600 if it is missing; removes the permissions of others from
    an existing one. Raises OSError."""
    paths.make_private(path.parent)
    # no thread may connect while the descriptor is open; each connects only after this
    with _CREATING, contextlib.suppress(FileExistsError):
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            return
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a file")
    if mode & 0o077:
        with contextlib.suppress(PermissionError):  # the file of another account, which shares it
            path.chmod(mode & 0o700)
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def find_copies(path: Path, *kinds: str) -> list[Path]:
    """The copies of a database beside it, from before a migration (`schema`), a restore
    (`replaced`) and a quarantine (`corrupt`)."""
    return sorted(
        copy for kind in kinds for copy in path.parent.glob(f"{path.stem}.{kind}-*{path.suffix}")
    )


def copy_database(source: Path, target: Path) -> None:
    """Copies a database that may be in use, in one step, to a file with mode 0600. Raises OSError
    and sqlite3.Error."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    try:
        create_private_file(scratch)
        address = f"{source.absolute().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as original,
            closing(sqlite3.connect(scratch)) as copy,
        ):
            original.backup(copy)
            # without a WAL: one file, readable in a read-only folder
            copy.execute("PRAGMA journal_mode=DELETE")
        os.replace(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)


# ---------------------------------------------------------------- SQLite


def is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite reports that the file is damaged or not a database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def schema_version(connection: sqlite3.Connection) -> int:
    """The number of migrations that were applied to a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _writer(connection: sqlite3.Connection, version: int) -> str:
    with contextlib.suppress(sqlite3.Error):
        row = connection.execute(
            "SELECT orch FROM schema_versions WHERE version = ?", (version,)
        ).fetchone()
        return f"orch {row[0]}" if row else "a newer orch"
    return "a newer orch"


def _statements(script: str) -> Iterator[str]:
    """Splits a script into statements, also around triggers. (`executescript` would end the
    transaction.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _retry_while_locked(act: Callable[[], Any], seconds: float = BUSY_TIMEOUT_S) -> None:
    """Retries an action that ignores SQLite's busy timeout, such as switching to WAL."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
