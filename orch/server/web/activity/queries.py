"""The journal queries of the Activity view, in a worker thread."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from orch.errors import JournalError, OrchError
from orch.server.service import Service
from orch.storage.history import OUTCOMES, History, RunPage
from orch.storage.stats import by_model, cold_loads, count_fallbacks, percentile

PAGE_ROWS = 50
_T = TypeVar("_T")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunFilter:
    """The runs that the history shows; empty fields match all runs. `page` counts from 1."""

    outcome: str = ""
    task_type: str = ""
    model: str = ""
    text: str = ""
    page: int = 1

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> RunFilter:
        """The filter of a URL's query; invalid values are ignored."""
        page, outcome = query.get("page", ""), query.get("outcome", "")
        number = int(page) if page.isdecimal() and len(page) < 9 else 1
        return cls(
            outcome if outcome in OUTCOMES else "",
            query.get("type", ""),
            query.get("model", ""),
            query.get("text", ""),
            max(number, 1),
        )

    @property
    def url(self) -> str:
        """The view's URL with this filter."""
        page = str(self.page) if self.page > 1 else ""
        values = {
            "outcome": self.outcome,
            "type": self.task_type,
            "model": self.model,
            "text": self.text,
            "page": page,
        }
        query = urlencode({name: value for name, value in values.items() if value})
        return f"/activity?{query}" if query else "/activity"

    @property
    def is_active(self) -> bool:
        """Whether any runs are filtered out."""
        return bool(self.outcome or self.task_type or self.model or self.text)


@dataclass(frozen=True, slots=True)
class ActivityFigures:
    """The statistics of a period: `models` as returned by orch.storage.stats, `fallbacks` as counts
    of (failed model, code, next model), `loads` in seconds by model."""

    models: dict[str, Row]
    fallbacks: Counter[tuple[str, str, str]]
    loads: dict[str, list[float]]
    runs: int
    cached: int
    cache: Row


async def read_history(service: Service, read: Callable[[History], _T]) -> _T:
    """Calls `read` in a worker thread. Raises OrchError if runs are not recorded or the journal
    can't be read."""
    journal = service.orchestrator.runtime.journal
    if journal.mode == "off":
        raise OrchError(
            "runs are not recorded: journal.mode is off in routing.yaml",
            "set journal: {mode: meta} to keep times without texts",
            code="not_kept",
        )
    result = await service.read_history(read)
    if warnings := journal.database.warnings:
        raise JournalError("; ".join(warnings), "orch health shows what is wrong")
    return result


def list_runs(history: History, run_filter: RunFilter) -> RunPage:
    """One page of the runs that match the filter."""
    return history.page(
        outcome=run_filter.outcome,
        task_type=run_filter.task_type,
        model=run_filter.model,
        text=run_filter.text,
        limit=PAGE_ROWS,
        offset=(run_filter.page - 1) * PAGE_ROWS,
    )


def activity_figures(history: History, since_s: float, cache: Callable[[], Row]) -> ActivityFigures:
    """Figures of the last `since_s` seconds; 0 means all."""
    since = time.time() - since_s if since_s else 0.0
    attempts, (runs, cached) = history.attempts(since), history.count_since(since)
    return ActivityFigures(
        by_model(attempts), count_fallbacks(attempts), cold_loads(attempts), runs, cached, cache()
    )


def median(values: Sequence[float]) -> float:
    """The median as in orch.storage.stats; 0 if there are no values."""
    return percentile(values, 50) or 0.0
