"""Reads and writes the journal's file beside orch, and makes records for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from orch.storage.journal import RunRecord

SCHEMAS = sorted(
    (Path(__file__).parents[1] / "storage" / "schemas").glob("journal-*.sql"),
    key=lambda path: int(path.stem.removeprefix("journal-")),
)
"""Dumps of journals as each released schema version wrote them, one run each; never changed, only
followed by another."""
JOURNAL = "journal.sqlite3"


def query(home: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Runs one statement on the journal of ORCH_HOME and commits it."""
    with closing(sqlite3.connect(home / "journal.sqlite3")) as connection, connection:
        return connection.execute(sql, values).fetchall()


def count_runs(home: Path) -> int:
    """The number of runs in the journal of ORCH_HOME."""
    return int(query(home, "SELECT count(*) FROM runs")[0][0])


def files_containing(home: Path, text: str) -> list[str]:
    """The names of all files under ORCH_HOME that contain a text."""
    return [
        file.name
        for file in home.rglob("*")
        if file.is_file() and text.encode() in file.read_bytes()
    ]


def answered_run(run_id: str, at: float) -> RunRecord:
    """The record of a run that was answered."""
    return RunRecord(
        run_id, at, "library", "ok", "task", None, [], "answer", "simple", 1.0, None, ()
    )


def install_dump(home: Path, dump: Path) -> int:
    """Installs the journal of an older orch; returns its schema version."""
    home.mkdir(exist_ok=True)
    version = int(dump.stem.removeprefix("journal-"))
    with closing(sqlite3.connect(home / JOURNAL)) as connection:
        connection.executescript(
            dump.read_text(encoding="utf-8") + f"PRAGMA user_version={version};"
        )
    return version
