"""Conversations in the journal: the list of the last ones, and the turns of one with the other
answers that were tried."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from orch.server.web.chat.answer_state import Answer, of_row
from orch.storage.journal import Journal, unpacked

OTHER = "/other/"
"""Another model's answer stands in the journal under CONVERSATION/other/RUN/TIME: beside its
conversation, which goes on with the first one."""
MOST_LISTED, MOST_TURNS = 30, 30
_LIST = f"""
    SELECT found.session, found.turns, begun.task, last.at FROM (
        SELECT session, MIN(seq) AS oldest, MAX(seq) AS newest, COUNT(*) AS turns FROM runs
        WHERE session IS NOT NULL AND instr(session, '{OTHER}') = 0 GROUP BY session ORDER BY newest DESC LIMIT ?
    ) AS found JOIN runs AS begun ON begun.seq = found.oldest JOIN runs AS last ON last.seq = found.newest ORDER BY found.newest DESC
"""


class Listed(NamedTuple):
    """A conversation: how many turns, how it began, when it was last used (seconds since the
    epoch)."""

    name: str
    turns: int
    task: str
    at: float


class Past(NamedTuple):
    """A conversation's turns, oldest first: each is one answer, and behind it those of other
    models. `more` says that older ones were left out."""

    turns: list[list[Answer]]
    more: bool


def conversations(journal: Journal) -> list[Listed]:
    """The last ones, newest first."""
    return [
        Listed(row["session"], row["turns"], row["task"] or "", row["at"])
        for row in journal.database.rows(_LIST, (MOST_LISTED,))
    ]


def turns_of(journal: Journal, conversation: str) -> Past:
    """The last turns of a conversation."""
    rows = journal.database.rows(
        "SELECT * FROM runs WHERE session = ? ORDER BY seq DESC LIMIT ?",
        (conversation, MOST_TURNS + 1),
    )
    others = journal.database.rows(
        "SELECT * FROM runs WHERE session > ? AND session < ? ORDER BY seq",
        (conversation + OTHER, f"{conversation}/other0"),
    )
    answered = {
        row["run_id"]: [_answer(journal, row)] for row in _without_failed(rows[:MOST_TURNS][::-1])
    }
    for row in others:
        first = first_of(conversation, row["session"])
        if first in answered:
            answered[first].append(_answer(journal, row))
    return Past(list(answered.values()), len(rows) > MOST_TURNS)


def _without_failed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the tries that did not go well and after which the same was asked again."""
    return [
        row
        for row, after in zip(rows, [*rows[1:], {}], strict=False)
        if row["status"] == "ok" or row["task"] != after.get("task")
    ]


def _answer(journal: Journal, row: dict[str, Any]) -> Answer:
    return of_row(unpacked(row), journal.attempts_of(row["run_id"]))


def beside(conversation: str, first: str) -> str:
    """A name for one more answer to the turn of that run."""
    return f"{conversation}{OTHER}{first}/{int(time.time() * 1000):x}"


def first_of(conversation: str, session: str) -> str:
    """The run beside which a session stands; empty for the conversation itself."""
    before, other, after = session.partition(OTHER)
    return after.split("/")[0] if other and before == conversation else ""
