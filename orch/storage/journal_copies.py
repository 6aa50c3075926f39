"""Exports, backs up and restores the journal, also while a server uses it: rows as JSON lines,
copies through SQLite's backup API."""

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
"""Runs read by one query."""
_FEEDBACK = {
    "ratings": "SELECT model, provider, score, kind, at FROM ratings WHERE run_id = ? ORDER BY id",
    "corrections": "SELECT task_type, at FROM corrections WHERE run_id = ?",
}


@dataclass(frozen=True, slots=True)
class JournalSummary:
    """The content of a journal's file. `newest` is seconds since the epoch, None if it is empty."""

    runs: int
    newest: float | None
    schema: int


# ---------------------------------------------------------------- export and backup


def export_runs(journal: Journal, since: float = 0.0) -> Iterator[dict[str, Any]]:
    """Yields every run since a time, oldest first, with its attempts, ratings and corrections.
    Raises JournalError and sqlite3.Error."""
    query, after = f"SELECT * FROM runs WHERE at >= ? AND seq > ? ORDER BY seq LIMIT {_PAGE}", 0
    while rows := journal.database.run(lambda c, after=after: _rows(c, query, since, after)):  # type: ignore[misc]
        for row in rows:
            run_id = row["run_id"]
            feedback = {
                name: journal.database.rows(feedback_query, (run_id,))
                for name, feedback_query in _FEEDBACK.items()
            }
            yield {
                **decode_run(row),
                "attempts": journal.history.attempts_of(run_id),
                **feedback,
            }
        after = rows[-1]["seq"]


def _rows(connection: sqlite3.Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def back_up(journal: Journal, target: Path) -> JournalSummary:
    """Copies the journal in one step to a file with mode 0600; returns its content. Raises
    JournalError."""
    journal.open()
    try:
        copy_database(journal.path, target)
        return inspect_copy(target)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"the journal can't be copied to {target}: {error}",
            "name a file in a folder that you can write to, on a disk with room",
        ) from error


# ---------------------------------------------------------------- restore


def inspect_copy(file: Path) -> JournalSummary:
    """The content of a copy. Raises UsageError if it is damaged or not a journal that this version
    can read."""
    if not file.is_file():
        raise UsageError(f"{file} does not exist", "orch journal backup FILE makes a copy")
    try:
        with closing(_open_read_only(file)) as connection:
            summary = _summarize(connection)
            is_intact = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.Error as error:
        raise UsageError(
            f"{file} is not a copy of a journal: {error}", "orch journal backup FILE makes a copy"
        ) from error
    if summary.schema > len(MIGRATIONS):
        raise UsageError(
            f"{file} was written by a newer orch (schema version {summary.schema}; this one knows"
            f" {len(MIGRATIONS)})",
            "upgrade orch",
        )
    if not is_intact:
        raise UsageError(f"{file} is damaged", "take an older copy")
    return summary


def _open_read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


def _summarize(connection: sqlite3.Connection) -> JournalSummary:
    runs, newest = connection.execute("SELECT count(*), max(at) FROM runs").fetchone()
    return JournalSummary(runs, newest, schema_version(connection))


def inspect_journal(journal: Journal) -> JournalSummary | None:
    """The content of the current journal, also of one of a newer orch; None if it can't be read."""
    with (
        contextlib.suppress(sqlite3.Error),
        closing(_open_read_only(journal.path)) as connection,
    ):
        return _summarize(connection)
    return None


def restore_journal(journal: Journal, file: Path, kept: Path | None) -> None:
    """Replaces the journal by a copy, in one transaction for processes that use it; the journal
    before is copied to `kept`.

    Raises JournalError; the journal is then unchanged.
    """
    scratch = journal.path.with_name(f".{journal.path.name}.restoring-{os.getpid()}")
    with contextlib.suppress(JournalError):
        journal.open()  # quarantines a corrupt one; one of a newer orch is replaced as it is
    try:
        create_private_file(journal.path)
        if kept:
            copy_database(journal.path, kept)
        copy_database(file, scratch)
        _migrate(scratch)
        _replace(journal.path, scratch)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"the journal can't be replaced by {file}: {error}; it is unchanged",
            "orch serve stop stops a server that uses it",
        ) from error
    finally:
        for tail in ("", "-wal", "-shm"):
            Path(f"{scratch}{tail}").unlink(missing_ok=True)
    journal.close()
    journal.open()


def _migrate(file: Path) -> None:
    with closing(
        SQLiteFile(file, MIGRATIONS, "the copy", keeps_copies=False).connect()
    ) as connection:
        # how far a memory index had read the journal: without these facts it is rebuilt
        connection.execute("DELETE FROM facts WHERE name LIKE 'forgotten:%' OR name LIKE 'begun:%'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _replace(path: Path, source: Path) -> None:
    with (
        closing(sqlite3.connect(source)) as copy,
        closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as live,
    ):
        progress = _stop_waiting_at(time.monotonic() + BUSY_TIMEOUT_S)
        copy.backup(live, progress=progress, sleep=0.05)


def _stop_waiting_at(deadline: float) -> Callable[[int, int, int], None]:
    """Ends a backup that waits for a lock: without this, Python waits forever."""

    def progress(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")

    return progress
