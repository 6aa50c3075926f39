"""Reads of recorded runs: lists, filters, details, conversations with alternative answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.storage.history import Conversation, History, is_turn
from orch.storage.journal import Journal, RunRecord
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
        RUN._replace(run_id="a"),
        RUN._replace(run_id="b", status="failed", task_type="coding", attempts=two),
        RUN._replace(run_id="c", source="cache", model="m2", task="is it 100% sure?"),
    )
    page = history.page(limit=10, **filters)  # type: ignore[arg-type]
    assert ([row["run_id"] for row in page.rows], page.total) == (ids, len(ids))
    assert page.models == ["m", "m2"]


def test_a_page_is_cut_at_its_limit_and_counts_all(journal: Journal) -> None:
    history = write(journal, *(RUN._replace(run_id=f"run {n}") for n in range(5)))
    page = history.page(limit=2, offset=2)
    assert ([row["run_id"] for row in page.rows], page.total) == (["run 2", "run 1"], 5)


def test_notes_of_the_memory_are_not_runs(journal: Journal) -> None:
    history = write(journal, RUN, RUN._replace(run_id="note", face="memory", status="note"))
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
    history = write(journal, RUN._replace(run_id="b1"), RUN._replace(run_id="b2"))
    assert history.detail(name) is None


# ---------------------------------------------------------------- conversations


def test_a_conversation_without_runs_has_no_turns(journal: Journal) -> None:
    assert journal.history.conversation("empty", 10) == Conversation([], {}, False)


def test_a_conversation_whose_name_contains_other_is_listed(journal: Journal) -> None:
    history = write(journal, RUN._replace(session="work/other/ideas"))
    assert [each.name for each in history.conversations(9)] == ["work/other/ideas"]
    assert tasks(history.conversation("work/other/ideas", 9)) == [("A lock.", [])]


def test_an_alternative_answer_stands_beside_its_turn_and_is_not_a_turn(journal: Journal) -> None:
    history = write(
        journal,
        RUN._replace(run_id="1", session="talk"),
        RUN._replace(run_id="2", session="talk", alternative_to="1", answer="A key."),
        RUN._replace(run_id="3", session="talk", task="and then?", answer="It opens."),
    )
    assert tasks(history.conversation("talk", 9)) == [("A lock.", ["A key."]), ("It opens.", [])]
    assert [row["answer"] for row in history.turns("talk", 9)] == ["It opens.", "A lock."]
    assert [(each.name, each.turns) for each in history.conversations(9)] == [("talk", 2)]
    assert [is_turn(row) for row in history.runs()] == [True, False, True]


@pytest.mark.parametrize("face", ["openai", "anthropic", "ollama"])
def test_conversations_of_other_programs_are_not_the_persons_own(
    journal: Journal, face: str
) -> None:
    history = write(
        journal,
        RUN._replace(run_id="1", session="talk"),
        RUN._replace(run_id="2", session="api-1", face=face),
        RUN._replace(run_id="3", face=face),
    )
    assert [each.name for each in history.conversations(9)] == ["talk"]
    assert journal.latest_session() == "talk"


def test_a_clients_chore_is_a_run_and_no_turn_of_its_session(journal: Journal) -> None:
    history = write(
        journal,
        RUN._replace(run_id="1", session="talk"),
        RUN._replace(run_id="2", session="talk", chore="title", task="Title it", model="m2"),
        RUN._replace(run_id="3", session="other", chore="tags", task="Tag it"),
    )
    assert tasks(history.conversation("talk", 9)) == [("A lock.", [])]
    assert [row["answer"] for row in history.turns("talk", 9)] == ["A lock."]
    assert [(each.name, each.turns) for each in history.conversations(9)] == [("talk", 1)]
    assert [is_turn(row) for row in history.runs()] == [False, False, True]
    assert (journal.latest_session(), history.chores()) == ("talk", {"tags": 1, "title": 1})
    assert (history.last_routed_turn("talk") or {})["model"] == "m"
    assert [row["chore"] for row in history.page(limit=9).rows] == ["tags", "title", None]
    assert (history.find_run("last") or {})["run_id"] == "1"


@pytest.mark.parametrize("face", ["openai", "anthropic", "ollama"])
def test_a_session_that_another_program_named_alike_adds_nothing_to_the_persons_own(
    journal: Journal, face: str
) -> None:
    own = RUN._replace(run_id="1", session="talk", task="mine", model="m", provider="p")
    other = RUN._replace(run_id="2", session="talk", task="theirs", face=face, model="n")
    history = write(journal, own, other)
    assert [row["task"] for row in history.turns("talk", 9)] == ["mine"]
    assert (history.last_routed_turn("talk") or {})["model"] == "m"


def test_continuing_the_last_conversation_skips_alternative_answers(journal: Journal) -> None:
    write(
        journal,
        RUN._replace(run_id="1", session="talk"),
        RUN._replace(run_id="2", session="talk", alternative_to="1", model="m2"),
    )
    assert journal.latest_session() == "talk"
    assert (journal.history.last_routed_turn("talk") or {})["model"] == "m"


def test_a_conversation_shows_its_last_turns_and_says_that_there_are_more(journal: Journal) -> None:
    history = write(
        journal,
        *(
            RUN._replace(run_id=str(n), session="talk", task=str(n), answer=str(n))
            for n in range(5)
        ),
    )
    shown = history.conversation("talk", 2)
    assert (tasks(shown), shown.has_more) == ([("3", []), ("4", [])], True)


def test_a_failed_turn_that_was_asked_again_is_left_out(journal: Journal) -> None:
    history = write(
        journal,
        RUN._replace(run_id="1", session="talk", status="failed", answer=""),
        RUN._replace(run_id="2", session="talk"),
        RUN._replace(run_id="3", session="talk", status="failed", answer="", task="next"),
    )
    assert [row["run_id"] for row in history.conversation("talk", 9).turns] == ["2", "3"]


# ---------------------------------------------------------------- since when, and how many


def test_runs_and_attempts_since_a_time_leave_out_earlier_ones(journal: Journal) -> None:
    def run(number: int) -> RunRecord:
        attempts = (Attempt(f"m{number}", "p", "ok"),)
        return RUN._replace(run_id=f"run {number}", at=float(number), attempts=attempts)

    history = write(journal, *map(run, range(4)))
    assert [row["run_id"] for row in history.runs(since=2.0)] == ["run 3", "run 2"]
    assert [row["run_id"] for row in history.runs(limit=1)] == ["run 3"]
    assert [row["run_id"] for row in history.runs()] == ["run 3", "run 2", "run 1", "run 0"]
    assert [row["model"] for row in history.attempts(since=3.0)] == ["m3"]
    assert [row["model"] for row in history.attempts()] == ["m0", "m1", "m2", "m3"]
    assert len(history.outcomes(since=1.0)) == 3
    assert len(history.outcomes()) == history.count() == 4


def test_a_list_has_the_beginning_of_a_task(journal: Journal) -> None:
    history = write(journal, RUN._replace(task="x" * 999))
    assert [row["task"] for row in history.page(limit=1).rows] == ["x" * 200]


def test_answers_of_the_cache_are_counted_since_a_time(journal: Journal) -> None:
    history = write(
        journal,
        *(RUN._replace(run_id=str(n), at=float(n), source="cache") for n in range(3)),
        RUN._replace(run_id="model", at=9.0),
    )
    assert (history.count_since(1.0), history.count_since(10.0)) == ((3, 2), (0, 0))


def test_a_conversation_that_is_shown_whole_has_no_more(journal: Journal) -> None:
    history = write(journal, *(RUN._replace(run_id=str(n), session="talk") for n in range(2)))
    assert not history.conversation("talk", 2).has_more


def test_a_file_that_can_not_be_read_gives_empty_results(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").mkdir()
    history = Journal(tmp_path / "journal.sqlite3", Redactor({})).history
    assert history.page(limit=9) == ([], 0, [])
    assert (history.count_since(0.0), history.find_run("last"), history.turns("x", 9)) == (
        (0, 0),
        None,
        [],
    )
    assert history.database.warnings


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        ("ok", "", True),
        ("interrupted", "", True),
        ("failed", "text", True),
        ("failed", "", False),
        ("note", "text", False),
    ],
)
def test_a_turn_is_a_run_that_gave_text_or_was_not_a_failure(
    journal: Journal, status: str, answer: str, expected: bool
) -> None:
    history = write(journal, RUN._replace(session="talk", status=status, answer=answer))
    assert [is_turn(row) for row in history.runs()] == [expected]
    assert bool(history.turns("talk", 9)) == expected
