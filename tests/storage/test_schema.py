"""Migrations of the journal: a file of each released schema is read and written."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from orch.storage.journal import Journal
from orch.storage.schema import MIGRATIONS
from orch.text.redact import Redactor
from tests.support.journal_file import JOURNAL, SCHEMAS, answered_run, install_dump, query


def test_there_is_a_journal_of_each_released_schema() -> None:
    assert [path.stem for path in SCHEMAS] == [
        f"journal-{n}" for n in range(1, len(MIGRATIONS) + 1)
    ]


@pytest.mark.parametrize("dump", SCHEMAS, ids=lambda dump: dump.stem)
def test_a_journal_of_each_released_schema_is_read_and_written(home: Path, dump: Path) -> None:
    install_dump(home, dump)
    journal = Journal(home / JOURNAL, Redactor({}))
    assert journal.record(answered_run("new", 1.8e9))
    assert [(run["task"], run["answer"]) for run in journal.history.runs()] == [
        ("task", "answer"),
        ("asked of old", "answered of old"),
    ]
    assert [attempt["model"] for attempt in journal.history.attempts()] == ["old:7b"]
    journal.close()
    assert query(home, "PRAGMA user_version") == [(len(MIGRATIONS),)]


def test_migrations_end_at_the_schema_of_a_new_journal(home: Path) -> None:
    def migrated() -> list[tuple[str, str]]:
        """Every table and column, once orch has opened the file."""
        with contextlib.closing(Journal(home / JOURNAL, Redactor({}))) as journal:
            journal.history.count()
        columns = query(
            home,
            "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' ORDER BY m.name, c.name",
        )
        return [(str(table), str(column)) for table, column in columns]

    new = migrated()
    for file in home.glob("journal*"):
        file.unlink()
    install_dump(home, SCHEMAS[0])
    assert migrated() == new


OLD = "018bcfe56800abcdef"


@pytest.mark.parametrize(
    ("recorded", "session", "alternative_to"),
    [
        (f"talk/other/{OLD}/18f3a", "talk", OLD),
        (f"work/other/ideas/other/{OLD}/18f3a", "work/other/ideas", OLD),
        ("work/other/ideas", "work/other/ideas", None),
        ("work/other/abc/def", "work/other/abc/def", None),
        (f"talk/other/{OLD}/", f"talk/other/{OLD}/", None),
        ("talk", "talk", None),
        (None, None, None),
    ],
)
def test_alternative_answers_of_an_older_orch_get_their_column(
    tmp_path: Path, recorded: str | None, session: str | None, alternative_to: str | None
) -> None:
    path = tmp_path / "journal.sqlite3"
    dump = Path(__file__).parent / "schemas" / "journal-5.sql"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8") + "PRAGMA user_version=5;")
        connection.execute("UPDATE runs SET session = ?", (recorded,))
        connection.commit()
    (row,) = Journal(path, Redactor({})).history.runs()
    assert (row["session"], row["alternative_to"]) == (session, alternative_to)
    assert len(MIGRATIONS) >= 6
