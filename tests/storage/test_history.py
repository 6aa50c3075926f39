"""Reads of recorded runs: lists, filters, details, conversations with alternative answers."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from orch.storage.history import Conversation, History, is_turn
from orch.storage.journal import Journal, RunRecord
from orch.storage.schema import MIGRATIONS
from orch.text.redact import Redactor
from orch.types import Attempt, ModelKey

RUN = RunRecord(
    run_id="a" * 18,
    at=1.7e9,
    face="cli",
    status="ok",
    task="What is a mutex?",
    system=None,
    messages=[],
    answer="A lock.",
    task_type="simple",
    confidence=0.9,
    decision=None,
    attempts=(Attempt("m", "p", "ok"),),
    model="m",
    provider="p",
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite3", Redactor({}))


def write(journal: Journal, *runs: RunRecord) -> History:
    assert journal.record_all(runs)
    return journal.history


def tasks(conversation: Conversation) -> list[tuple[str, list[str]]]:
    """The answer of each turn, and those of its alternatives."""
    return [
        (
            row["answer"],
            [each["answer"] for each in conversation.alternatives.get(row["run_id"], ())],
        )
        for row in conversation.turns
    ]


# ---------------------------------------------------------------- lists and details


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, ["c", "b", "a"]),
        ({"outcome": "failed"}, ["b"]),
        ({"outcome": "cache"}, ["c"]),
        ({"outcome": "fallback"}, ["b"]),
        ({"task_type": "coding"}, ["b"]),
        ({"model": "m2"}, ["c"]),
        ({"text": "100%"}, ["c"]),
        ({"text": "%"}, ["c"]),
        ({"text": "b"}, ["b"]),
    ],
    ids=str,
)
def test_a_page_lists_the_runs_that_match_every_filter(
    journal: Journal, filters: dict[str, str], ids: list[str]
) -> None:
    two = (Attempt("m", "p", "failed", code="cut"), Attempt("m", "p", "failed", code="cut"))
    history = write(
        journal,
        replace(RUN, run_id="a"),
        replace(RUN, run_id="b", status="failed", task_type="coding", attempts=two),
        replace(RUN, run_id="c", source="cache", model="m2", task="is it 100% sure?"),
    )
    page = history.page(limit=10, **filters)  # type: ignore[arg-type]
    assert ([row["run_id"] for row in page.rows], page.total) == (ids, len(ids))
    assert page.models == ["m", "m2"]


def test_a_page_is_cut_at_its_limit_and_counts_all(journal: Journal) -> None:
    history = write(journal, *(replace(RUN, run_id=f"run {n}") for n in range(5)))
    page = history.page(limit=2, offset=2)
    assert ([row["run_id"] for row in page.rows], page.total) == (["run 2", "run 1"], 5)


def test_notes_of_the_memory_are_not_runs(journal: Journal) -> None:
    history = write(journal, RUN, replace(RUN, run_id="note", face="memory", status="note"))
    assert (history.page(limit=9).total, history.count_since(0.0)) == (1, (1, 0))


def test_a_detail_has_everything_that_is_recorded_of_a_run(journal: Journal) -> None:
    history = write(journal, RUN)
    row = history.find_run("last") or {}
    journal.feedback.set_ratings(row, {ModelKey("p", "m"): 1.0}, "word")
    journal.feedback.set_correction(row, "reasoning")
    detail = history.detail("aaa")
    assert detail is not None
    assert (len(detail.attempts), detail.ratings[0]["score"], detail.corrected) == (
        1,
        1.0,
        "reasoning",
    )


@pytest.mark.parametrize("name", ["", "zzz", "b"])
def test_a_name_that_no_run_or_several_have_finds_nothing(journal: Journal, name: str) -> None:
    history = write(journal, replace(RUN, run_id="b1"), replace(RUN, run_id="b2"))
    assert history.detail(name) is None


# ---------------------------------------------------------------- conversations


def test_a_conversation_without_runs_has_no_turns(journal: Journal) -> None:
    assert journal.history.conversation("empty", 10) == Conversation([], {}, False)


def test_a_conversation_whose_name_contains_other_is_listed(journal: Journal) -> None:
    history = write(journal, replace(RUN, session="work/other/ideas"))
    assert [each.name for each in history.conversations(9)] == ["work/other/ideas"]
    assert tasks(history.conversation("work/other/ideas", 9)) == [("A lock.", [])]


def test_an_alternative_answer_stands_beside_its_turn_and_is_not_a_turn(journal: Journal) -> None:
    history = write(
        journal,
        replace(RUN, run_id="1", session="talk"),
        replace(RUN, run_id="2", session="talk", alternative_to="1", answer="A key."),
        replace(RUN, run_id="3", session="talk", task="and then?", answer="It opens."),
    )
    assert tasks(history.conversation("talk", 9)) == [("A lock.", ["A key."]), ("It opens.", [])]
    assert [row["answer"] for row in history.turns("talk", 9)] == ["It opens.", "A lock."]
    assert [(each.name, each.turns) for each in history.conversations(9)] == [("talk", 2)]
    assert [is_turn(row) for row in history.runs()] == [True, False, True]


def test_continuing_the_last_conversation_skips_alternative_answers(journal: Journal) -> None:
    write(
        journal,
        replace(RUN, run_id="1", session="talk"),
        replace(RUN, run_id="2", session="talk", alternative_to="1", model="m2"),
    )
    assert journal.latest_session() == "talk"
    assert (journal.history.last_routed_turn("talk") or {})["model"] == "m"


def test_a_conversation_shows_its_last_turns_and_says_that_there_are_more(journal: Journal) -> None:
    history = write(
        journal,
        *(
            replace(RUN, run_id=str(n), session="talk", task=str(n), answer=str(n))
            for n in range(5)
        ),
    )
    shown = history.conversation("talk", 2)
    assert (tasks(shown), shown.has_more) == ([("3", []), ("4", [])], True)


def test_a_failed_turn_that_was_asked_again_is_left_out(journal: Journal) -> None:
    history = write(
        journal,
        replace(RUN, run_id="1", session="talk", status="failed", answer=""),
        replace(RUN, run_id="2", session="talk"),
        replace(RUN, run_id="3", session="talk", status="failed", answer="", task="next"),
    )
    assert [row["run_id"] for row in history.conversation("talk", 9).turns] == ["2", "3"]


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
