"""Loads a conversation of the journal: its turns, each with its alternative answers."""

from __future__ import annotations

from typing import Any, NamedTuple

from orch.server.web.chat.answer_state import ChatAnswer, answer_from_row
from orch.storage.history import ConversationSummary, History, decode_run

MAX_LISTED, MAX_TURNS = 30, 30


class ConversationTurns(NamedTuple):
    """A conversation's turns, oldest first: each is one answer, followed by those of other models.
    `more` says that older turns were left out."""

    turns: list[list[ChatAnswer]]
    more: bool


def list_conversations(history: History) -> list[ConversationSummary]:
    """The last conversations, newest first."""
    return history.conversations(MAX_LISTED)


def load_turns(history: History, conversation: str) -> ConversationTurns:
    """The last turns of a conversation."""
    stored = history.conversation(conversation, MAX_TURNS)
    turns = [
        [_answer(history, each) for each in (row, *stored.alternatives.get(row["run_id"], ()))]
        for row in stored.turns
    ]
    return ConversationTurns(turns, stored.has_more)


def _answer(history: History, row: dict[str, Any]) -> ChatAnswer:
    return answer_from_row(decode_run(row), history.attempts_of(row["run_id"]))
