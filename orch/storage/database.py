"""One SQLite file that several threads and processes use at once: connections to borrow, and
questions whose failure is a warning."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from orch.errors import JournalError
from orch.storage.sqlite_file import SQLiteConnection, SQLiteFile, is_corrupt

MAX_IDLE_CONNECTIONS = 4
"""Connections that are kept open while nobody uses them."""
REOPEN_AFTER_S = 10.0
"""A file that could not be opened is tried again after this long."""
_T = TypeVar("_T")


class Database:
    """A file with the given migrations (SQL scripts, the oldest first). Opens at first use; safe
    between threads and processes.

    Whoever uses it borrows a connection of its own, so that no thread waits for another and no
    transaction meets one of another thread.
    `ask` never fails: what goes wrong with the file is said in `warnings`. Made by `database_at`:
    one for each file of a process.
    """

    def __init__(
        self, path: Path, migrations: Sequence[str], what: str, *, keeps_copies: bool = False
    ) -> None:
        self.path, self.file = path, SQLiteFile(path, migrations, what, keeps_copies=keeps_copies)
        self._begin()

    def _begin(self) -> None:
        self._lock, self._idle, self._generation, self._process = (
            threading.Lock(),
            list[SQLiteConnection](),
            0,
            os.getpid(),
        )
        self._broken: tuple[float, JournalError] | None = None
        self._passing: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """What went wrong with the file so far."""
        return [*self.file.warnings, *self._passing]

    def clear_warnings(self) -> None:
        """Forgets the warnings of failures that are over."""
        self._passing.clear()

    # ------------------------------------------------------------ connections

    def open(self) -> None:
        """Opens the file, for who has nothing to tell without it. Raises JournalError."""
        with self.connection():
            pass

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile. Raises JournalError where there can be
        none."""
        connection = self._borrow()
        try:
            yield connection
        finally:
            self._return(connection)

    def _borrow(self) -> SQLiteConnection:
        if self._process != os.getpid():
            _INHERITED.append(
                self._idle
            )  # a connection must not be used, nor closed, on the other side of a fork
            self._begin()
        here = self.file.file_id()
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.file_id == here:
                    return connection
                # the file was moved away, or deleted: what is written there now would be lost
                connection.close()
        return self._connect()

    def _connect(self) -> SQLiteConnection:
        if self._broken and time.monotonic() - self._broken[0] < REOPEN_AFTER_S:
            raise JournalError(self._broken[1].message, self._broken[1].hint)
        generation = self._generation
        try:
            connection = self.file.connect()
        except JournalError as error:
            self._broken = time.monotonic(), error
            raise
        self._broken, connection.generation = None, generation
        return connection

    def _return(self, connection: SQLiteConnection) -> None:
        if connection.in_transaction:
            connection.rollback()
        with self._lock:
            if connection.generation == self._generation and len(self._idle) < MAX_IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Closes the file, connections that are in use when they are given back; a later use opens
        it again."""
        with self._lock:
            self._generation, self._broken = self._generation + 1, None
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # ------------------------------------------------------------ questions

    def run(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Reads or writes; a file that proves corrupt is set aside, and a new one begun. Raises
        JournalError, sqlite3.Error."""
        try:
            with self.connection() as connection:
                return question(connection)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self.close()
            self._set_aside(error)
            with self.connection() as connection:
                return question(connection)

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        try:
            self.file.quarantine(error)
        except OSError as fault:
            raise JournalError(
                f"{self.file.what} is corrupt ({error}) and can't be set aside ({fault}): nothing"
                " is recorded",
                f"see {self.path}",
            ) from error

    def run_or_default(self, question: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Reads or writes; a file that fails is said once, and `otherwise` stands in."""
        try:
            return self.run(question)
        except (sqlite3.Error, JournalError) as error:
            self.add_warning(error)
            return otherwise

    def add_warning(self, error: sqlite3.Error | JournalError) -> None:
        """Keeps a warning of a failure until it is `settled`."""
        message = (
            error.message
            if isinstance(error, JournalError)
            else f"{self.file.what} can't be used ({error}): nothing is recorded"
        )
        if message not in self.warnings:
            self._passing.append(message)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows a query finds, by column name; none where the file can't be read."""

        def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = connection.execute(query, tuple(values))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return self.run_or_default(read, [])


_INHERITED: list[list[SQLiteConnection]] = []
_OPEN: WeakValueDictionary[tuple[Path, int], Database] = WeakValueDictionary()
_OPENING = threading.Lock()


def database_at(
    path: Path, migrations: Sequence[str], what: str, *, keeps_copies: bool = False
) -> Database:
    """The process's one Database for a path."""
    key = path.absolute(), len(migrations)
    with _OPENING:
        found = _OPEN.get(key)
        if found is None:
            found = _OPEN[key] = Database(path, migrations, what, keeps_copies=keeps_copies)
        return found


def insert_row(
    connection: sqlite3.Connection, table: str, row: dict[str, Any], *, replace: bool = False
) -> None:
    """Writes one row, in the place of one with the same key if `replace`. Half characters are
    written as question marks."""
    marks = ",".join("?" * len(row))
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    connection.execute(
        f"{verb} INTO {table} ({','.join(row)}) VALUES ({marks})",
        tuple(map(_storable, row.values())),
    )


def _storable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
