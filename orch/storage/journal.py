"""Writes runs and their attempts to the journal, and keeps facts about this machine and metadata of
models; reads of runs are in `history`."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from orch.errors import JournalError
from orch.providers.installed_models import ModelInfo
from orch.storage.database import database_at, insert_rows
from orch.storage.feedback import FeedbackStore
from orch.storage.history import IS_OWN, TURN_CONDITION, History
from orch.storage.schema import MIGRATIONS
from orch.storage.sqlite_file import transaction
from orch.storage.timings import TimingStore
from orch.text.redact import Redactor
from orch.types import Attempt

DAY_S = 86_400
JOURNAL_ID_FACT = "journal_id"
"""The name of the fact that holds the journal's own id."""


class RunRecord(NamedTuple):
    """Everything the journal stores of one run. `at` is seconds since the epoch; `alternative_to`
    is the run to whose task this is another answer; `response` see `storage.responses`; `chore` is
    what a client asked for by itself, such as a title."""

    run_id: str
    at: float
    face: str
    status: str
    task: str
    system: str | None
    messages: list[dict[str, Any]]
    answer: str
    task_type: str | None
    confidence: float | None
    decision: dict[str, Any] | None
    attempts: Sequence[Attempt]
    model: str | None = None
    provider: str | None = None
    session: str | None = None
    alternative_to: str | None = None
    remember: bool = True
    error_code: str | None = None
    error: str | None = None
    degraded: bool = False
    source: str = "model"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    load_s: float | None = None
    ttft_s: float | None = None
    total_s: float | None = None
    config_hash: str | None = None
    client: str = ""
    response: dict[str, Any] | None = None
    chore: str | None = None


class Journal:
    """The journal of one machine. Opens at first use; safe between threads and processes.

    A file that can't be used never fails a run: `warnings` says what is wrong.
    """

    def __init__(
        self,
        path: Path,
        redactor: Redactor,
        mode: str = "full",
        keep_s: int = 365 * DAY_S,
        *,
        cache_s: float = 0.0,
    ) -> None:
        """`cache_s`: for how long values that every decision needs may be cached, which another
        process may change."""
        self.path, self.mode = path, mode
        self.database = database_at(path, MIGRATIONS, "the journal", keeps_copies=True)
        self.history = History(self.database, redactor)
        self.feedback = FeedbackStore(self.database, redactor, mode, cache_s)
        self.timings = TimingStore(self.database, cache_s)
        self._redactor, self._keep_s = redactor, keep_s
        self._facts_set: set[str] = set()

    @property
    def warnings(self) -> list[str]:
        """What is or was wrong with the file."""
        return self.database.warnings

    @property
    def is_cached(self) -> bool:
        """Whether what every decision needs is cached, so that deciding reads no file."""
        return self.feedback.is_cached and self.timings.is_cached

    def fill_cache(self) -> None:
        """Reads what `is_cached` asks for."""
        self.feedback.corrections()
        self.feedback.last_ids()
        self.timings.recent_answer_counts()

    def open(self) -> None:
        """Opens the file now. Raises JournalError if it can't be read."""
        self.database.open()

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        self.database.close()

    # ------------------------------------------------------------ writing runs

    def record(self, run: RunRecord) -> bool:
        """Writes one run and its attempts; returns whether it was written. Never raises."""
        return self.record_all([run])

    def record_all(self, runs: Sequence[RunRecord]) -> bool:
        """Writes runs in one transaction; returns whether they were written. A file that can't be
        used becomes a warning."""
        try:
            return self.write(runs)
        except (sqlite3.Error, JournalError) as error:
            self.database.add_warning(error)
            return False

    def write(self, runs: Sequence[RunRecord]) -> bool:
        """The same as `record_all`, but raises JournalError and sqlite3.Error."""
        if self.mode == "off":
            return False
        rows = [self._run_row(run) for run in runs]
        attempts = [row for run in runs for row in self._attempt_rows(run)]

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                insert_rows(connection, "runs", rows)
                insert_rows(connection, "attempts", attempts)
                self._prune(connection, runs[-1].at)

        self.database.run(write)
        return True

    def _run_row(self, run: RunRecord) -> dict[str, Any]:
        row = {name: getattr(run, name) for name in RunRecord._fields if name != "attempts"}
        messages = [message for message in run.messages if message.get("role") != "system"]
        own = {name: getattr(run, name) for name in ("task", "system", "answer", "error")}
        texts = {**own, "messages": messages or None, "response": run.response}
        clean = {name: self._redactor.redact_all(text) for name, text in texts.items()}
        redacted = int(clean != texts)
        if self.mode == "meta":
            clean = dict.fromkeys(texts)
        return {
            **row,
            **clean,
            # clients choose these names, and one may use its key as a session's
            "session": self._redactor.redact_name(run.session),
            "model": self._redactor.redact(run.model or "") or None,
            "messages": _to_json(clean["messages"]) if clean["messages"] else None,
            "response": _to_json(clean["response"]) if clean["response"] else None,
            "decision": _to_json(self._redact_decision(run.decision)) if run.decision else None,
            "redacted": redacted,
            "remember": int(run.remember),
            "degraded": int(run.degraded),
        }

    def _redact_decision(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Redacts a decision only if one of its few texts needs it: its reasons may quote a
        server."""
        texts = "\n".join(
            str(each.get(name) or "")
            for each in (decision, *decision["candidates"])
            for name in ("reason", "eliminated", "model_id", "id")
        )
        if self._redactor.redact(texts) == texts:
            return decision
        redacted: dict[str, Any] = self._redactor.redact_all(decision)
        return redacted

    def _attempt_rows(self, run: RunRecord) -> list[dict[str, Any]]:
        shared = {"run_id": run.run_id, "at": run.at, "task_type": run.task_type}
        return [
            {**self._attempt_row(attempt), **shared, "n": n}
            for n, attempt in enumerate(run.attempts)
        ]

    def _attempt_row(self, attempt: Attempt) -> dict[str, Any]:
        row = {name: getattr(attempt, name) for name in Attempt.__slots__ if name != "offset"}
        # a server's message may repeat the key or the prompt
        row["message"] = None if self.mode == "meta" else self._redactor.redact(attempt.message)
        row["model"] = self._redactor.redact(attempt.model)
        row["repairs"] = _to_json(list(attempt.repairs)) if attempt.repairs else None
        return {**row, "offset_chars": attempt.offset}

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        """Once a day, deletes runs that are older than `keep`, relative to the last run before
        today.

        So a clock that jumps years ahead deletes nothing on that day: only a second run on another
        day does.
        """
        last = connection.execute("SELECT value FROM facts WHERE name='pruned_at'").fetchone()
        if last and abs(now - float(last[0])) < DAY_S:
            return
        query = "SELECT max(at) FROM runs WHERE at < ?"
        (before,) = connection.execute(query, (now - now % DAY_S,)).fetchone()
        if before is not None:
            connection.execute("DELETE FROM attempts WHERE at < ?", (before - self._keep_s,))
            connection.execute("DELETE FROM runs WHERE at < ?", (before - self._keep_s,))
        connection.execute("INSERT OR REPLACE INTO facts VALUES ('pruned_at', ?)", (str(now),))

    def latest_session(self) -> str | None:
        """The session of the last turn of orch's own faces, not of another program; a run without
        a session is given one. None if there are no turns."""

        def find(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                f"SELECT run_id, session FROM runs WHERE {TURN_CONDITION} AND {IS_OWN}"
                " ORDER BY seq DESC LIMIT 1"
            ).fetchone()
            if row and row[1] is None:
                connection.execute("UPDATE runs SET session = run_id WHERE run_id = ?", (row[0],))
            return str(row[1] or row[0]) if row else None

        return self.database.run_or_default(find, None)

    # ------------------------------------------------------------ facts

    def fact(self, name: str) -> str | None:
        """A fact about this machine, such as `real_model_answered`."""
        row = self.database.run_or_default(
            lambda c: c.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone(), None
        )
        return str(row[0]) if row else None

    def set_fact_once(self, name: str) -> None:
        """Records the time of an event, unless it is recorded already."""
        if name not in self._facts_set and self.fact(name) is None:
            self.set_fact(name, str(time.time()))
        self._facts_set.add(name)

    def has_seen_fact(self, name: str) -> bool:
        """Whether `set_fact_once` has nothing to do for an event, by what this process knows."""
        return name in self._facts_set

    def set_fact(self, name: str, value: str) -> None:
        """Writes a fact, even if runs are not recorded."""
        self.database.run_or_default(
            lambda c: c.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value)), None
        )

    # ------------------------------------------------------------ the journal's id

    def journal_id(self) -> str:
        """The journal's random id. It is stored in the file, so copies share it. Raises
        JournalError."""
        query = f"SELECT value FROM facts WHERE name = '{JOURNAL_ID_FACT}'"
        with self.database.connection() as connection:
            row = connection.execute(query).fetchone()
            if row is None:
                self._create_id(connection)
                row = connection.execute(query).fetchone()
        return str(row[0])

    def _create_id(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute(
                f"INSERT OR IGNORE INTO facts VALUES ('{JOURNAL_ID_FACT}', ?)", (_random_id(),)
            )
        except sqlite3.OperationalError as error:
            raise JournalError(
                f"the journal {self.path} can't be written ({error}): it has no id yet",
                "set ORCH_HOME to a folder of your own",
            ) from error

    def renew_journal_id(self, old: str) -> str:
        """Replaces the id `old`, unless another process has; returns the current id. Raises
        JournalError."""
        with self.database.connection() as connection:
            connection.execute(
                f"UPDATE facts SET value = ? WHERE name = '{JOURNAL_ID_FACT}' AND value = ?",
                (_random_id(), old),
            )
        return self.journal_id()

    def has_run(self, seq: int, run_id: str) -> bool:
        """Whether the journal contains that row, or did before the run was forgotten. Raises
        JournalError."""
        query = (
            "SELECT 1 FROM runs WHERE seq = ? AND run_id = ?"
            " UNION SELECT 1 FROM forgotten WHERE run_id = ?"
        )
        with self.database.connection() as connection:
            return connection.execute(query, (seq, run_id, run_id)).fetchone() is not None

    # ------------------------------------------------------------ metadata of models

    def model_info(self, digests: Sequence[str]) -> dict[str, ModelInfo]:
        """The stored metadata of models, by digest."""

        def read(connection: sqlite3.Connection) -> dict[str, ModelInfo]:
            marks = ",".join("?" * len(digests))
            rows = connection.execute(
                f"SELECT digest, info FROM model_info WHERE digest IN ({marks})", tuple(digests)
            )
            parsed = ((digest, _parse_info(json.loads(text))) for digest, text in rows)
            return {digest: info for digest, info in parsed if info is not None}

        return self.database.run_or_default(read, {}) if digests else {}

    def save_model_info(self, digest: str, info: ModelInfo) -> None:
        """Stores a model's metadata; the time of its first sighting is kept."""
        query = (
            "INSERT INTO model_info VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET info = excluded.info"
        )
        values = (digest, time.time(), _to_json(info._asdict()))
        self.database.run_or_default(lambda c: c.execute(query, values), None)

    def digests_first_seen(self, since: float, grace_s: float) -> frozenset[str]:
        """The digests that were first seen since a time, without those seen within `grace_s` after
        the first of all."""
        query = (
            "SELECT digest FROM model_info"
            " WHERE at > ? AND at > (SELECT min(at) FROM model_info) + ?"
        )
        return frozenset(row["digest"] for row in self.database.rows(query, (since, grace_s)))


def _parse_info(data: dict[str, Any]) -> ModelInfo | None:
    """Parses stored metadata; None if another version of orch stored other fields, so that the
    provider is asked again."""
    if data.keys() != set(ModelInfo._fields):
        return None
    capabilities = data.pop("capabilities")
    return ModelInfo(capabilities=tuple(capabilities) if capabilities is not None else None, **data)


def _random_id() -> str:
    """Starts with a letter, so that it is never taken for a number."""
    return f"j{os.urandom(6).hex()}"


# json.dumps makes an encoder for each call
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
