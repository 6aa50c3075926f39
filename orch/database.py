"""One SQLite file that several processes write to: migrations, and a way on from a corrupt, a newer or an unwritable file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from orch import paths
from orch.errors import JournalError

_PATIENCE_S = 15.0
_T = TypeVar("_T")


class Database:
    """A file with the given migrations (SQL scripts, the oldest first). Opens at first use; safe between threads and processes.

    `ask` never fails: what goes wrong with the file is said in `warnings`.
    """

    def __init__(self, path: Path, migrations: Sequence[str], what: str) -> None:
        self.path, self.warnings = path, list[str]()
        self._migrations, self._what = migrations, what
        self._connection: sqlite3.Connection | None = None
        self._broken: JournalError | None = None
        self._lock = threading.RLock()

    def open(self) -> sqlite3.Connection:
        """The open database. Sets a corrupt file aside and begins a new one. Raises JournalError."""
        with self._lock:
            if self._connection is None:
                if self._broken:
                    raise JournalError(self._broken.message, self._broken.hint)
                try:
                    self._connection = self._open()
                except JournalError as error:
                    self._broken = error
                    raise
                except (OSError, sqlite3.Error) as error:  # a corrupt file in a folder that can't be written to, and its like
                    self._broken = JournalError(f"{self._what} can't be opened ({error}): nothing is recorded", f"see {self.path}")
                    raise self._broken from error
            return self._connection

    def _open(self) -> sqlite3.Connection:
        try:
            paths.touch_private(self.path)
        except OSError as error:
            return self._open_to_read(error)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise JournalError(f"{self._what} can't be opened ({error}): nothing is recorded", f"see {self.path}") from error
            self._set_aside(error)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            _retrying(lambda: connection.execute("PRAGMA journal_mode=WAL"))
            connection.execute("PRAGMA synchronous=NORMAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        if version > len(self._migrations):
            raise JournalError(
                f"{self._what} {self.path} was written by a newer orch (form {version}, this one knows {len(self._migrations)}); it is left untouched",
                "upgrade orch, or set ORCH_HOME to another folder",
            )
        if version == len(self._migrations):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for number in range(_version(connection), len(self._migrations)):
                for statement in _statements(self._migrations[number]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _open_to_read(self, cause: OSError) -> sqlite3.Connection:
        said = f"{self._what} {self.path} can't be written ({cause.strerror or cause}): nothing is recorded"
        try:
            connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
            _version(connection)
        except (sqlite3.Error, ValueError):
            raise JournalError(said, "set ORCH_HOME to a folder of your own") from cause
        self._warn(said)
        return connection

    def _set_aside(self, error: Exception) -> None:
        """Renames a corrupt journal; one process does it, the others find the new file."""
        with _file_lock(self.path.with_suffix(".lock")):
            with contextlib.suppress(sqlite3.DatabaseError):
                self._connect().close()
                return
            stamp = time.strftime("%Y%m%d-%H%M%S")
            aside = self.path.with_name(f"{self.path.stem}.corrupt-{stamp}-{os.getpid()}{self.path.suffix}")
            os.replace(self.path, aside)
            for tail in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self.path}{tail}", f"{aside}{tail}")
            paths.touch_private(self.path)
        self._warn(f"{self._what} was corrupt ({error}): set aside as {aside}, a new one is begun")

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def ask(self, question: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Reads or writes; a journal that fails is said once, and `otherwise` stands in."""
        try:
            with self._lock:
                return self._again_if_corrupt(question)
        except (sqlite3.Error, JournalError) as error:
            message = error.message if isinstance(error, JournalError) else f"{self._what} can't be used ({error}): nothing is recorded"
            self._warn(message)
            return otherwise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows a query finds, by column name; none where the file can't be read."""

        def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = connection.execute(query, tuple(values))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return self.ask(read, [])

    def _again_if_corrupt(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return question(self.open())
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            self.close()
            self._set_aside(error)
            return question(self.open())


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's own semicolons do not end it. (`executescript` would end the transaction.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _retrying(act: Callable[[], Any], seconds: float = _PATIENCE_S) -> None:
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


def insert(connection: sqlite3.Connection, table: str, row: dict[str, Any], *, replace: bool = False) -> None:
    """Writes one row, in the place of one with the same key if `replace`. Half characters are written as question marks."""
    marks = ",".join("?" * len(row))
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    connection.execute(f"{verb} INTO {table} ({','.join(row)}) VALUES ({marks})", tuple(map(_storable, row.values())))


def _storable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


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
