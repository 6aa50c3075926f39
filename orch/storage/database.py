"""Connections to one SQLite file for several threads and processes, and queries whose failure is a
warning."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary, finalize

from orch.errors import JournalError
from orch.storage.sqlite_file import SQLiteConnection, SQLiteFile, is_corrupt

MAX_IDLE_CONNECTIONS = 4
REOPEN_AFTER_S = 10.0
"""A file that could not be opened is tried again after this long."""
_T = TypeVar("_T")


class Database:
    """A SQLite file with migrations (SQL scripts, oldest first). Opens at first use; safe between
    threads and processes.

    Each use borrows a connection of its own, so that threads neither wait for each other nor meet
    each other's transactions. `run_or_default` and `rows` never fail: `warnings` says what is wrong
    with the file. Made by `database_at`, one for each file in a process. A database that is never
    closed closes its idle connections when it is collected and at exit.
    """

    _finalizer: finalize[..., Database] | None = None

    def __init__(
        self, path: Path, migrations: Sequence[str], what: str, *, keeps_copies: bool = False
    ) -> None:
        self.path, self.file = path, SQLiteFile(path, migrations, what, keeps_copies=keeps_copies)
        self._reset()

    def _reset(self) -> None:
        self._lock, self._idle = threading.Lock(), list[SQLiteConnection]()
        self._generation, self._process = 0, os.getpid()
        if self._finalizer:
            self._finalizer.detach()
        self._finalizer = finalize(self, _close_own, self._idle, self._process)
        self._open_error: tuple[float, JournalError] | None = None
        self._failures: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """What is or was wrong with the file."""
        return [*self.file.warnings, *self._failures]

    def clear_warnings(self) -> None:
        """Removes the warnings of failed queries, after one has succeeded again."""
        self._failures.clear()

    # ------------------------------------------------------------ connections

    def open(self) -> None:
        """Opens the file now. Raises JournalError."""
        with self.connection():
            pass

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Borrows a connection. Raises JournalError if the file can't be opened."""
        connection = self._borrow()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _borrow(self) -> SQLiteConnection:
        if self._process != os.getpid():
            # after a fork, a connection of the parent must be neither used nor closed
            _INHERITED.append(self._idle)
            self._reset()
        current = self.file.file_id()
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.file_id == current:
                    return connection
                connection.close()  # the file was moved or deleted: writes to it would be lost
        return self._connect()

    def _connect(self) -> SQLiteConnection:
        if self._open_error and time.monotonic() - self._open_error[0] < REOPEN_AFTER_S:
            raise JournalError(self._open_error[1].message, self._open_error[1].hint)
        generation = self._generation
        try:
            connection = self.file.connect()
        except JournalError as error:
            self._open_error = time.monotonic(), error
            raise
        self._open_error, connection.generation = None, generation
        return connection

    def _give_back(self, connection: SQLiteConnection) -> None:
        if connection.in_transaction:
            connection.rollback()
        with self._lock:
            is_current = connection.generation == self._generation
            if is_current and len(self._idle) < MAX_IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Closes idle connections now and borrowed ones when they are given back; the next use
        opens the file again."""
        with self._lock:
            self._generation, self._open_error = self._generation + 1, None
            idle = self._idle.copy()
            self._idle.clear()
        for connection in idle:
            connection.close()

    # ------------------------------------------------------------ queries

    def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Calls `work` with a connection. A file that proves corrupt is quarantined, and `work` is
        called again with a new one. Raises JournalError and sqlite3.Error."""
        try:
            with self.connection() as connection:
                return work(connection)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self.close()
            self._quarantine(error)
            with self.connection() as connection:
                return work(connection)

    def _quarantine(self, error: sqlite3.DatabaseError) -> None:
        try:
            self.file.quarantine(error)
        except OSError as os_error:
            raise JournalError(
                f"{self.file.what} is corrupt ({error}) and can't be set aside ({os_error}):"
                " nothing is recorded",
                f"see {self.path}",
            ) from error

    def run_or_default(self, work: Callable[[sqlite3.Connection], _T], default: _T) -> _T:
        """The same as `run`, but returns `default` if the file can't be used, with a warning."""
        try:
            return self.run(work)
        except (sqlite3.Error, JournalError) as error:
            self.add_warning(error)
            return default

    def add_warning(self, error: sqlite3.Error | JournalError) -> None:
        """Adds a warning until `clear_warnings` is called."""
        if isinstance(error, JournalError):
            message = error.message
        else:
            message = f"{self.file.what} can't be used ({error}): nothing is recorded"
        if message not in self.warnings:
            self._failures.append(message)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query by column name; empty if the file can't be read."""

        def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = connection.execute(query, tuple(values))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return self.run_or_default(read, [])


_INHERITED: list[list[SQLiteConnection]] = []
"""Connections of a parent process, kept so that they are never closed."""
_DATABASES: WeakValueDictionary[tuple[Path, int], Database] = WeakValueDictionary()
_DATABASES_LOCK = threading.Lock()


def _close_own(idle: list[SQLiteConnection], process: int) -> None:
    """Closes the idle connections of a database that nobody closed: from Python 3.13 on, each that
    is collected open is a ResourceWarning (https://docs.python.org/3/whatsnew/3.13.html#sqlite3)."""
    if process != os.getpid():
        _INHERITED.append(idle)
        return
    # what is used later at exit, by a thread or by a function that was registered before, opens the
    # file again
    with contextlib.suppress(IndexError):
        while True:
            idle.pop().close()


def database_at(
    path: Path, migrations: Sequence[str], what: str, *, keeps_copies: bool = False
) -> Database:
    """The process's only Database for a path."""
    key = path.absolute(), len(migrations)
    with _DATABASES_LOCK:
        database = _DATABASES.get(key)
        if database is None:
            database = Database(path, migrations, what, keeps_copies=keeps_copies)
            _DATABASES[key] = database
        return database


def insert_row(
    connection: sqlite3.Connection, table: str, row: dict[str, Any], *, replace: bool = False
) -> None:
    """Inserts one row, or replaces the one with the same key. Lone surrogates are stored as `?`."""
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    connection.execute(f"{verb} {_into(table, tuple(row))}", _values(row))


def insert_rows(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows with the same columns, as `insert_row` does."""
    if rows:
        query = f"INSERT {_into(table, tuple(rows[0]))}"
        connection.executemany(query, map(_values, rows))


def _into(table: str, columns: tuple[str, ...]) -> str:
    return f"INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})"


def _values(row: dict[str, Any]) -> list[Any]:
    return [
        value.encode("utf-8", "replace").decode()
        if isinstance(value, str) and not value.isascii()
        else value
        for value in row.values()
    ]
