"""Conversations in the journal: the list of the last ones, and the turns of one with the other
answers that were tried."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from orch.server.web.chat.answer_state import ChatAnswer, answer_from_row
from orch.storage.journal import Journal, decode_run

ALTERNATIVE_SEPARATOR = "/other/"
"""Another model's answer stands in the journal under CONVERSATION/other/RUN/TIME: beside its
conversation, which goes on with the first one."""
MAX_LISTED, MAX_TURNS = 30, 30
_LIST = f"""
    SELECT found.session, found.turns, begun.task, last.at FROM (
        SELECT session, MIN(seq) AS oldest, MAX(seq) AS newest, COUNT(*) AS turns FROM runs
        WHERE session IS NOT NULL AND instr(session, '{ALTERNATIVE_SEPARATOR}') = 0 GROUP BY session ORDER BY newest DESC LIMIT ?
    ) AS found JOIN runs AS begun ON begun.seq = found.oldest JOIN runs AS last ON last.seq = found.newest ORDER BY found.newest DESC
"""


class ConversationSummary(NamedTuple):
    """A conversation: how many turns, how it began, when it was last used (seconds since the
    epoch)."""

    name: str
    turns: int
    task: str
    at: float


class ConversationTurns(NamedTuple):
    """A conversation's turns, oldest first: each is one answer, and behind it those of other
    models. `more` says that older ones were left out."""

    turns: list[list[ChatAnswer]]
    more: bool


def list_conversations(journal: Journal) -> list[ConversationSummary]:
    """The last ones, newest first."""
    return [
        ConversationSummary(row["session"], row["turns"], row["task"] or "", row["at"])
        for row in journal.database.rows(_LIST, (MAX_LISTED,))
    ]


def load_turns(journal: Journal, conversation: str) -> ConversationTurns:
    """The last turns of a conversation."""
    rows = journal.database.rows(
        "SELECT * FROM runs WHERE session = ? ORDER BY seq DESC LIMIT ?",
        (conversation, MAX_TURNS + 1),
    )
    others = journal.database.rows(
        "SELECT * FROM runs WHERE session > ? AND session < ? ORDER BY seq",
        (conversation + ALTERNATIVE_SEPARATOR, f"{conversation}/other0"),
    )
    answered = {
        row["run_id"]: [_answer(journal, row)] for row in _without_failed(rows[:MAX_TURNS][::-1])
    }
    for row in others:
        first = alternative_of(conversation, row["session"])
        if first in answered:
            answered[first].append(_answer(journal, row))
    return ConversationTurns(list(answered.values()), len(rows) > MAX_TURNS)


def _without_failed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the tries that did not go well and after which the same was asked again."""
    return [
        row
        for row, after in zip(rows, [*rows[1:], {}], strict=False)
        if row["status"] == "ok" or row["task"] != after.get("task")
    ]


def _answer(journal: Journal, row: dict[str, Any]) -> ChatAnswer:
    return answer_from_row(decode_run(row), journal.attempts_of(row["run_id"]))


def alternative_session(conversation: str, first: str) -> str:
    """A name for one more answer to the turn of that run."""
    return f"{conversation}{ALTERNATIVE_SEPARATOR}{first}/{int(time.time() * 1000):x}"


def alternative_of(conversation: str, session: str) -> str:
    """The run beside which a session stands; empty for the conversation itself."""
    before, other, after = session.partition(ALTERNATIVE_SEPARATOR)
    return after.split("/")[0] if other and before == conversation else ""
