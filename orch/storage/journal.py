"""Every run as it ended, and what the machine measured: rows in, rows out."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orch.errors import JournalError
from orch.storage.database import database_at, insert_row
from orch.storage.feedback import FeedbackStore
from orch.storage.schema import MIGRATIONS
from orch.storage.sqlite_file import transaction
from orch.storage.timings import TimingStore
from orch.text.redact import Redactor
from orch.types import Attempt, ModelInfo

TURN_CONDITION = (
    "task IS NOT NULL AND (status IN ('ok', 'interrupted') OR (status = 'failed' AND answer != ''))"
)
"""The runs that are turns of a conversation: also one that was interrupted, and one that failed
after it gave text."""


DAY_S = 86_400
JOURNAL_ID_FACT = "journal_id"
"""The fact that holds the journal's own id."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything the journal keeps of one run. `at` is seconds since the epoch."""

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


class Journal:
    """The journal of one machine. Opens at first use; safe between threads and processes.

    What goes wrong with the file never fails a run: it is said in `warnings`, and the run goes on
    without.
    """

    def __init__(
        self,
        path: Path,
        redactor: Redactor,
        mode: str = "full",
        keep_s: int = 365 * 86400,
        *,
        lately_s: float = 0.0,
    ) -> None:
        self.path, self.mode = path, mode
        self.database = database_at(path, MIGRATIONS, "the journal", keeps_copies=True)
        self.feedback = FeedbackStore(self.database, redactor, mode, lately_s)
        self.timings = TimingStore(self.database)
        self._redactor, self._keep_s = redactor, keep_s
        self._happened: set[str] = set()

    @property
    def warnings(self) -> list[str]:
        """What went wrong with the file so far."""
        return self.database.warnings

    def open(self) -> None:
        """Opens the file, for who has nothing to tell without it. Raises JournalError where it
        can't be read."""
        self.database.open()

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        self.database.close()

    # ------------------------------------------------------------ writing

    def record(self, run: RunRecord) -> bool:
        """Writes one run and its attempts; whether it now stands there. Never raises."""
        return self.record_all([run])

    def record_all(self, runs: Sequence[RunRecord]) -> bool:
        """Writes runs and their attempts in one transaction; whether they now stand there. A file
        that fails is a warning."""
        try:
            return self.write(runs)
        except (sqlite3.Error, JournalError) as error:
            self.database.add_warning(error)
            return False

    def write(self, runs: Sequence[RunRecord]) -> bool:
        """The same, but raises JournalError and sqlite3.Error."""
        if self.mode == "off":
            return False
        rows = [
            (
                self._row(run),
                [self._attempt_row(run, n, attempt) for n, attempt in enumerate(run.attempts)],
            )
            for run in runs
        ]

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                for row, attempts in rows:
                    insert_row(connection, "runs", row)
                    for attempt in attempts:
                        insert_row(connection, "attempts", attempt)
                self._prune(connection, runs[-1].at)

        self.database.run(write)
        return True

    def _row(self, run: RunRecord) -> dict[str, Any]:
        row = {name: getattr(run, name) for name in RunRecord.__slots__ if name != "attempts"}
        texts = {
            "task": run.task,
            "system": run.system,
            "answer": run.answer,
            "messages": (
                [message for message in run.messages if message.get("role") != "system"] or None
            ),
            "error": run.error,
        }
        clean = {name: self._redactor.redact_all(text) for name, text in texts.items()}
        row["redacted"] = int(clean != texts)
        # names that a client gives: a session's may be its key
        row |= {
            "session": self._redactor.redact_name(run.session),
            "model": self._redactor.redact(run.model or "") or None,
        }
        if self.mode == "meta":
            clean.update(task=None, system=None, answer=None, messages=None, error=None)
        decision = _json(self._clean(run.decision)) if run.decision else None
        packed = {
            "messages": _json(clean["messages"]) if clean["messages"] else None,
            "decision": decision,
        }
        return {
            **row,
            **clean,
            **packed,
            "remember": int(run.remember),
            "degraded": int(run.degraded),
        }

    def _clean(self, decision: dict[str, Any]) -> dict[str, Any]:
        """A decision holds no texts of people; what a server said may stand in its reasons."""
        said = "\n".join(
            str(each.get(name) or "")
            for each in (decision, *decision["candidates"])
            for name in ("reason", "eliminated", "model_id", "id")
        )
        return (
            decision if self._redactor.redact(said) == said else self._redactor.redact_all(decision)
        )

    def _attempt_row(self, run: RunRecord, n: int, attempt: Attempt) -> dict[str, Any]:
        row = {name: getattr(attempt, name) for name in Attempt.__slots__ if name != "offset"}
        # a server may repeat the key, or the prompt, in what it says
        row["message"] = None if self.mode == "meta" else self._redactor.redact(attempt.message)
        row["model"] = self._redactor.redact(attempt.model)
        return {
            **row,
            "offset_chars": attempt.offset,
            "run_id": run.run_id,
            "n": n,
            "at": run.at,
            "task_type": run.task_type,
        }

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        """Once a day, deletes the runs that are older than `keep`, as seen from the last run before
        today.

        So a clock that jumps years ahead deletes nothing on that day: it takes two runs on
        different days.
        """
        last = connection.execute("SELECT value FROM facts WHERE name='pruned_at'").fetchone()
        if last and abs(now - float(last[0])) < DAY_S:
            return
        before = connection.execute(
            "SELECT max(at) FROM runs WHERE at < ?", (now - now % DAY_S,)
        ).fetchone()[0]
        if before is not None:
            connection.execute("DELETE FROM attempts WHERE at < ?", (before - self._keep_s,))
            connection.execute("DELETE FROM runs WHERE at < ?", (before - self._keep_s,))
        connection.execute("INSERT OR REPLACE INTO facts VALUES ('pruned_at', ?)", (str(now),))

    def fact(self, name: str) -> str | None:
        """A fact about this machine, such as `real_model_answered`."""
        row = self.database.run_or_default(
            lambda c: c.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone(), None
        )
        return str(row[0]) if row else None

    def set_fact_once(self, name: str) -> None:
        """Writes down when something happened for the first time."""
        if name not in self._happened and self.fact(name) is None:
            self.set_fact(name, str(time.time()))
        self._happened.add(name)

    def set_fact(self, name: str, value: str) -> None:
        """Writes a fact; written even where runs are not recorded."""
        self.database.run_or_default(
            lambda c: c.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value)), None
        )

    # ------------------------------------------------------------ whose it is

    def journal_id(self) -> str:
        """The journal's own id: made once by chance, kept with the file, and so by its copies.
        Raises JournalError."""
        query = f"SELECT value FROM facts WHERE name = '{JOURNAL_ID_FACT}'"
        with self.database.connection() as connection:
            row = connection.execute(query).fetchone()
            if row is None:
                self._begin_identity(connection)
                row = connection.execute(query).fetchone()
        return str(row[0])

    def _begin_identity(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute(
                f"INSERT OR IGNORE INTO facts VALUES ('{JOURNAL_ID_FACT}', ?)", (_new_identity(),)
            )
        except sqlite3.OperationalError as error:
            raise JournalError(
                f"the journal {self.path} can't be written ({error}): it has no id yet",
                "set ORCH_HOME to a folder of your own",
            ) from error

    def renew_journal_id(self, old: str) -> str:
        """Another id in the place of that one; the one that another process put there, where it was
        first. Raises JournalError."""
        with self.database.connection() as connection:
            connection.execute(
                f"UPDATE facts SET value = ? WHERE name = '{JOURNAL_ID_FACT}' AND value = ?",
                (_new_identity(), old),
            )
        return self.journal_id()

    def has_run(self, seq: int, run_id: str) -> bool:
        """Whether a row of that number and run is there, or was forgotten. Raises JournalError."""
        query = (
            "SELECT 1 FROM runs WHERE seq = ? AND run_id = ? UNION SELECT 1 FROM forgotten WHERE"
            " run_id = ?"
        )
        with self.database.connection() as connection:
            return connection.execute(query, (seq, run_id, run_id)).fetchone() is not None

    # ------------------------------------------------------------ what is known of models

    def model_info(self, digests: Sequence[str]) -> dict[str, ModelInfo]:
        """What providers said about models, by digest: asked once, then read from here."""

        def read(connection: sqlite3.Connection) -> dict[str, ModelInfo]:
            marks = ",".join("?" * len(digests))
            rows = connection.execute(
                f"SELECT digest, info FROM model_info WHERE digest IN ({marks})", tuple(digests)
            )
            return {
                digest: info
                for digest, text in rows
                if (info := _info(json.loads(text))) is not None
            }

        return self.database.run_or_default(read, {}) if digests else {}

    def save_model_info(self, digest: str, info: ModelInfo) -> None:
        """Keeps what a provider said about a model."""
        self.database.run_or_default(
            # the time stays that at which the model was first seen
            lambda c: c.execute(
                "INSERT INTO model_info VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET info ="
                " excluded.info",
                (digest, time.time(), _json(asdict(info))),
            ),
            None,
        )

    # ------------------------------------------------------------ reading

    def attempts(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Every attempt since a time, oldest first, with its run's task type."""
        return self.database.rows("SELECT * FROM attempts WHERE at >= ? ORDER BY id", (since,))

    def runs(self, since: float = 0.0, limit: int = -1) -> list[dict[str, Any]]:
        """Runs since a time, newest first."""
        return self.database.rows(
            "SELECT * FROM runs WHERE at >= ? ORDER BY seq DESC LIMIT ?", (since, limit)
        )

    def outcomes(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Client, status and tokens of the runs since a time, without their texts."""
        return self.database.rows(
            "SELECT client, status, prompt_tokens, completion_tokens FROM runs WHERE at >= ?",
            (since,),
        )

    def attempts_of(self, run_id: str) -> list[dict[str, Any]]:
        """The attempts of one run, in order."""
        return self.database.rows("SELECT * FROM attempts WHERE run_id = ? ORDER BY n", (run_id,))

    def turns(self, session: str, limit: int) -> list[dict[str, Any]]:
        """The turns of a session, newest first. An interrupted one has the text that had come, or
        none."""
        return self.database.rows(
            "SELECT status, task, answer, redacted FROM runs WHERE session = ? AND"
            f" {TURN_CONDITION} ORDER BY seq DESC LIMIT ?",
            (self._redactor.redact_name(session), limit),
        )

    def latest_session(self) -> str | None:
        """The session of the last run that is a turn; a run without one begins it. None without any
        run."""

        def find(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                f"SELECT run_id, session FROM runs WHERE {TURN_CONDITION} AND face != 'memory'"
                " ORDER BY seq DESC LIMIT 1"
            ).fetchone()
            if row and row[1] is None:
                connection.execute("UPDATE runs SET session = run_id WHERE run_id = ?", (row[0],))
            return str(row[1] or row[0]) if row else None

        return self.database.run_or_default(find, None)

    def find_run(self, name: str) -> dict[str, Any] | None:
        """The run whose id begins so, or for `last` the last one that was answered; None where
        there is none, or several."""
        if name == "last":
            rows = self.database.rows(
                "SELECT * FROM runs WHERE status = 'ok' AND face != 'memory' ORDER BY seq DESC"
                " LIMIT 1",
                (),
            )
        else:
            rows = self.database.rows(
                "SELECT * FROM runs WHERE substr(run_id, 1, ?) = ? LIMIT 2", (len(name), name)
            )
        return rows[0] if len(rows) == 1 else None

    def last_routed_turn(self, session: str) -> dict[str, Any] | None:
        """Type, status, model and provider of the last turn of a session for which a model was
        chosen."""
        query = (
            "SELECT task_type, status, model, provider FROM runs WHERE session = ? AND"
            f" {TURN_CONDITION} AND model IS NOT NULL ORDER BY seq DESC LIMIT 1"
        )
        rows = self.database.rows(query, (self._redactor.redact_name(session),))
        return rows[0] if rows else None

    def count(self) -> int:
        """How many runs it holds. Raises JournalError where it can't be read."""
        return int(
            self.database.run(lambda c: c.execute("SELECT count(*) FROM runs").fetchone())[0]
        )


# ---------------------------------------------------------------- rows


def is_turn(row: Mapping[str, Any]) -> bool:
    """What `TURN` asks, of a row of `runs`."""
    return row["status"] in ("ok", "interrupted") or (
        row["status"] == "failed" and bool(row["answer"])
    )


def decode_run(row: dict[str, Any]) -> dict[str, Any]:
    """A run's row with its messages and decision as values."""
    return {
        **row,
        **{name: json.loads(row[name]) if row[name] else None for name in ("messages", "decision")},
    }


def _info(data: dict[str, Any]) -> ModelInfo | None:
    """What was kept, or None where another version of orch kept it and knew of other facts: it is
    asked again then."""
    if data.keys() != set(ModelInfo.__slots__):
        return None
    capabilities = data.pop("capabilities")
    return ModelInfo(capabilities=tuple(capabilities) if capabilities is not None else None, **data)


def _new_identity() -> str:
    """Begins with a letter, so that no number is taken for one."""
    return f"j{os.urandom(6).hex()}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
