"""Reads of recorded runs, for the commands, the page and `/orch` alike: lists, details,
conversations and counts; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from orch.storage.database import Database
from orch.text.redact import Redactor

Row = dict[str, Any]

TURN_CONDITION = (
    "task IS NOT NULL AND alternative_to IS NULL AND chore IS NULL AND"
    " (status IN ('ok', 'interrupted') OR (status = 'failed' AND answer != ''))"
)
"""The runs that are turns of a conversation: also an interrupted one, and one that failed after it
gave text. An alternative answer to a turn is not a turn, nor is a client's chore."""
TASK_CHARS = 200
"""Characters of the task in a list."""
OUTCOMES = {
    "ok": "status = 'ok'",
    "failed": "status = 'failed'",
    "interrupted": "status = 'interrupted'",
    "cache": "source = 'cache'",
    "chore": "chore IS NOT NULL",
    "person": "chore IS NULL",
    "fallback": "(SELECT count(*) FROM attempts WHERE attempts.run_id = runs.run_id) > 1",
}
"""The outcomes that a list can be filtered by, as SQL."""
_LISTED_COLUMNS = (
    "run_id, at, face, status, task_type, model, source, error_code, degraded, completion_tokens,"
    f" chore, ttft_s, total_s, substr(task, 1, {TASK_CHARS}) AS task,"
    " (SELECT count(*) FROM attempts WHERE attempts.run_id = runs.run_id) AS attempts"
)
_IS_RUN = "face != 'memory'"
"""Notes of the memory are stored among the runs."""
_OTHER_FACES = ("memory", "openai", "anthropic", "ollama")
IS_OWN = f"face NOT IN {_OTHER_FACES}"
"""The runs of orch's own faces, as SQL: the conversations of other programs are theirs to
continue."""
_CONVERSATIONS = f"""
    SELECT recent.session, recent.turns, first.task, last.at FROM (
        SELECT session, MIN(seq) AS oldest, MAX(seq) AS newest, COUNT(*) AS turns FROM runs
        WHERE session IS NOT NULL AND alternative_to IS NULL AND chore IS NULL AND {IS_OWN}
        GROUP BY session ORDER BY newest DESC LIMIT ?
    ) AS recent
    JOIN runs AS first ON first.seq = recent.oldest JOIN runs AS last ON last.seq = recent.newest
    ORDER BY recent.newest DESC"""


class RunPage(NamedTuple):
    """One page of a list of runs, newest first. `total` counts all matching runs, `models` are
    those of all runs."""

    rows: list[Row]
    total: int
    models: list[str]


class RunDetail(NamedTuple):
    """One run with everything recorded about it. `corrected` is the task type that the user gave
    it, empty if none."""

    run: Row
    attempts: list[Row]
    ratings: list[Row]
    corrected: str


class ConversationSummary(NamedTuple):
    """A conversation in a list: its first task, and when it was last used (seconds since the
    epoch)."""

    name: str
    turns: int
    task: str
    at: float


class Conversation(NamedTuple):
    """The last turns of a conversation, oldest first, and the alternative answers by the id of
    their turn's run. `has_more` says that older turns were left out."""

    turns: list[Row]
    alternatives: dict[str, list[Row]]
    has_more: bool


class History:
    """The recorded runs of one journal. A file that can't be read gives empty results and a warning
    of its database."""

    def __init__(self, database: Database, redactor: Redactor) -> None:
        self.database, self._redactor = database, redactor

    # ------------------------------------------------------------ runs and attempts

    def count(self) -> int:
        """The number of runs. Raises JournalError and sqlite3.Error."""
        row = self.database.run(lambda c: c.execute("SELECT count(*) FROM runs").fetchone())
        return int(row[0])

    def runs(self, since: float = 0.0, limit: int = -1) -> list[Row]:
        """Runs since a time, newest first."""
        query = "SELECT * FROM runs WHERE at >= ? ORDER BY seq DESC LIMIT ?"
        return self.database.rows(query, (since, limit))

    def outcomes(self, since: float = 0.0) -> list[Row]:
        """Client, status and tokens of the runs since a time, without their texts."""
        query = "SELECT client, status, prompt_tokens, completion_tokens FROM runs WHERE at >= ?"
        return self.database.rows(query, (since,))

    def chores(self, since: float = 0.0) -> dict[str, int]:
        """How many runs since a time were clients' chores, by name."""
        query = (
            "SELECT chore, count(*) AS n FROM runs WHERE at >= ? AND chore IS NOT NULL"
            " GROUP BY chore ORDER BY chore"
        )
        return {row["chore"]: row["n"] for row in self.database.rows(query, (since,))}

    def attempts(self, since: float = 0.0) -> list[Row]:
        """Attempts since a time, oldest first."""
        return self.database.rows("SELECT * FROM attempts WHERE at >= ? ORDER BY id", (since,))

    def attempts_of(self, run_id: str) -> list[Row]:
        """The attempts of one run, in order."""
        return self.database.rows("SELECT * FROM attempts WHERE run_id = ? ORDER BY n", (run_id,))

    def find_run(self, name: str) -> Row | None:
        """The run whose id starts with `name`, or for `last` the last answered run; None if there
        is none or several."""
        if name == "last":
            where = f"status = 'ok' AND {_IS_RUN} AND chore IS NULL ORDER BY seq DESC LIMIT 1"
            rows = self.database.rows(f"SELECT * FROM runs WHERE {where}")
        else:
            query = "SELECT * FROM runs WHERE substr(run_id, 1, ?) = ? LIMIT 2"
            rows = self.database.rows(query, (len(name), name))
        return rows[0] if len(rows) == 1 else None

    def detail(self, name: str) -> RunDetail | None:
        """The run that `find_run` finds, with its attempts, ratings and correction."""
        row = self.find_run(name) if name else None
        if row is None:
            return None
        run_id = (row["run_id"],)
        query = "SELECT model, provider, score, kind FROM ratings WHERE run_id = ? ORDER BY id"
        ratings = self.database.rows(query, run_id)
        query = "SELECT task_type FROM corrections WHERE run_id = ?"
        corrections = self.database.rows(query, run_id)
        corrected = corrections[0]["task_type"] if corrections else ""
        return RunDetail(decode_run(row), self.attempts_of(row["run_id"]), ratings, corrected)

    # ------------------------------------------------------------ a filtered list

    def page(
        self,
        *,
        outcome: str = "",
        task_type: str = "",
        model: str = "",
        text: str = "",
        limit: int,
        offset: int = 0,
    ) -> RunPage:
        """Lists runs without their texts, except for the beginning of the task. An empty filter
        matches every run; `outcome` is one of OUTCOMES."""
        where, values = _condition(outcome, task_type, model, text)
        rows = self.database.rows(
            f"SELECT {_LISTED_COLUMNS} FROM runs WHERE {where} ORDER BY seq DESC LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        total = self.database.rows(f"SELECT count(*) AS n FROM runs WHERE {where}", values)
        query = "SELECT DISTINCT model FROM runs WHERE model IS NOT NULL ORDER BY model"
        models = [row["model"] for row in self.database.rows(query)]
        return RunPage(rows, total[0]["n"] if total else 0, models)

    def count_since(self, since: float) -> tuple[int, int]:
        """The number of runs since a time, and of those that the cache answered."""
        query = (
            "SELECT count(*) AS n, coalesce(sum(source = 'cache'), 0) AS cached FROM runs"
            f" WHERE at >= ? AND {_IS_RUN}"
        )
        rows = self.database.rows(query, (since,))
        return (rows[0]["n"], rows[0]["cached"]) if rows else (0, 0)

    # ------------------------------------------------------------ conversations

    def turns(self, session: str, limit: int) -> list[Row]:
        """The turns of a session, newest first; an interrupted one with the text that had come."""
        query = (
            "SELECT seq, status, task, answer, redacted FROM runs WHERE session = ? AND"
            f" {TURN_CONDITION} AND {IS_OWN} ORDER BY seq DESC LIMIT ?"
        )
        return self.database.rows(query, (self._redactor.redact_name(session), limit))

    def last_routed_turn(self, session: str) -> Row | None:
        """Task type, status, model and provider of the last turn of a session for which a model was
        chosen."""
        query = (
            "SELECT task_type, status, model, provider FROM runs WHERE session = ? AND"
            f" {TURN_CONDITION} AND {IS_OWN} AND model IS NOT NULL ORDER BY seq DESC LIMIT 1"
        )
        rows = self.database.rows(query, (self._redactor.redact_name(session),))
        return rows[0] if rows else None

    def conversations(self, limit: int) -> list[ConversationSummary]:
        """The last conversations of orch's own faces, newest first."""
        rows = self.database.rows(_CONVERSATIONS, (limit,))
        return [
            ConversationSummary(row["session"], row["turns"], row["task"] or "", row["at"])
            for row in rows
        ]

    def conversation(self, name: str, limit: int) -> Conversation:
        """The last turns of a conversation with their alternative answers. A turn that failed and
        was asked again is left out."""
        query = "SELECT * FROM runs WHERE session = ? AND alternative_to IS NULL AND chore IS NULL"
        rows = self.database.rows(f"{query} ORDER BY seq DESC LIMIT ?", (name, limit + 1))
        query = "SELECT * FROM runs WHERE session = ? AND alternative_to IS NOT NULL ORDER BY seq"
        alternatives: dict[str, list[Row]] = {}
        for row in self.database.rows(query, (name,)):
            alternatives.setdefault(row["alternative_to"], []).append(row)
        turns = _without_retried(rows[:limit][::-1])
        return Conversation(turns, alternatives, len(rows) > limit)


def _condition(outcome: str, task_type: str, model: str, text: str) -> tuple[str, list[Any]]:
    parts, values = [_IS_RUN], list[Any]()
    if outcome:
        parts.append(OUTCOMES[outcome])
    for column, value in (("task_type", task_type), ("model", model)):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if text:
        tests = (f"{column} LIKE ? ESCAPE '\\'" for column in ("task", "answer", "run_id"))
        parts.append(f"({' OR '.join(tests)})")
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values += [f"%{escaped}%", f"%{escaped}%", f"{escaped}%"]
    return " AND ".join(parts), values


def _without_retried(rows: list[Row]) -> list[Row]:
    pairs = zip(rows, [*rows[1:], {}], strict=False)  # no rows, but one {}, where there are none
    return [
        row for row, next_ in pairs if row["status"] == "ok" or row["task"] != next_.get("task")
    ]


def is_own(row: Mapping[str, Any]) -> bool:
    """Whether a row of `runs` satisfies IS_OWN."""
    return row["face"] not in _OTHER_FACES


def is_turn(row: Mapping[str, Any]) -> bool:
    """Whether a row of `runs` satisfies TURN_CONDITION, apart from its task."""
    if row.get("alternative_to") is not None or row.get("chore"):
        return False
    return row["status"] in ("ok", "interrupted") or (
        row["status"] == "failed" and bool(row["answer"])
    )


def decode_run(row: Row) -> Row:
    """A row of `runs` with its messages, decision and response parsed from JSON."""
    parsed = {
        name: json.loads(row[name]) if row.get(name) else None
        for name in ("messages", "decision", "response")
    }
    return {**row, **parsed}
