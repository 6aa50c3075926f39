"""Several choices that nobody asked for: the first is the answer, in any interleaving; an index
that counts events is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import ProviderError
from orch.providers.streams.answer import StreamedAnswer
from orch.providers.streams.choices import MOST_HELD, ChoiceFilter
from orch.providers.streams.normalize import NormalEvent
from tests.support.untimed import untimed

ORDERS = st.lists(st.integers(0, 2), min_size=3, max_size=60)


def event(index: int, text: str = "", finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One event of a choice."""
    body = {"content": text, **delta}
    return {"choices": [{"index": index, "delta": body, "finish_reason": finish}]}


def answered(events: list[dict[str, Any] | None], size: int = 1) -> str:
    """The text of a whole stream whose events came `size` at a time."""
    answer, text = StreamedAnswer(), ""
    for at in range(0, len(events), size):
        text += "".join(delta.content for delta in answer.add_all(events[at : at + size]))
    return text + answer.last().content


@untimed
@given(ORDERS, st.booleans(), st.booleans(), st.integers(1, 9))
def test_the_first_of_interleaved_choices_is_the_answer(
    order: list[int], has_roles: bool, ends_at_once: bool, size: int
) -> None:
    """Each choice comes in pieces and has an end of its own."""
    first, indexes = order[0], sorted(set(order), key=order.index)
    events = [event(index, role="assistant") for index in indexes] if has_roles else []
    last = {index: at for at, index in enumerate(order)}
    for at, index in enumerate(order):
        is_end = ends_at_once and last[index] == at
        events.append(event(index, f"{index}{at} ", "stop" if is_end else None))
    if not ends_at_once:
        events += [event(index, finish="stop") for index in indexes]
    expected = "".join(f"{first}{at} " for at, index in enumerate(order) if index == first)
    assert answered([*events, None], size) == expected


@untimed
@given(st.integers(0, 3), st.integers(1, 40), st.booleans(), st.booleans(), st.booleans())
def test_an_index_that_counts_is_no_choice(
    first: int, count: int, has_role: bool, ends_at_once: bool, is_told: bool
) -> None:
    indexes = range(first, first + count)
    events = [event(first, role="assistant")] if has_role else []
    events += [event(index, f"{index} ") for index in indexes]
    if ends_at_once:
        events[-1] = event(indexes[-1], f"{indexes[-1]} ", "stop")
    else:
        events.append(event(indexes[-1] + 1, finish="stop"))
    end = [None] if is_told else []
    assert answered([*events, *end]) == "".join(f"{index} " for index in indexes)


def test_the_end_of_a_counting_index_may_have_any_index() -> None:
    assert answered([event(1, "a"), event(2, "b"), event(0, finish="stop"), None]) == "ab"
    assert answered([event(0, "a"), event(1, "b"), event(1, finish="stop"), event(0)]) == "ab"


def test_choices_one_after_the_other_are_told_apart() -> None:
    one = [event(0, "a"), event(0, "b", "stop")]
    two = [event(1, "x"), event(1, "y", "stop")]
    assert answered([*one, *two, None]) == "ab"
    late = [event(0, finish="stop"), event(1, finish="stop")]
    assert answered([event(0, "ab"), event(1, "x"), event(1, "y"), *late]) == "ab"


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_first_of_several_choices_in_one_event_is_the_one_with_the_lowest_index(
    order: list[int],
) -> None:
    choices = [event(index, "ax"[index])["choices"][0] for index in order]
    assert answered([{"choices": choices}, event(0, "b", "stop")]) == "ab"


def test_no_more_events_are_held_than_the_bound() -> None:
    answer = StreamedAnswer()
    texts = [
        "".join(delta.content for delta in answer.add_all([event(index, "a")]))
        for index in range(MOST_HELD + 2)
    ]
    assert texts == ["a", *[""] * (MOST_HELD - 1), "a" * MOST_HELD, "a"]


def test_a_choice_that_runs_on_alone_is_another_one() -> None:
    runs_on = [event(1, "x") for _ in range(MOST_HELD)]
    assert answered([event(0, "a"), *runs_on, event(0, "b", "stop")]) == "ab"


def test_held_text_is_progress_and_its_end_an_end() -> None:
    answer = StreamedAnswer()
    answer.add_all([event(0, "a")])
    before = answer.progress
    answer.add_all([event(1, "b"), event(2, finish="stop")])
    assert answer.progress > before
    assert (answer.is_finished, answer.is_settled) == (True, True)
    assert answer.last().content == "b"


def test_held_text_without_an_end_is_cut() -> None:
    answer = StreamedAnswer()
    answer.add_all([event(0, "a"), event(1, "b")])
    with pytest.raises(ProviderError) as caught:
        answer.last()
    assert caught.value.code == "cut"


def test_the_usage_counts_whichever_choice_brings_it() -> None:
    answer = StreamedAnswer()
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    ends = [event(0, finish="stop"), {**event(1, finish="stop"), "usage": usage}]
    answer.add_all([event(0, "a"), event(1, "x"), event(0, "b"), *ends])
    completion = answer.last().completion
    assert completion is not None
    assert (completion.prompt_tokens, completion.completion_tokens) == (5, 2)


def test_an_event_without_choices_is_never_held() -> None:
    held = ChoiceFilter(0, has_text=True, has_end=False, is_asked=False)
    assert held.is_own(event(1, "b"), NormalEvent("b", choice=1)) is None
    assert held.is_own({"choices": []}, NormalEvent()) is True
    assert held.take_held() == [event(1, "b")]
    assert held.take_held() == []
