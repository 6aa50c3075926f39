"""The order of what was found: words and meaning both count, neighbours and sessions help, and
nothing that was found gets lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.memory.fusion import SECONDS_A_DAY, Fusion, RowContext, asks_for_latest, fuse

ROWS = st.sampled_from("abcdefgh")
LEXICAL = st.dictionaries(ROWS, st.floats(0, 60))
DENSE = st.dictionaries(ROWS, st.floats(-1, 1))
NEAR = st.dictionaries(ROWS, st.lists(st.tuples(ROWS, st.integers(-3, 3)), max_size=4))
PLACES = st.dictionaries(
    ROWS,
    st.builds(
        RowContext,
        st.none() | st.sampled_from("st"),
        st.sampled_from(["", "Ana"]),
        st.floats(0, 2e9),
    ),
)


def scores(
    question: str = "",
    lexical: dict[str, float] | None = None,
    dense: dict[str, float] | None = None,
    near: dict[str, list[tuple[str, int]]] | None = None,
    places: dict[str, RowContext] | None = None,
) -> dict[str, float]:
    """What each row gets."""
    return dict(fuse(question, lexical or {}, dense or {}, near or {}, places or {}))


@given(LEXICAL, DENSE, NEAR, PLACES)
def test_every_hit_is_ranked_once_and_the_best_comes_first(
    lexical: dict[str, float],
    dense: dict[str, float],
    near: dict[str, list[tuple[str, int]]],
    places: dict[str, RowContext],
) -> None:
    ranked = fuse("what did Ana say lately", lexical, dense, near, places)
    rows = [row for row, _ in ranked]
    assert len(rows) == len(set(rows))
    assert {*lexical, *dense} <= set(rows)
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)


@given(LEXICAL, DENSE, ROWS)
def test_a_better_match_by_words_never_scores_less(
    lexical: dict[str, float], dense: dict[str, float], row: str
) -> None:
    better = {**lexical, row: lexical.get(row, 0.0) + 1}
    assert scores(lexical=better, dense=dense)[row] > scores(lexical=lexical, dense=dense).get(
        row, 0.0
    )


@given(DENSE, st.sampled_from([0.25, 0.5]), st.sampled_from([-0.5, 0.0, 0.25]))
def test_the_scale_of_an_embedders_cosines_does_not_matter(
    dense: dict[str, float], scale: float, shift: float
) -> None:
    tenths = {row: round(cosine, 1) for row, cosine in dense.items()}
    moved = {row: cosine * scale + shift for row, cosine in tenths.items()}
    assert scores(dense=moved) == pytest.approx(scores(dense=tenths), abs=1e-6)


def test_meaning_decides_between_equal_words_and_alone_where_no_word_is_found() -> None:
    dense = {"a": 0.80, "b": 0.90, "c": 0.85}
    assert [row for row, _ in fuse("", {"a": 5.0, "b": 5.0}, dense, {}, {})] == ["b", "a", "c"]
    assert [row for row, _ in fuse("", {}, dense, {}, {})] == ["b", "c", "a"]


def test_rows_around_a_hit_come_in_without_having_been_found() -> None:
    got = scores(lexical={"hit": 10.0}, near={"hit": [("before", -1), ("second", 2), ("third", 3)]})
    assert got["hit"] > got["before"] > got["second"] > 0
    assert "third" not in got


def test_a_row_between_two_hits_gets_from_both() -> None:
    both = scores(
        lexical={"a": 10.0, "b": 8.0}, near={"a": [("between", 1)], "b": [("between", -1)]}
    )
    assert both["between"] == pytest.approx(18 * Fusion().near[0])


def test_a_good_hit_lifts_its_session() -> None:
    places = {"best": RowContext("s"), "same": RowContext("s"), "other": RowContext("t")}
    got = scores(lexical={"best": 20.0, "same": 5.0, "other": 5.0}, places=places)
    assert got["best"] > got["same"] > got["other"]


def test_a_row_without_a_session_is_one_of_its_own() -> None:
    got = scores(
        lexical={"alone": 9.0, "talk": 9.0}, places={"alone": RowContext(), "talk": RowContext("s")}
    )
    assert got["alone"] == got["talk"]


def test_what_somebody_said_comes_first_where_the_question_names_them() -> None:
    places = {"a": RowContext(speaker="Inés"), "b": RowContext(speaker="Tom")}
    got = {
        question: scores(question, {"a": 5.0, "b": 5.0}, places=places)
        for question in ("What did ines cook?", "Tom's car", "Who drove?")
    }
    assert [score["a"] > score["b"] for score in got.values()] == [True, False, False]
    assert got["Who drove?"]["a"] == got["Who drove?"]["b"]


@pytest.mark.parametrize(
    "question",
    [
        "What was my latest idea?",
        "¿Cuál fue mi última idea?",
        "what did I do yesterday",
        "¿Qué hice ayer?",
    ],
)
def test_a_question_for_the_latest_prefers_new_rows(question: str) -> None:
    places = {"old": RowContext(at=0.0), "new": RowContext(at=90.0 * SECONDS_A_DAY)}
    got = scores(question, {"old": 5.0, "new": 5.0}, places=places)
    assert got["new"] > got["old"]


def test_time_does_not_count_where_the_question_does_not_ask_for_it() -> None:
    assert not asks_for_latest("When did Ana go camping?")
    got = scores(
        "When did Ana go camping?",
        {"old": 5.0, "new": 5.0},
        places={"old": RowContext(at=0.0), "new": RowContext(at=1e9)},
    )
    assert got["new"] == got["old"]


def test_nothing_found_is_nothing_ranked() -> None:
    assert fuse("anything", {}, {}, {}, {}) == []
