"""The earlier turns of a session, from the journal, as messages that go before a task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from orch.errors import OrchError, UsageError
from orch.storage.journal import Journal
from orch.text.prompt import estimate_tokens
from orch.types import Message

MAX_HISTORY_TOKENS = 3_000
"""Of earlier turns: older ones are left out, and that is said. A prompt that grows without end
costs prefill at every turn."""
MAX_HISTORY_TURNS = 100
INTERRUPTED_ANSWER = "[I was interrupted before I answered.]"
"""Stands where an interrupted turn has no text: an empty answer, or two user messages in a row, is
refused by strict chat templates."""


class SessionHistory(NamedTuple):
    """Earlier turns, oldest first, and what is to be said of them."""

    messages: tuple[Message, ...] = ()
    warnings: tuple[str, ...] = ()


def load_history(session: str, journal: Journal, asked: str = "") -> SessionHistory:
    """What was said in a session before `asked`. Raises OrchError where the journal keeps no
    texts."""
    _must_keep_texts(journal)
    turns: list[Message] = []
    left, out, redacted = MAX_HISTORY_TOKENS, 0, False
    for row in _without_superseded(journal.turns(session, MAX_HISTORY_TURNS), asked):
        pair = turn_messages(row["task"], row["answer"], row["status"])
        left -= estimate_tokens(pair)
        if out or left < 0:
            out += 1
            continue
        turns, redacted = pair + turns, redacted or bool(row["redacted"])
    said = (
        [f"the {out} oldest turns of this conversation were left out"]
        if out > 1
        else ["the oldest turn of this conversation was left out"]
        if out
        else []
    )
    said += (
        ["parts of this conversation were redacted: the model sees them as redacted"]
        if redacted
        else []
    )
    return SessionHistory(tuple(turns), tuple(said))


def turn_messages(question: str, answer: str, status: str) -> list[Message]:
    """A turn as messages; what was interrupted goes with the text that had come."""
    said = answer if answer or status == "ok" else INTERRUPTED_ANSWER
    return [{"role": "user", "content": question}, {"role": "assistant", "content": said}]


def _without_superseded(rows: Sequence[dict[str, Any]], asked: str) -> Iterator[dict[str, Any]]:
    """Turns, newest first, but for the unfinished ones after which the same was asked again."""
    for row in rows:
        if row["status"] == "ok" or row["task"] != asked:
            yield row
        asked = row["task"]


def resolve_session(name: str, carry_on: bool, journal: Journal) -> str:
    """The session of that name, a new one where there is none, or for `carry_on` the one of the
    last run. Raises OrchError."""
    _must_keep_texts(journal)
    if not carry_on:
        return name or f"chat-{int(time.time() * 1000):x}"
    if name:
        raise UsageError("--continue and --session both name a conversation", "give one of them")
    journal.open()
    session = journal.latest_session()
    if session is None:
        raise UsageError("there is no earlier run to continue", "leave -c out for the first one")
    return session


def _must_keep_texts(journal: Journal) -> None:
    if journal.mode != "full":
        said = (
            "a conversation needs the texts of earlier turns, and the journal keeps none"
            f" (journal.mode is {journal.mode})"
        )
        raise OrchError(said, "set journal: {mode: full} in routing.yaml", code="not_kept")
