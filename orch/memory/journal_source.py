"""Reads the remembered rows of the journal: in order, by id, their neighbours in a session; adds
notes and forgets rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch.memory.store import Filter
from orch.storage.database import Database
from orch.storage.sqlite_file import find_copies, transaction
from orch.text.redact import Redactor

NOTE = "note"
"""The status of a row that is a note, not a run."""
_COLUMNS = (
    "seq, run_id, at, status, session, task_type, model, title, task, coalesce(answer, ''),"
    " redacted"
)
_KEPT = "remember = 1 AND task IS NOT NULL AND status IN ('ok', 'note')"
_MARKS = 500
"""Values in one SQL statement; SQLite allows at least 999."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One remembered row. `at` is seconds since the epoch; of a note, `task` is the text and
    `title` its origin."""

    seq: int
    run_id: str
    at: float
    status: str
    session: str | None
    task_type: str | None
    model: str | None
    title: str | None
    task: str
    answer: str
    redacted: bool

    @property
    def is_note(self) -> bool:
        """Whether the row is a note of the user."""
        return self.status == NOTE


class JournalSource:
    """The remembered rows of one journal. Every method raises JournalError or sqlite3.Error if the
    file can't be used."""

    def __init__(self, database: Database, redactor: Redactor) -> None:
        self._database, self._redactor = database, redactor

    # ------------------------------------------------------------ reading

    def after(self, seq: int, limit: int) -> list[Remembered]:
        """The next rows in order."""
        return self._select(f"{_KEPT} AND seq > ? ORDER BY seq LIMIT ?", (seq, limit))

    def count(self, after: int = 0) -> int:
        """The number of rows after one."""
        with self._database.connection() as connection:
            return int(
                connection.execute(
                    f"SELECT count(*) FROM runs WHERE {_KEPT} AND seq > ?", (after,)
                ).fetchone()[0]
            )

    def by_ids(self, run_ids: Sequence[str]) -> dict[str, Remembered]:
        """Rows by id, without those that no longer exist."""
        rows: dict[str, Remembered] = {}
        for some in _batches(run_ids):
            marks = ",".join("?" * len(some))
            rows |= {
                row.run_id: row for row in self._select(f"{_KEPT} AND run_id IN ({marks})", some)
            }
        return rows

    def neighbours(self, run_ids: Sequence[str], reach: int) -> dict[str, list[tuple[str, int]]]:
        """For each row with a session, the rows of that session up to `reach` positions before
        (negative) and after it."""
        near = {}
        with self._database.connection() as connection:
            for run_id in run_ids:
                before = connection.execute(_near("<", "DESC"), (run_id, reach)).fetchall()
                after = connection.execute(_near(">", "ASC"), (run_id, reach)).fetchall()
                near[run_id] = [(row[0], -place) for place, row in enumerate(before, 1)] + [
                    (row[0], place) for place, row in enumerate(after, 1)
                ]
        return near

    def find(self, prefix: str) -> list[Remembered]:
        """The rows with this id prefix, newest first, at most two."""
        return self._select(
            f"{_KEPT} AND substr(run_id, 1, ?) = ? ORDER BY seq DESC LIMIT 2", (len(prefix), prefix)
        )

    def newest(self, limit: int, where: Filter) -> list[Remembered]:
        """The newest rows."""
        condition, values = _condition(where)
        return self._select(f"{condition} ORDER BY seq DESC LIMIT ?", (*values, limit))

    def everything(self, after: int = 0) -> Iterator[Remembered]:
        """All rows after one, in order."""
        seq = after
        while rows := self.after(seq, _MARKS):
            yield from rows
            seq = rows[-1].seq

    def forgotten(self, after: int) -> list[tuple[int, str]]:
        """The ids of forgotten rows, with their position in the list."""
        with self._database.connection() as connection:
            return connection.execute(
                "SELECT seq, run_id FROM forgotten WHERE seq > ? ORDER BY seq", (after,)
            ).fetchall()

    def has_fact(self, name: str) -> bool:
        """Whether the journal has a fact."""
        with self._database.connection() as connection:
            return (
                connection.execute("SELECT 1 FROM facts WHERE name = ?", (name,)).fetchone()
                is not None
            )

    def last_forgotten(self) -> int:
        """The last position in that list."""
        rows = self._database.rows("SELECT max(seq) AS last FROM forgotten")
        return int(rows[0]["last"] or 0) if rows else 0

    def _select(self, condition: str, values: Sequence[Any]) -> list[Remembered]:
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM runs WHERE {condition}", tuple(values)
            )
            return [Remembered(*(*row[:-1], bool(row[-1]))) for row in rows]

    # ------------------------------------------------------------ writing

    def add(self, notes: Sequence[Mapping[str, Any]]) -> int:
        """Writes notes (`run_id`, `task`, and optionally title, session, at, answer, task_type,
        model, status); returns how many were new."""
        with self._database.connection() as connection, transaction(connection):
            return sum(self._add(connection, note) for note in notes)

    def _add(self, connection: sqlite3.Connection, note: Mapping[str, Any]) -> int:
        texts = {name: note.get(name) for name in ("task", "answer", "title")}
        clean = {
            name: self._redactor.redact(text) if text else text for name, text in texts.items()
        }
        row = {
            "status": NOTE, "at": time.time(), "face": "memory", "source": "memory",
            "degraded": 0, "remember": 1,
            **{name: note.get(name) for name in ("run_id", "session", "task_type", "model")},
            **{name: note[name] for name in ("at", "status") if note.get(name) is not None},
            **clean, "redacted": int(clean != texts),
        }  # fmt: skip
        marks = ",".join("?" * len(row))
        return connection.execute(
            f"INSERT OR IGNORE INTO runs ({','.join(row)}) VALUES ({marks})", tuple(row.values())
        ).rowcount

    def chosen(self, where: Filter, run_ids: Sequence[str] = ()) -> list[str]:
        """The ids of every row, remembered or not, that matches a filter or a list of ids."""
        with self._database.connection() as connection:
            return _chosen(connection, where, run_ids)

    def forget(self, run_ids: Sequence[str]) -> bool:
        """Deletes rows, with their text in the file's free pages and its WAL; returns whether the
        WAL could be emptied. The figures of their attempts stay."""
        with self._database.connection() as connection:
            return _delete(connection, run_ids)

    def forget_in_copies(self, where: Filter, run_ids: Sequence[str]) -> list[Path]:
        """Deletes rows from the copies that upgrades and restores left beside the journal, by ids
        or else by filter; returns the unreadable copies."""
        unread = []
        for copy in find_copies(self._database.path, "schema", "replaced", "corrupt"):
            try:
                with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                    _delete(connection, _chosen(connection, where, run_ids))
            except sqlite3.Error:
                unread.append(copy)
        return unread


def _delete(connection: sqlite3.Connection, run_ids: Sequence[str]) -> bool:
    connection.execute("PRAGMA secure_delete=ON")
    with transaction(connection):
        for some in _batches(run_ids):
            marks = ",".join("?" * len(some))
            connection.execute(f"DELETE FROM runs WHERE run_id IN ({marks})", some)
            connection.execute(
                f"UPDATE attempts SET message = NULL WHERE run_id IN ({marks})", some
            )
    connection.execute("VACUUM")
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _chosen(connection: sqlite3.Connection, where: Filter, run_ids: Sequence[str]) -> list[str]:
    if not run_ids:
        condition, values = _condition(where, kept=False)
        return [
            row[0]
            for row in connection.execute(f"SELECT run_id FROM runs WHERE {condition}", values)
        ]
    return list(
        dict.fromkeys(
            row[0]
            for some in _batches(run_ids)
            for row in connection.execute(_with_copies(len(some)), some)
        )
    )


def _with_copies(count: int) -> str:
    """Rows by id, and the rows that repeat one of them from the cache."""
    named = f"SELECT * FROM runs WHERE run_id IN ({','.join('?' * count)})"
    return (
        f"WITH named AS ({named}) SELECT run_id FROM named UNION SELECT copy.run_id FROM runs AS"
        " copy JOIN named ON copy.source = 'cache' AND copy.task = named.task AND copy.answer ="
        " named.answer"
    )


def _near(sign: str, order: str) -> str:
    """The rows before or after one in its session."""
    return (
        "SELECT near.run_id FROM runs AS own JOIN runs AS near ON near.session = own.session AND"
        f" near.seq {sign} own.seq WHERE own.run_id = ? AND own.session IS NOT NULL AND"
        " near.remember = 1 AND near.alternative_to IS NULL AND near.task IS NOT NULL AND"
        f" near.status IN ('ok', 'note') ORDER BY near.seq {order} LIMIT ?"
    )


def _condition(where: Filter, *, kept: bool = True) -> tuple[str, tuple[Any, ...]]:
    parts = [_KEPT] if kept else ["1"]
    values: list[Any] = []
    tests = {
        "session = ?": where.session,
        "task_type = ?": where.task_type,
        "model = ?": where.model,
        "at >= ?": where.since,
        "at < ?": where.before,
    }
    for test, value in tests.items():
        if value is not None:
            parts.append(test)
            values.append(value)
    return " AND ".join(parts), tuple(values)


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(values), _MARKS):
        yield values[begin : begin + _MARKS]
