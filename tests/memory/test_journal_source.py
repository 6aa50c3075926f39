"""Remembered rows of a journal: read in order, by id and by session; notes are added redacted, and
forgotten rows leave the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orch.memory.journal_source import JournalSource
from orch.memory.store import Filter
from orch.storage.journal import Journal
from orch.text.redact import Redactor


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3", Redactor({}))) as journal:
        yield journal


@pytest.fixture
def source(journal: Journal) -> JournalSource:
    """Seven notes: five of one session, one of another, one of none."""
    source = JournalSource(journal.database, Redactor({}))
    sessions = ["s", "s", "s", "t", "s", "s", None]
    source.add(
        [
            {"run_id": f"r{number}", "task": f"note {number}", "session": session, "at": number}
            for number, session in enumerate(sessions)
        ]
    )
    return source


def test_rows_are_read_in_order_and_counted_after_a_position(source: JournalSource) -> None:
    first, second = source.after(0, 2)
    assert (first.run_id, second.run_id, first.is_note) == ("r0", "r1", True)
    assert [row.run_id for row in source.after(second.seq, 9)] == ["r2", "r3", "r4", "r5", "r6"]
    assert (source.count(), source.count(second.seq)) == (7, 5)
    assert [row.run_id for row in source.everything(second.seq)][:2] == ["r2", "r3"]


def test_only_answered_runs_and_notes_that_may_be_remembered_are_rows(
    journal: Journal, source: JournalSource
) -> None:
    with journal.database.connection() as connection:
        connection.execute("UPDATE runs SET remember = 0 WHERE run_id = 'r0'")
        connection.execute("UPDATE runs SET status = 'failed' WHERE run_id = 'r1'")
        connection.execute("UPDATE runs SET task = NULL WHERE run_id = 'r2'")
    assert {*source.by_ids([f"r{number}" for number in range(9)])} == {"r3", "r4", "r5", "r6"}


def test_neighbours_are_of_the_same_session_with_their_distance(source: JournalSource) -> None:
    assert source.neighbours(["r4", "r3", "r6"], 2) == {
        "r4": [("r2", -1), ("r1", -2), ("r5", 1)],
        "r3": [],
        "r6": [],
    }


def test_a_prefix_finds_at_most_two_rows_newest_first(source: JournalSource) -> None:
    assert [row.run_id for row in source.find("r")] == ["r6", "r5"]
    assert [row.run_id for row in source.find("r3")] == ["r3"]
    assert source.find("%") == []


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (Filter(), ["r6", "r5", "r4"]),
        (Filter(session="t"), ["r3"]),
        (Filter(since=5.0), ["r6", "r5"]),
        (Filter(before=2.0), ["r1", "r0"]),
        (Filter(model="none"), []),
    ],
    ids=str,
)
def test_the_newest_rows_pass_the_filter(
    source: JournalSource, where: Filter, ids: list[str]
) -> None:
    assert [row.run_id for row in source.newest(3, where)] == ids


def test_a_note_is_added_once_and_its_secrets_are_redacted(journal: Journal) -> None:
    source = JournalSource(journal.database, Redactor({"KEY": "swordfish-1234"}))
    note = {"run_id": "n", "task": "the key is swordfish-1234"}
    assert (source.add([note]), source.add([note])) == (1, 0)
    row = source.by_ids(["n"])["n"]
    assert ("swordfish" in row.task, row.redacted) == (False, True)


def test_what_is_forgotten_is_listed_and_leaves_the_files(
    source: JournalSource, tmp_path: Path
) -> None:
    source.add([{"run_id": "x", "task": "the word xylophonist"}])
    assert source.last_forgotten() == 0
    assert source.forget(["x", "r0"])
    assert {run_id for _, run_id in source.forgotten(0)} == {"x", "r0"}
    assert source.last_forgotten() == source.forgotten(0)[-1][0]
    assert source.forgotten(source.last_forgotten()) == []
    assert not [path for path in tmp_path.glob("journal*") if b"xylophonist" in path.read_bytes()]


def test_rows_are_chosen_by_filter_or_by_id_with_their_repetitions_from_the_cache(
    journal: Journal, source: JournalSource
) -> None:
    source.add(
        [{"run_id": name, "task": "q", "answer": "a", "status": "ok"} for name in ("one", "two")]
    )
    with journal.database.connection() as connection:
        connection.execute("UPDATE runs SET source = 'cache' WHERE run_id = 'two'")
    assert {*source.chosen(Filter(), ["one"])} == {"one", "two"}
    assert source.chosen(Filter(), ["two"]) == ["two"]
    assert source.chosen(Filter(session="t")) == ["r3"]


def test_copies_beside_the_journal_forget_too_and_unreadable_ones_are_returned(
    source: JournalSource, tmp_path: Path
) -> None:
    copy, rubbish = (tmp_path / f"journal.schema-{n}.sqlite3" for n in (1, 2))
    with (
        closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as original,
        closing(sqlite3.connect(copy)) as target,
    ):
        original.backup(target)
    rubbish.write_bytes(b"not a database" * 100)
    assert source.forget_in_copies(Filter(session="s"), ()) == [rubbish]
    with closing(sqlite3.connect(copy)) as target:
        rows = target.execute("SELECT run_id FROM runs ORDER BY seq").fetchall()
    assert rows == [("r3",), ("r6",)]
    assert source.count() == 7
