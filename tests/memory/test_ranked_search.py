"""Searching by words and vectors: each row counts by its best chunk, neighbours come in, and pass
the filter too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orch.memory.edge_store import EdgeStore
from orch.memory.journal_source import JournalSource
from orch.memory.ranked_search import search_rows
from orch.memory.row_chunks import chunks_of, to_point
from orch.memory.store import Filter
from orch.storage.journal import Journal
from orch.text.redact import Redactor

ROWS = [
    {"run_id": "name", "task": "the staging server is called nemo", "session": "s", "at": 10},
    {"run_id": "place", "task": "it stands in Helsinki", "session": "s", "at": 11},
    {"run_id": "meal", "task": "lunch was a soup of carrots", "session": "t", "at": 12},
    {"run_id": "alike", "task": "an unrelated sentence", "at": 13},
]
EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[JournalSource]:
    with closing(Journal(tmp_path / "journal.sqlite3", Redactor({}))) as journal:
        source = JournalSource(journal.database, Redactor({}))
        source.add(ROWS)
        yield source


@pytest.fixture
def store(source: JournalSource, tmp_path: Path) -> Iterator[EdgeStore]:
    """All rows; only `alike` points north."""
    with closing(EdgeStore(tmp_path / "stores", "index", 2)) as store:
        store.open()
        for row in source.everything():
            dense = NORTH if row.run_id == "alike" else EAST
            store.upsert([to_point(chunk, dense) for chunk in chunks_of(row)])
        yield store


def ids(
    store: EdgeStore,
    source: JournalSource,
    question: str,
    vector: list[float] | None = None,
    limit: int = 9,
    where: Filter = Filter(),
) -> list[str]:
    rows = search_rows(store, source, question, vector, limit, where)
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
    return [row.row.run_id for row in rows]


def test_words_alone_find_a_row_and_its_neighbour(store: EdgeStore, source: JournalSource) -> None:
    assert ids(store, source, "nemo") == ["name", "place"]


def test_a_vector_finds_what_no_word_does(store: EdgeStore, source: JournalSource) -> None:
    assert ids(store, source, "nothing like it", NORTH)[0] == "alike"
    assert ids(store, source, "nothing like it") == []


def test_no_more_rows_than_the_limit_are_returned(store: EdgeStore, source: JournalSource) -> None:
    assert ids(store, source, "nemo", EAST, limit=1) == ["name"]


def test_an_empty_question_finds_nothing(store: EdgeStore, source: JournalSource) -> None:
    assert ids(store, source, "", EAST) == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(before=11.0), ["name"]),
        (Filter(since=11.0), []),
        (Filter(session="t"), []),
        (Filter(session="s"), ["name", "place"]),
    ],
    ids=str,
)
def test_neighbours_pass_the_filter_as_well(
    store: EdgeStore, source: JournalSource, where: Filter, expected: list[str]
) -> None:
    assert ids(store, source, "nemo", where=where) == expected


def test_a_row_that_the_journal_no_longer_has_is_left_out(
    store: EdgeStore, source: JournalSource
) -> None:
    source.forget(["name"])
    assert "name" not in ids(store, source, "nemo Helsinki")
