"""Which slot answers: a conversation's own, else the one in which the least is lost."""

from __future__ import annotations

import itertools

import pytest

from orch.routing.prompt_cache.slots import IdleSlot, Worth, choose_slot

EMPTY = IdleSlot(1)
TURN = IdleSlot(0, Worth.TURN, size=9_000, used_at=5.0)
CONVERSATION = IdleSlot(2, Worth.CONVERSATION, size=9_000, used_at=1.0)
QUESTION = IdleSlot(3, Worth.QUESTION, size=900, used_at=2.0)
CHORE = IdleSlot(4, Worth.NOTHING, size=700, used_at=9.0)


def chosen(*idle: IdleSlot, is_chore: bool = False) -> int | None:
    """The choice, which does not depend on the order."""
    found = {choose_slot(order, is_chore=is_chore) for order in itertools.permutations(idle)}
    (one,) = found
    return one


def test_none_is_idle() -> None:
    assert choose_slot([], is_chore=False) is None


@pytest.mark.parametrize("own", [TURN, CONVERSATION, QUESTION])
def test_a_conversation_keeps_its_slot(own: IdleSlot) -> None:
    others = [each for each in (EMPTY, TURN, CONVERSATION, CHORE) if each.number != own.number]
    assert chosen(*others, own._replace(continues=True, shared=8_000)) == own.number


def test_a_new_prompt_takes_the_slot_in_which_the_least_is_lost() -> None:
    assert chosen(EMPTY, CHORE, QUESTION, CONVERSATION, TURN) == EMPTY.number
    assert chosen(CHORE, QUESTION, CONVERSATION, TURN) == CHORE.number
    assert chosen(QUESTION, CONVERSATION, TURN) == QUESTION.number
    assert chosen(CONVERSATION, TURN) == CONVERSATION.number
    assert chosen(TURN) == TURN.number


def test_of_two_questions_the_shorter_one_is_lost_of_two_conversations_the_older_one() -> None:
    long = QUESTION._replace(number=5, size=90_000, used_at=0.0)
    assert chosen(QUESTION, long) == QUESTION.number
    newer = CONVERSATION._replace(number=6, size=10, used_at=3.0)
    assert chosen(CONVERSATION, newer) == CONVERSATION.number


def test_where_as_little_is_lost_the_shared_beginning_decides() -> None:
    alike = CHORE._replace(number=5, shared=600)
    assert chosen(EMPTY, CHORE, alike) == alike.number


def test_a_chore_goes_on_with_a_conversation_only_while_that_rests() -> None:
    at_rest = CONVERSATION._replace(continues=True, shared=8_000)
    in_turn = TURN._replace(continues=True, shared=8_000)
    assert chosen(EMPTY, at_rest, is_chore=True) == at_rest.number
    assert chosen(EMPTY, in_turn, is_chore=True) == EMPTY.number
    assert chosen(EMPTY, in_turn) == in_turn.number
