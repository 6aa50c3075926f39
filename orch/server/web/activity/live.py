"""The runs that are running or waiting now, refreshed every second while the page is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.server.service import Service
from orch.server.web.components.page import Page, empty_state
from orch.server.web.components.reasons import render_reasons
from orch.server.web.components.tables import text_element

REFRESH_S = 1.0
MAX_SHOWN = 10


class ActiveRun(NamedTuple):
    """An active run. `position` is 0 unless it waits; `seconds` is how long it has run or waited,
    None while its model is being chosen."""

    run_id: str
    provider: str
    model: str
    client: str
    position: int
    batch: bool
    reasons: Sequence[Mapping[str, Any]]
    """Why it waits, as JSON-able values."""
    seconds: float | None


def active_runs(service: Service) -> list[ActiveRun]:
    """The runs that are running, those that wait in the order of their start, and those whose
    model is being chosen."""
    running, waiting = [], []
    for provider, queue in service.scheduler.status()["providers"].items():
        running += [_active_run(provider, entry) for entry in queue["running"]]
        waiting += [_active_run(provider, entry) for entry in queue["waiting"]]
    known = {run.run_id for run in (*running, *waiting)}
    undecided = [
        ActiveRun(run_id, "", "", "", 0, False, (), None)
        for run_id in service.running
        if run_id not in known
    ]
    return [*running, *waiting, *undecided]


def _active_run(provider: str, entry: dict[str, Any]) -> ActiveRun:
    return ActiveRun(
        run_id=entry["run_id"],
        provider=provider,
        model=entry["model"],
        client=entry["client"],
        position=entry.get("position", 0),
        batch=entry.get("priority") == "batch",
        reasons=entry.get("reasons", ()),
        seconds=entry["for_s"] if "for_s" in entry else entry["waited_s"],
    )


class LiveRuns:
    """Draws the list of active runs. `on_end`, where it is set, is called with the number of runs
    that have ended since the last refresh."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.on_end: Callable[[int], None] | None = None
        self._drawn: list[ActiveRun] | None = None
        self._times: list[TextElement] = []
        with ui.element("section").classes("orch-card orch-live"):
            with ui.element("div").classes("orch-activity-head"):
                text_element("h2", page("Now"))
                self._count = text_element("span", "", "orch-dim").props("role=status")
            self._body = ui.element("div")
        ui.timer(REFRESH_S, self.refresh)

    def refresh(self) -> None:
        """Draws the list again if it has changed, else only updates the seconds."""
        runs = active_runs(self._page.service)
        before, without_times = self._drawn, [run._replace(seconds=None) for run in runs]
        if before != without_times:
            self._drawn = without_times
            self._draw(runs)
            ended = {run.run_id for run in before or ()} - {run.run_id for run in runs}
            if ended and self.on_end is not None:
                self.on_end(len(ended))
        for element, run in zip(self._times, runs, strict=False):
            element.text = self._seconds(run)

    def _draw(self, runs: list[ActiveRun]) -> None:
        page, waiting = self._page, sum(run.position > 0 for run in runs)
        self._count.text = ""
        self._body.clear()
        self._times = []
        with self._body:
            if not runs:
                hint = page("Runs of all clients are listed here while they are answered.")
                empty_state("hourglass_empty", page("Nothing is running."), hint)
                return
            self._count.text = page(
                "{running} running, {waiting} waiting",
                running=page.number(len(runs) - waiting),
                waiting=page.number(waiting),
            )
            with ui.element("ul").classes("orch-live-list") as list_element:
                list_element.props["aria-label"] = page("Active runs")
                for run in runs[:MAX_SHOWN]:
                    self._draw_run(run)
            if len(runs) > MAX_SHOWN:
                rest = page.number(len(runs) - MAX_SHOWN)
                text_element("p", page("and {number} more", number=rest), "orch-dim")

    def _draw_run(self, run: ActiveRun) -> None:
        page = self._page
        client = page("client {name}", name=run.client) if run.client else ""
        details = " · ".join(
            filter(None, (render_reasons(page.translator, run.reasons), client, run.provider))
        )
        with ui.element("li").classes("orch-live-one"):
            text_element(
                "span", self._state(run), "orch-live-state" + (" waits" if run.position else "")
            )
            text_element("span", run.model or "…", "orch-live-model")
            self._times.append(text_element("span", self._seconds(run), "orch-live-time"))
            text_element("span", details, "orch-dim orch-live-more")

    def _state(self, run: ActiveRun) -> str:
        page = self._page
        if run.seconds is None:
            return page("choosing a model")
        if not run.position:
            return page("answering")
        position = page.number(run.position)
        if run.batch:
            return page("waiting, position {position}, batch", position=position)
        return page("waiting, position {position}", position=position)

    def _seconds(self, run: ActiveRun) -> str:
        if run.seconds is None:
            return ""
        return self._page("{seconds} s", seconds=self._page.number(run.seconds))
