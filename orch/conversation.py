"""The earlier turns of a session, from the journal, as messages that go before a task."""

from __future__ import annotations

import time
from typing import NamedTuple

from orch.errors import OrchError, UsageError
from orch.journal import Journal
from orch.task import estimate_tokens
from orch.types import Message

MOST_TOKENS = 3_000
"""Of earlier turns: older ones are left out, and that is said. A prompt that grows without end costs prefill at every turn."""
MOST_TURNS = 100


class History(NamedTuple):
    """Earlier turns, oldest first, and what is to be said of them."""

    messages: tuple[Message, ...] = ()
    warnings: tuple[str, ...] = ()


def history_of(session: str, journal: Journal) -> History:
    """What was said in a session. Raises OrchError where the journal keeps no texts."""
    _must_keep_texts(journal)
    turns: list[Message] = []
    left, out, redacted = MOST_TOKENS, 0, False
    for row in journal.turns(session, MOST_TURNS):
        pair: list[Message] = [{"role": "user", "content": row["task"]}, {"role": "assistant", "content": row["answer"]}]
        left -= estimate_tokens(pair)
        if out or left < 0:
            out += 1
            continue
        turns, redacted = pair + turns, redacted or bool(row["redacted"])
    said = [f"the {out} oldest turns of this conversation were left out"] if out > 1 else ["the oldest turn of this conversation was left out"] if out else []
    said += ["parts of this conversation were redacted: the model sees them as redacted"] if redacted else []
    return History(tuple(turns), tuple(said))


def session_named(name: str, carry_on: bool, journal: Journal) -> str:
    """The session of that name, a new one where there is none, or for `carry_on` the one of the last run. Raises OrchError."""
    _must_keep_texts(journal)
    if not carry_on:
        return name or f"chat-{int(time.time() * 1000):x}"
    if name:
        raise UsageError("--continue and --session both name a conversation", "give one of them")
    session = journal.latest_session()
    if session is None:
        raise UsageError("there is no earlier run to continue", "leave -c out for the first one")
    return session


def _must_keep_texts(journal: Journal) -> None:
    if journal.mode != "full":
        said = f"a conversation needs the texts of earlier turns, and the journal keeps none (journal.mode is {journal.mode})"
        raise OrchError(said, "set journal: {mode: full} in routing.yaml", code="not_kept")
