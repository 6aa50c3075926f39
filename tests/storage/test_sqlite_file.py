"""SQLite files: migrations, newer versions, quarantine by one process at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from orch.errors import JournalError
from orch.storage.sqlite_file import SQLiteConnection, SQLiteFile, schema_version, transaction

TABLE = ("CREATE TABLE rows (n INTEGER);",)


def opened(path: Path, migrations: Sequence[str] = TABLE) -> closing[SQLiteConnection]:
    return closing(SQLiteFile(path, migrations, "the file", keeps_copies=False).connect())


def test_migrations_are_applied_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite3"
    more = (*TABLE, "ALTER TABLE rows ADD COLUMN name TEXT;\nUPDATE rows SET name = n;")
    with opened(path) as connection:
        connection.execute("INSERT INTO rows VALUES (1)")
    for _ in range(2):
        with opened(path, more) as connection:
            assert schema_version(connection) == 2
            assert connection.execute("SELECT * FROM rows").fetchall() == [(1, "1")]


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite3"
    with opened(path, (*TABLE, "CREATE TABLE new (n);")):
        pass
    with pytest.raises(JournalError, match="schema version 2"):
        opened(path)


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "rows.sqlite3") as connection:

        def insert_two() -> None:
            with transaction(connection):
                connection.execute("INSERT INTO rows VALUES (1)")
                connection.execute("INSERT INTO nothing VALUES (1)")

        with pytest.raises(sqlite3.Error):
            insert_two()
        assert connection.execute("SELECT count(*) FROM rows").fetchone() == (0,)


def test_of_several_threads_that_find_a_corrupt_file_one_quarantines_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite3"
    path.write_bytes(b"this is not a database" * 100)
    files = [SQLiteFile(path, TABLE, "the file", keeps_copies=False) for _ in range(4)]

    def insert(file: SQLiteFile) -> None:
        with closing(file.connect()) as connection:
            connection.execute("INSERT INTO rows VALUES (1)")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(insert, files))
    with closing(files[0].connect()) as connection:
        assert connection.execute("SELECT count(*) FROM rows").fetchone() == (4,)
    assert len(list(tmp_path.glob("rows.corrupt-*"))) == 1
    assert sum(bool(file.warnings) for file in files) == 1
    assert (tmp_path / "rows.lock").stat().st_mode & 0o777 == 0o600
