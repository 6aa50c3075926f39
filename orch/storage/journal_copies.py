"""Exports, backs up and restores the journal: rows as JSON lines, copies through SQLite's backup
API, beside a running server."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch.errors import JournalError, UsageError
from orch.storage.history import decode_run
from orch.storage.journal import Journal
from orch.storage.schema import MIGRATIONS
from orch.storage.sqlite_file import (
    BUSY_TIMEOUT_S,
    SQLiteFile,
    copy_database,
    create_private_file,
    schema_version,
)

_PAGE = 200
"""Runs that are read at once."""
_JUDGED = {
    "ratings": "SELECT model, provider, score, kind, at FROM ratings WHERE run_id = ? ORDER BY id",
    "corrections": "SELECT task_type, at FROM corrections WHERE run_id = ?",
}


@dataclass(frozen=True, slots=True)
class JournalSummary:
    """What a journal's file holds. `newest` is seconds since the epoch, None without any run."""

    runs: int
    newest: float | None
    schema: int


# ---------------------------------------------------------------- out


def export_runs(journal: Journal, since: float = 0.0) -> Iterator[dict[str, Any]]:
    """Every run since a time, the oldest first, with its attempts and what was said of it. Raises
    JournalError, sqlite3.Error."""
    query, after = f"SELECT * FROM runs WHERE at >= ? AND seq > ? ORDER BY seq LIMIT {_PAGE}", 0
    while rows := journal.database.run(lambda c, after=after: _rows(c, query, since, after)):  # type: ignore[misc]
        for row in rows:
            beside = {
                name: journal.database.rows(each, (row["run_id"],))
                for name, each in _JUDGED.items()
            }
            yield {
                **decode_run(row),
                "attempts": journal.history.attempts_of(row["run_id"]),
                **beside,
            }
        after = rows[-1]["seq"]


def _rows(connection: sqlite3.Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def back_up(journal: Journal, target: Path) -> JournalSummary:
    """Copies the journal to a file of its owner's alone, in one step; what it holds. Raises
    JournalError."""
    journal.open()
    try:
        copy_database(journal.path, target)
        return inspect_copy(target)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"the journal can't be copied to {target}: {error}",
            "name a file in a folder of yours with room",
        ) from error


# ---------------------------------------------------------------- back


def inspect_copy(file: Path) -> JournalSummary:
    """What a copy holds. Raises UsageError where it is no journal that this orch reads, or
    damaged."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}", "orch journal backup FILE makes one")
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            holds = _holds(connection)
            sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.Error as error:
        raise UsageError(
            f"{file} is not a copy of a journal: {error}", "orch journal backup FILE makes one"
        ) from error
    if holds.schema > len(MIGRATIONS):
        raise UsageError(
            f"{file} was written by a newer orch (schema version {holds.schema}; this one knows"
            f" {len(MIGRATIONS)})",
            "upgrade orch",
        )
    if not sound:
        raise UsageError(f"{file} is damaged", "take an older copy")
    return holds


def _holds(connection: sqlite3.Connection) -> JournalSummary:
    runs, newest = connection.execute("SELECT count(*), max(at) FROM runs").fetchone()
    return JournalSummary(runs, newest, schema_version(connection))


def inspect_journal(journal: Journal) -> JournalSummary | None:
    """What the journal holds now, also one of a newer orch; None where there is none that can be
    read."""
    with (
        contextlib.suppress(sqlite3.Error),
        closing(
            sqlite3.connect(f"{journal.path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection,
    ):
        return _holds(connection)
    return None


def restore_journal(journal: Journal, file: Path, kept: Path | None) -> None:
    """Puts a copy in the journal's place, in one transaction that running processes see as any
    other; what was there is kept in `kept`.

    Raises JournalError; the journal is then as it was.
    """
    scratch = journal.path.with_name(f".{journal.path.name}.restoring-{os.getpid()}")
    with contextlib.suppress(JournalError):
        journal.open()  # a corrupt one is set aside; one of a newer orch is replaced as it is
    try:
        create_private_file(journal.path)
        if kept:
            copy_database(journal.path, kept)
        copy_database(file, scratch)
        _migrated(scratch)
        _replace(journal.path, scratch)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"the journal can't be replaced by {file}: {error}; it is as it was",
            "orch serve stop ends a server that uses it",
        ) from error
    finally:
        for tail in ("", "-wal", "-shm"):
            Path(f"{scratch}{tail}").unlink(missing_ok=True)
    journal.close()
    journal.open()


def _migrated(file: Path) -> None:
    with closing(
        SQLiteFile(file, MIGRATIONS, "the copy", keeps_copies=False).connect()
    ) as connection:
        # what a memory index had read of the journal when it was copied: without that, it is built
        # anew
        connection.execute("DELETE FROM facts WHERE name LIKE 'forgotten:%' OR name LIKE 'begun:%'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _replace(path: Path, source: Path) -> None:
    with (
        closing(sqlite3.connect(source)) as taken,
        closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as live,
    ):
        taken.backup(live, progress=_until(time.monotonic() + BUSY_TIMEOUT_S), sleep=0.05)


def _until(deadline: float) -> Callable[[int, int, int], None]:
    """Ends a backup that waits for a lock: Python's own call would wait for ever."""

    def look(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")

    return look
