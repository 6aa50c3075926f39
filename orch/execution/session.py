"""The earlier turns of a session, read from the journal as messages that precede a task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from orch.errors import OrchError, UsageError
from orch.storage.journal import Journal
from orch.text.prompt import estimate_tokens
from orch.text.strict_messages import INTERRUPTED_ANSWER
from orch.types import Message

MAX_HISTORY_TOKENS = 3_000
"""Older turns are left out, with a warning. A prompt that grows without end costs prefill at every
turn."""
MAX_HISTORY_TURNS = 100


class SessionHistory(NamedTuple):
    """Earlier turns, oldest first, and warnings about them."""

    messages: tuple[Message, ...] = ()
    warnings: tuple[str, ...] = ()


def load_history(session: str, journal: Journal, next_task: str = "") -> SessionHistory:
    """The turns of a session before `next_task`. Raises OrchError where the journal stores no
    texts."""
    _require_texts(journal)
    messages: list[Message] = []
    tokens_left, omitted, redacted = MAX_HISTORY_TOKENS, 0, False
    for row in _without_superseded(journal.history.turns(session, MAX_HISTORY_TURNS), next_task):
        turn = turn_messages(row["task"], row["answer"], row["status"])
        tokens_left -= estimate_tokens(turn)
        if omitted or tokens_left < 0:
            omitted += 1
            continue
        messages, redacted = turn + messages, redacted or bool(row["redacted"])
    return SessionHistory(tuple(messages), tuple(_warnings(omitted, redacted)))


def _warnings(omitted: int, redacted: bool) -> Iterator[str]:
    if omitted == 1:
        yield "the oldest turn of this conversation was left out"
    elif omitted:
        yield f"the {omitted} oldest turns of this conversation were left out"
    if redacted:
        yield "parts of this conversation were redacted: the model sees them as redacted"


def turn_messages(question: str, answer: str, status: str) -> list[Message]:
    """A turn as messages; an interrupted one with the text that it had given."""
    text = answer if answer or status == "ok" else INTERRUPTED_ANSWER
    return [{"role": "user", "content": question}, {"role": "assistant", "content": text}]


def _without_superseded(rows: Sequence[dict[str, Any]], next_task: str) -> Iterator[dict[str, Any]]:
    """Turns, newest first, without the unfinished ones that were followed by the same task."""
    for row in rows:
        if row["status"] == "ok" or row["task"] != next_task:
            yield row
        next_task = row["task"]


def resolve_session(name: str, continue_last: bool, journal: Journal) -> str:
    """The session's name: the given one, a new one without a name, or with `continue_last` that of
    the last run. Raises OrchError."""
    _require_texts(journal)
    if not continue_last:
        return name or f"chat-{int(time.time() * 1000):x}"
    if name:
        raise UsageError("--continue and --session both name a conversation", "give one of them")
    journal.open()
    session = journal.latest_session()
    if session is None:
        raise UsageError("there is no earlier run to continue", "leave -c out for the first one")
    return session


def _require_texts(journal: Journal) -> None:
    if journal.mode != "full":
        raise OrchError(
            "a conversation needs the texts of earlier turns, and the journal keeps none"
            f" (journal.mode is {journal.mode})",
            "set journal: {mode: full} in routing.yaml",
            code="not_kept",
        )
