"""Answers that a client may refer to by the id of their run: the rows of `runs` with a `response`,
which is JSON of what the other columns lack (previous_response_id, metadata, namespaced,
tool_calls)."""

from __future__ import annotations

from collections.abc import Collection

from orch.storage.database import Database
from orch.storage.history import Row, decode_run


def find_response(database: Database, run_id: str, client: str) -> Row | None:
    """The answered run of exactly that id, if that client may refer to it."""
    query = (
        "SELECT * FROM runs WHERE run_id = ? AND client = ? AND status = 'ok' AND response IS NOT"
        " NULL"
    )
    rows = database.rows(query, (run_id, client))
    return decode_run(rows[0]) if rows else None


def find_answers(database: Database, run_ids: Collection[str], client: str) -> list[Row]:
    """Those of the runs that that client may refer to: run_id, answer, response, redacted."""
    marks = ",".join("?" * len(run_ids))
    query = (
        "SELECT run_id, answer, response, redacted FROM runs WHERE client = ? AND status = 'ok'"
        f" AND response IS NOT NULL AND run_id IN ({marks})"
    )
    return [decode_run(row) for row in database.rows(query, (client, *run_ids))]


def drop_response(database: Database, run_id: str) -> None:
    """Makes an answer unknown to its client; the run stays. Raises JournalError and
    sqlite3.Error."""
    query = "UPDATE runs SET response = NULL WHERE run_id = ?"
    database.run(lambda connection: connection.execute(query, (run_id,)))
