"""Databases: only SQLite opens the files, threads borrow their own connections, and files that are
moved away or locked lose nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from orch.errors import JournalError
from orch.storage.database import Database, database_at
from orch.storage.sqlite_file import transaction

TABLE = ("CREATE TABLE rows (n INTEGER);",)
OPENED: list[str] | None = None


def _record_opening(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED is not None and isinstance(arguments[0], (str, os.PathLike)):
        OPENED.append(str(arguments[0]))


sys.addaudithook(_record_opening)


@contextlib.contextmanager
def recording_opened_files() -> Iterator[list[str]]:
    """Collects the names of all files that Python opens meanwhile, without those of SQLite."""
    global OPENED
    opened = OPENED = []
    try:
        yield opened
    finally:
        OPENED = None


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    new = database_at(tmp_path / "folder" / "rows.sqlite3", TABLE, "the file")
    yield new
    new.close()


def add(database: Database, n: int) -> bool:
    """Inserts a row; returns whether it was written."""

    def write(connection: sqlite3.Connection) -> bool:
        with transaction(connection):
            connection.execute("INSERT INTO rows VALUES (?)", (n,))
        return True

    return database.run_or_default(write, False)


def numbers(database: Database) -> list[int]:
    """All rows."""
    return [row["n"] for row in database.rows("SELECT n FROM rows ORDER BY n")]


def test_an_existing_file_is_opened_by_sqlite_alone(database: Database) -> None:
    add(database, 1)
    database.close()
    with recording_opened_files() as opened:
        other = Database(database.path, TABLE, "the file")
        assert [add(database, 2), add(other, 3)] == [True, True]
        other.close()
    assert opened == []


def test_a_lock_survives_closing_a_second_database_of_the_same_process(
    database: Database,
) -> None:
    other = Database(database.path, TABLE, "the file")
    with database.connection() as connection, transaction(connection):
        other.open()
        other.close()
        locked = (
            "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN"
            " IMMEDIATE')"
        )
        assert (
            os.spawnv(
                os.P_WAIT, sys.executable, [sys.executable, "-c", f"{locked}", str(database.path)]
            )
            == 1
        )


def test_a_process_has_one_database_for_a_path(database: Database) -> None:
    assert database_at(database.path, TABLE, "the file") is database
    assert database_at(database.path.with_name("other.sqlite3"), TABLE, "the file") is not database


def test_new_files_of_sqlite_are_private(
    database: Database,
) -> None:
    before = os.umask(0)
    try:
        with database.connection():
            assert {path.stat().st_mode & 0o777 for path in database.path.parent.iterdir()} == {
                0o600
            }
    finally:
        os.umask(before)


def test_a_file_that_others_could_read_is_made_private(database: Database) -> None:
    database.open()
    database.close()
    database.path.chmod(0o644)
    database.open()
    assert database.path.stat().st_mode & 0o777 == 0o600


def test_a_thread_reads_while_another_holds_a_transaction(database: Database) -> None:
    add(database, 1)
    with database.connection() as connection, transaction(connection):
        connection.execute("INSERT INTO rows VALUES (2)")
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.extend(numbers(database)))
        thread.start()
        thread.join(10)
        assert seen == [1]


def test_a_file_that_was_moved_away_is_not_written_any_more(
    database: Database, tmp_path: Path
) -> None:
    add(database, 1)
    os.replace(database.path, tmp_path / "moved")
    assert add(database, 2)
    assert numbers(database) == [2]
    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("SELECT n FROM rows").fetchall() == [(2,)]


def test_an_open_transaction_is_rolled_back_when_its_connection_is_given_back(
    database: Database,
) -> None:
    with database.connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows VALUES (1)")
    assert (numbers(database), add(database, 2)) == ([], True)


def fork() -> int:
    """As os.fork, without Python 3.12's warning of threads, which this process has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def test_a_forked_process_opens_its_own_connections(database: Database) -> None:
    add(database, 1)
    with database.connection() as mine:
        pass
    child = fork()
    if child == 0:
        with database.connection() as theirs:
            os._exit(int(theirs is mine or not add(database, 2)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert numbers(database) == [1, 2]


def test_a_file_with_damage_in_the_middle_is_quarantined(database: Database) -> None:
    database.run(
        lambda c: c.executescript(
            "BEGIN; "
            + "INSERT INTO rows VALUES (7);" * 5_000
            + "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"
        )
    )
    database.close()
    with database.path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * (database.path.stat().st_size - 4096))
    assert database.run(lambda c: c.execute("SELECT count(*) FROM rows").fetchone()) == (0,)
    assert "was corrupt" in database.warnings[0]


def test_a_pipe_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    database = Database(tmp_path / "pipe", TABLE, "the file")
    with pytest.raises(JournalError, match="not a file"):
        database.open()


def test_only_the_warnings_of_failed_queries_are_cleared(
    database: Database,
) -> None:
    database.run_or_default(lambda c: c.execute("SELECT * FROM nothing"), None)
    database.file.add_warning("it was corrupt")
    assert len(database.warnings) == 2
    database.clear_warnings()
    assert database.warnings == ["it was corrupt"]


def used_connection(database: Database) -> sqlite3.Connection:
    """A connection that a database keeps for its next use."""
    with database.connection() as connection:
        return connection


def test_a_database_that_nobody_closed_closes_its_connections_when_it_is_collected(
    tmp_path: Path,
) -> None:
    connection = used_connection(Database(tmp_path / "rows.sqlite3", TABLE, "the file"))
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_database_that_was_closed_and_used_again_closes_those_connections_too(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "rows.sqlite3", TABLE, "the file")
    used_connection(database)
    database.close()
    connection = used_connection(database)
    del database
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_forked_process_leaves_the_connections_of_its_parent_open(tmp_path: Path) -> None:
    database = Database(tmp_path / "rows.sqlite3", TABLE, "the file")
    connection = used_connection(database)
    child = fork()
    if child == 0:
        del database
        gc.collect()
        with contextlib.suppress(sqlite3.ProgrammingError):
            connection.execute("SELECT 1")
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    database.close()


def test_a_database_that_nobody_closed_closes_its_connections_at_exit(tmp_path: Path) -> None:
    script = f"""
import atexit, sqlite3
from pathlib import Path
from orch.storage.database import Database

@atexit.register  # runs after what is registered later
def look():
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError as error:
        print(error)

database = Database(Path({str(tmp_path / "rows.sqlite3")!r}), {TABLE}, "the file")
with database.connection() as connection:
    pass
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True)
    assert (done.stdout, done.stderr) == (b"Cannot operate on a closed database.\n", b"")


def test_what_is_written_last_at_exit_is_written(tmp_path: Path) -> None:
    script = f"""
import atexit
from pathlib import Path
from orch.storage.database import Database

@atexit.register  # runs after what is registered later, such as what closes the connections
def last():
    database.run(lambda connection: connection.execute("INSERT INTO rows VALUES (1)"))
    database.close()

database = Database(Path({str(tmp_path / "rows.sqlite3")!r}), {TABLE}, "the file")
database.open()
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert numbers(database_at(tmp_path / "rows.sqlite3", TABLE, "the file")) == [1]
