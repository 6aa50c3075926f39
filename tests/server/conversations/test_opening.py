"""What identifies a conversation: its first questions, and the answers in it."""

from __future__ import annotations

from typing import Any

from orch.server.conversations.opening import (
    MAX_HASHED_CHARS,
    MAX_MARKED,
    answer_marks,
    first_questions,
    opening_of,
)
from orch.types import Message

LONG = "A mutex is a lock that one thread holds at a time."


def user(text: Any) -> Message:
    return {"role": "user", "content": text}


def answer(text: str | None, *ids: str) -> Message:
    calls = [{"id": name, "function": {"name": "read"}} for name in ids]
    return {"role": "assistant", "content": text} | ({"tool_calls": calls} if ids else {})


SYSTEM: Message = {"role": "system", "content": "Be brief."}
RESULT: Message = {"role": "tool", "content": "42"}
TWO_TURNS = [user("a"), answer(LONG), user("b")]


def test_instructions_do_not_count() -> None:
    developer = {"role": "developer", "content": "Be long."}
    reminder = "<system-reminder>It is Monday.</system-reminder>"
    with_reminder = [user(f"{reminder}a"), *TWO_TURNS[1:]]
    assert opening_of([SYSTEM, *TWO_TURNS], "") == opening_of(TWO_TURNS, "")
    assert opening_of([developer, *TWO_TURNS], "") == opening_of(TWO_TURNS, "")
    assert opening_of(with_reminder, "") == opening_of(TWO_TURNS, "")


def test_the_hashes_are_those_of_the_questions_before_the_first_and_the_second_turn() -> None:
    first, second = opening_of(TWO_TURNS[:1], ""), opening_of(TWO_TURNS, "")
    third = opening_of([*TWO_TURNS, answer("yes"), user("c")], "")
    assert (first.second, first.first) == (None, second.first)
    assert second.second == third.second not in (None, second.first)
    assert opening_of([user("a"), user("b")], "").first != second.first


def test_the_steps_of_an_agent_are_one_turn() -> None:
    steps = [user("a"), answer(None, "call_1"), RESULT, answer(None, "call_2"), RESULT]
    assert opening_of(steps, "").second is None
    assert opening_of([*steps, answer(LONG), user("b")], "").second == (
        opening_of(TWO_TURNS, "").second
    )


def test_another_scope_has_other_hashes_and_marks() -> None:
    one, other = opening_of(TWO_TURNS, "laptop"), opening_of(TWO_TURNS, "phone")
    assert (one.first, one.second) != (other.first, other.second)
    assert not {*one.marks} & {*other.marks}


def test_the_beginning_of_an_answer_is_none() -> None:
    assert opening_of([user("a"), answer("{")], "") == opening_of([user("a")], "")
    assert opening_of([user("a")], "").is_new
    assert not opening_of([user("a"), answer("", "call_1")], "").is_new


def test_the_marks_are_those_of_the_answers_that_were_given() -> None:
    (given,) = answer_marks("", "a", f"\n{LONG}\n", [])
    assert given in opening_of(TWO_TURNS, "").marks
    assert given not in opening_of([user("other"), *TWO_TURNS[1:]], "").marks
    assert given.is_strong
    assert not any(mark.is_strong for mark in answer_marks("", "a", "Yes.", []))


def test_a_client_may_add_lines_below_the_question() -> None:
    assert {*answer_marks("", "a\n\nReply as JSON.", LONG, [])} == {
        *answer_marks("", "a", LONG, [])
    }


def test_a_call_is_the_same_by_the_names_of_both_apis() -> None:
    (one,) = answer_marks("", "a", "", ["call_01a22bfe69874dba69_0"])
    (other,) = answer_marks("", "a", "", ["toolu_01a22bfe69874dba69_0"])
    assert one == other
    assert one.is_strong
    assert not next(answer_marks("", "a", "", ["call_0"])).is_strong


def test_the_first_and_the_last_answers_are_marked() -> None:
    turns = [each for n in range(20) for each in (user(f"q{n}"), answer(f"{LONG} ({n})"))]
    marks = opening_of([*turns, user("z")], "").marks
    expected = [
        next(answer_marks("", f"q{n}", f"{LONG} ({n})", [])) for n in (0, 1, 16, 17, 18, 19)
    ]
    assert [*marks] == expected
    assert len(marks) == MAX_MARKED


def test_of_many_calls_the_first_are_marked() -> None:
    ids = [f"call_{number:08}" for number in range(100)]
    opening = opening_of([user("a"), answer(LONG, *ids), user("b")], "")
    assert [*opening.marks] == [*answer_marks("", "a", LONG, ids[:MAX_MARKED])]


def test_long_texts_are_told_apart_by_their_beginning_and_length() -> None:
    size = MAX_HASHED_CHARS
    texts = ["a" * size * 2, "a" * (size * 2 + 1), "b" + "a" * (size * 2 - 1)]
    assert len({opening_of([user(text)], "").first for text in texts}) == 3
    assert len({opening_of([user("a" * size + end)], "").first for end in "xy"}) == 1


def test_foreign_bodies_are_no_error() -> None:
    bodies: list[list[Message]] = [
        [],
        [{}],
        [user("\ud800")],
        [user([None, {"type": "image_url"}])],
        [answer(None), user(None)],
        [{"role": "assistant", "tool_calls": [{}]}, user("a")],
        [{"role": "narrator", "content": "x"}],
    ]
    for messages in bodies:
        assert opening_of(messages, "").size == len(messages) - (messages == [answer(None)])


def test_an_agent_and_its_helpers_are_told_apart_by_their_first_questions() -> None:
    agent: list[Message] = [
        {"role": "system", "content": "A"},
        {"role": "user", "content": "Mend the test"},
    ]
    calls: Message = {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}
    result = {"role": "tool", "tool_call_id": "1", "content": "done"}
    later = [{"role": "system", "content": "B"}, agent[1], calls, result, {**agent[1]}]
    helper = [agent[0], {"role": "user", "content": "Find the test"}]
    assert first_questions(agent) == first_questions(later) != first_questions(helper)
    assert first_questions([]) == first_questions([agent[0]])
