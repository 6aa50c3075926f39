"""The earlier turns of a session, read from the journal as messages that precede a task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import accumulate
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
    rows = journal.history.turns(session, MAX_HISTORY_TURNS + 1)  # one more tells that there are
    turns = [
        (row, turn_messages(row["task"], row["answer"], row["status"]))
        for row in _without_superseded(rows, next_task)
    ]
    fit = _count_that_fits([estimate_tokens(messages) for _, messages in turns])
    is_long = len(rows) > MAX_HISTORY_TURNS
    kept = turns[: min(fit, MAX_HISTORY_TURNS)][::-1]
    if is_long or len(kept) < len(turns):
        kept = kept[stable_start([row["seq"] for row, _ in kept]) :]
    redacted = any(row["redacted"] for row, _ in kept)
    sent = tuple(message for _, messages in kept for message in messages)
    return SessionHistory(sent, tuple(_warnings(len(turns) - len(kept), redacted, is_long)))


def _count_that_fits(tokens: Sequence[int]) -> int:
    """How many of the turns, newest first, fit into the limit."""
    sums = accumulate(tokens)
    return next((n for n, total in enumerate(sums) if total > MAX_HISTORY_TOKENS), len(tokens))


def stable_start(numbers: Sequence[int]) -> int:
    """The position at which a history starts whose older turns were left out, by the ascending
    numbers of the turns that fit.

    It is that of the roundest binary number in the older half, so that the same turn is the first
    one for many questions: if the history moved on by one turn at each, the server's prefix cache
    would hold nothing of it.
    """
    older = range((len(numbers) + 1) // 2)
    return max(older, key=lambda position: numbers[position] & -numbers[position], default=0)


def _warnings(omitted: int, redacted: bool, is_long: bool) -> Iterator[str]:
    if is_long:  # how many turns came before these is not known
        yield "the oldest turns of this conversation were left out"
    elif omitted == 1:
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
