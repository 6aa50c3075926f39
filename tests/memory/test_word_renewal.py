"""Which rows an index of an earlier tokenizer must read once more, and that it reads them once."""

from __future__ import annotations

import pytest

from orch.memory import word_renewal
from orch.memory.bm25 import TOKENIZER
from orch.memory.journal_source import JournalSource
from orch.memory.word_renewal import WordRenewal
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from tests.support.resident_memory import journal

__all__ = ["journal"]
FACT = "words:index"


@pytest.fixture
def source(journal: Journal) -> JournalSource:
    """A journal of ten rows; the third and the seventh are Chinese."""
    source = JournalSource(journal.database, Redactor({}))
    source.add(
        [
            {"run_id": f"r{n}", "task": "会议室" if n in (3, 7) else f"reunión {n}"}
            for n in range(1, 11)
        ]
    )
    return source


def renewed(renewal: WordRenewal, newest: int = 10, size: int = 16) -> list[str]:
    return [row.run_id for rows in renewal.rows(newest, size) for row in rows]


def test_only_rows_whose_words_changed_are_renewed_and_only_once(
    source: JournalSource, journal: Journal
) -> None:
    renewal = WordRenewal(source, journal, "index")
    assert renewed(renewal) == ["r3", "r7"]
    assert journal.fact(FACT) == TOKENIZER
    assert renewed(renewal) == []


def test_rows_that_the_index_has_not_seen_are_left_to_it(
    source: JournalSource, journal: Journal
) -> None:
    assert renewed(WordRenewal(source, journal, "index"), newest=5) == ["r3"]


def test_a_row_that_was_not_written_comes_again(source: JournalSource, journal: Journal) -> None:
    begun = WordRenewal(source, journal, "index").rows(10, 1)
    assert [row.run_id for row in next(begun)] == ["r3"]
    assert [row.run_id for row in next(begun)] == ["r7"]
    begun.close()
    assert renewed(WordRenewal(source, journal, "index"), newest=99) == ["r7"]


def test_a_long_search_for_rows_pauses(
    source: JournalSource, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_renewal, "SCANNED", 2)
    assert [len(rows) for rows in WordRenewal(source, journal, "index").rows(10, 16)] == [
        *(0, 1, 0, 0, 1, 0, 0)
    ]


def test_an_index_of_another_version_is_renewed_from_its_first_row(
    source: JournalSource, journal: Journal
) -> None:
    journal.set_fact(FACT, "0:9:9")
    assert renewed(WordRenewal(source, journal, "index")) == ["r3", "r7"]
