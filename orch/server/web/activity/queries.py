"""What the view `Activity` reads from the journal, in a thread and through a connection of its own,
so that no run waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from orch.errors import JournalError, OrchError
from orch.server.service import Service
from orch.storage.journal import Journal, decode_run
from orch.storage.stats import by_model, percentile
from orch.storage.timings import COLD_LOAD_S
from orch.text.redact import Redactor
from orch.types import display_names

PAGE_ROWS = 50
TASK_CHARS = 200
OUTCOME_CONDITIONS = {
    "ok": "status = 'ok'",
    "failed": "status = 'failed'",
    "interrupted": "status = 'interrupted'",
    "cache": "source = 'cache'",
    "fallback": "(SELECT count(*) FROM attempts WHERE attempts.run_id = runs.run_id) > 1",
}
"""What a person may ask the history for, as SQL."""
_COLUMNS = (
    "run_id, at, face, status, task_type, model, source, error_code, degraded, completion_tokens,"
    " ttft_s, total_s"
)
_RUNS = "face != 'memory'"
_T = TypeVar("_T")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs the history shows; empty is all of them. `page` counts from 1."""

    outcome: str = ""
    task_type: str = ""
    model: str = ""
    text: str = ""
    page: int = 1

    @classmethod
    def from_query(cls, asked: Mapping[str, str]) -> RunFilter:
        """The wish in a page's address; what is no wish is left out."""
        page = asked.get("page", "")
        outcome = asked.get("outcome", "")
        number = int(page) if page.isdecimal() and len(page) < 9 else 1
        return cls(
            outcome if outcome in OUTCOME_CONDITIONS else "",
            asked.get("type", ""),
            asked.get("model", ""),
            asked.get("text", ""),
            max(number, 1),
        )

    @property
    def url(self) -> str:
        """The page's address with it."""
        page = str(self.page) if self.page > 1 else ""
        asked = {
            "outcome": self.outcome,
            "type": self.task_type,
            "model": self.model,
            "text": self.text,
            "page": page,
        }
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"/activity?{query}" if query else "/activity"

    @property
    def is_active(self) -> bool:
        """Whether it leaves any run out."""
        return bool(self.outcome or self.task_type or self.model or self.text)


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of the history, newest first; `total` is how many runs there are, `models` all that
    answered any, whatever is wished."""

    rows: list[Row]
    total: int
    models: list[str]


@dataclass(frozen=True, slots=True)
class ActivityFigures:
    """What a period adds up to. `models` as orch.storage.stats gives it; `fallbacks` counts (failed
    model, code, next model); loads in seconds by model."""

    models: dict[str, Row]
    fallbacks: Counter[tuple[str, str, str]]
    loads: dict[str, list[float]]
    runs: int
    cached: int
    cache: Row


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run whole; `ratings` are the user's and derived scores, `corrected` is the type that the
    user gave it."""

    run: Row
    attempts: list[Row]
    ratings: list[Row]
    corrected: str


async def read_journal(service: Service, read: Callable[[Journal], _T]) -> _T:
    """What `read` finds. Raises OrchError where runs are not recorded, or the journal can't be
    read."""
    kept = service.orchestrator.runtime.journal
    if kept.mode == "off":
        raise OrchError(
            "runs are not recorded: journal.mode is off in routing.yaml",
            "set journal: {mode: meta} to keep times without texts",
            code="not_kept",
        )

    def work() -> _T:
        service.write_pending_runs()
        with closing(Journal(kept.path, Redactor({}), kept.mode)) as journal:
            found = read(journal)
            if journal.warnings:
                raise JournalError("; ".join(journal.warnings), "orch health shows what is wrong")
            return found

    return await asyncio.to_thread(work)


def list_runs(journal: Journal, wish: RunFilter) -> RunPage:
    """The runs of one page, without their texts but for the beginning of the task."""
    where, values = _where(wish)
    rows = journal.database.rows(
        f"SELECT {_COLUMNS}, substr(task, 1, {TASK_CHARS}) AS task, (SELECT count(*) FROM attempts"
        f" WHERE attempts.run_id = runs.run_id) AS attempts FROM runs WHERE {where} ORDER BY seq"
        f" DESC LIMIT {PAGE_ROWS} OFFSET ?",
        (*values, (wish.page - 1) * PAGE_ROWS),
    )
    counted = journal.database.rows(f"SELECT count(*) AS n FROM runs WHERE {where}", values)
    models = journal.database.rows(
        "SELECT DISTINCT model FROM runs WHERE model IS NOT NULL ORDER BY model"
    )
    return RunPage(rows, counted[0]["n"] if counted else 0, [row["model"] for row in models])


def _where(wish: RunFilter) -> tuple[str, list[Any]]:
    """What was added to memory stands among the runs, and is none."""
    parts, values = [_RUNS], list[Any]()
    if wish.outcome:
        parts.append(OUTCOME_CONDITIONS[wish.outcome])
    for column, value in (("task_type", wish.task_type), ("model", wish.model)):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if wish.text:
        parts.append(
            "(task LIKE ? ESCAPE '\\' OR answer LIKE ? ESCAPE '\\' OR run_id LIKE ? ESCAPE '\\')"
        )
        sought = wish.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values += [f"%{sought}%", f"%{sought}%", f"{sought}%"]
    return " AND ".join(parts), values


def activity_figures(journal: Journal, since_s: float, cache: Callable[[], Row]) -> ActivityFigures:
    """The last so many seconds; 0 is all there is."""
    since = time.time() - since_s if since_s else 0.0
    attempts = journal.attempts(since)
    runs = journal.database.rows(
        "SELECT count(*) AS n, coalesce(sum(source = 'cache'), 0) AS cached FROM runs WHERE at >="
        f" ? AND {_RUNS}",
        (since,),
    )
    counted = runs[0] if runs else {"n": 0, "cached": 0}
    return ActivityFigures(
        by_model(attempts),
        count_fallbacks(attempts),
        cold_loads(attempts),
        counted["n"],
        counted["cached"],
        cache(),
    )


def count_fallbacks(attempts: Sequence[Row]) -> Counter[tuple[str, str, str]]:
    """How often which model failed with which code and another took over. The attempts of a run
    stand in their order."""
    names = display_names((row["provider"], row["model"]) for row in attempts)
    last: dict[str, Row] = {}
    found: Counter[tuple[str, str, str]] = Counter()
    for row in attempts:
        before = last.get(row["run_id"])
        if before is not None:
            found[
                names[before["provider"], before["model"]],
                before["code"] or "",
                names[row["provider"], row["model"]],
            ] += 1
        last[row["run_id"]] = row
    return found


def cold_loads(attempts: Sequence[Row]) -> dict[str, list[float]]:
    """Seconds of every cold load by model."""
    names = display_names((row["provider"], row["model"]) for row in attempts)
    found: dict[str, list[float]] = {}
    for row in attempts:
        if (row["load_s"] or 0.0) > COLD_LOAD_S:
            found.setdefault(names[row["provider"], row["model"]], []).append(row["load_s"])
    return dict(sorted(found.items()))


def median(values: Sequence[float]) -> float:
    """As orch.storage.stats counts it."""
    return percentile(values, 50) or 0.0


def run_detail(journal: Journal, run_id: str) -> RunDetail | None:
    """The run whose id begins so; None where there is none, or several."""
    row = journal.find_run(run_id) if run_id else None
    if row is None:
        return None
    name = (row["run_id"],)
    ratings = journal.database.rows(
        "SELECT model, provider, score, kind FROM ratings WHERE run_id = ? ORDER BY id", name
    )
    corrections = journal.database.rows("SELECT task_type FROM corrections WHERE run_id = ?", name)
    return RunDetail(
        decode_run(row),
        journal.attempts_of(row["run_id"]),
        ratings,
        corrections[0]["task_type"] if corrections else "",
    )
