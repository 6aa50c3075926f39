"""What runs and what waits now, looked at every second while the page is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.server.service import Service
from orch.server.web.components.page import Page, empty_state
from orch.server.web.components.tables import text_element

SPANISH = {
    "Now": "Ahora",
    "{running} running, {waiting} waiting": "{running} en marcha, {waiting} en espera",
    "Nothing is running.": "No hay nada en marcha.",
    "Questions of every client show here while they are answered.": (
        "Aquí se ven las preguntas de todos los clientes mientras se responden."
    ),
    "answering": "respondiendo",
    "being decided": "decidiéndose",
    "waiting, place {place}": "en espera, puesto {place}",
    "waiting, place {place}, batch": "en espera, puesto {place}, por lotes",
    "{seconds} s": "{seconds} s",
    "client {name}": "cliente {name}",
    "and {number} more": "y {number} más",
    "Runs under way": "Ejecuciones en curso",
}
REFRESH_S = 1.0
MAX_SHOWN = 10


class ActiveRun(NamedTuple):
    """One run under way. `position` is 0 unless it waits; `seconds` it has run or waited, None
    while it is being decided."""

    run_id: str
    provider: str
    model: str
    client: str
    position: int
    batch: bool
    reason: str
    seconds: float | None


def active_runs(service: Service) -> list[ActiveRun]:
    """Those that run, those that wait in the order in which they get in, and those that stand at no
    provider yet."""
    running, waiting = [], []
    for provider, lane in service.gate.status()["providers"].items():
        running += [_place(provider, each) for each in lane["running"]]
        waiting += [_place(provider, each) for each in lane["waiting"]]
    known = {each.run_id for each in (*running, *waiting)}
    return [
        *running,
        *waiting,
        *(
            ActiveRun(run_id, "", "", "", 0, False, "", None)
            for run_id in service.running
            if run_id not in known
        ),
    ]


def _place(provider: str, each: dict[str, Any]) -> ActiveRun:
    batch = each.get("priority") == "batch"
    seconds = each["for_s"] if "for_s" in each else each["waited_s"]
    return ActiveRun(
        each["run_id"],
        provider,
        each["model"],
        each["client"],
        each.get("position", 0),
        batch,
        each.get("reason", ""),
        seconds,
    )


class LiveRuns:
    """The list of runs under way. `ended`, where it is set, is called with how many of them are
    there no more."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.ended: Callable[[int], None] | None = None
        self._drawn: list[ActiveRun] | None = None
        self._times: list[TextElement] = []
        with ui.element("section").classes("orch-card orch-live"):
            with ui.element("div").classes("orch-activity-head"):
                text_element("h2", page("Now"))
                self._count = text_element("span", "", "orch-dim").props("role=status")
            self._place = ui.element("div")
        ui.timer(REFRESH_S, self.refresh)

    def refresh(self) -> None:
        """Draws the list anew if it is another one; else only the seconds go on."""
        now = active_runs(self._page.service)
        before, timeless = self._drawn, [each._replace(seconds=None) for each in now]
        if before != timeless:
            self._drawn = timeless
            self._draw(now)
            gone = {each.run_id for each in before or ()} - {each.run_id for each in now}
            if gone and self.ended is not None:
                self.ended(len(gone))
        for time, each in zip(self._times, now, strict=False):
            time.text = self._seconds(each)

    def _draw(self, now: list[ActiveRun]) -> None:
        page, waiting = self._page, sum(each.position > 0 for each in now)
        self._count.text = (
            page(
                "{running} running, {waiting} waiting", running=len(now) - waiting, waiting=waiting
            )
            if now
            else ""
        )
        self._place.clear()
        self._times = []
        with self._place:
            if not now:
                empty_state(
                    "hourglass_empty",
                    page("Nothing is running."),
                    page("Questions of every client show here while they are answered."),
                )
                return
            with ui.element("ul").classes("orch-live-list") as shown:
                shown.props["aria-label"] = page("Runs under way")
                for each in now[:MAX_SHOWN]:
                    self._row(each)
            if len(now) > MAX_SHOWN:
                text_element(
                    "p",
                    page("and {number} more", number=page.translator.number(len(now) - MAX_SHOWN)),
                    "orch-dim",
                )

    def _row(self, each: ActiveRun) -> None:
        page = self._page
        with ui.element("li").classes("orch-live-one"):
            text_element(
                "span", self._state(each), "orch-live-state" + (" waits" if each.position else "")
            )
            text_element("span", each.model or "…", "orch-live-model")
            self._times.append(text_element("span", self._seconds(each), "orch-live-time"))
            said = (
                page.reason(each.reason),
                page("client {name}", name=each.client) if each.client else "",
                each.provider,
            )
            text_element("span", " · ".join(filter(None, said)), "orch-dim orch-live-more")

    def _state(self, each: ActiveRun) -> str:
        if each.seconds is None:
            return self._page("being decided")
        if not each.position:
            return self._page("answering")
        said = (
            self._page("waiting, place {place}, batch")
            if each.batch
            else self._page("waiting, place {place}")
        )
        return said.format(place=each.position)

    def _seconds(self, each: ActiveRun) -> str:
        return (
            ""
            if each.seconds is None
            else self._page("{seconds} s", seconds=self._page.translator.number(each.seconds))
        )
