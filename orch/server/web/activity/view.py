"""The view `Activity`: what runs now, what ran, and what it adds up to; with `?run=` one run
whole."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from starlette.requests import Request

from orch.server.service import Service
from orch.server.web.activity import charts as activity_charts
from orch.server.web.activity import history as activity_history
from orch.server.web.activity import live as activity_live
from orch.server.web.activity import run
from orch.server.web.activity.charts import Charts
from orch.server.web.activity.history import History
from orch.server.web.activity.live import Live
from orch.server.web.activity.queries import Wish
from orch.server.web.activity.run import OneRun
from orch.server.web.components.page import Page, content, opened
from orch.server.web.components.tables import text

SPANISH: dict[str, str] = {
    **activity_charts.SPANISH,
    **activity_history.SPANISH,
    **activity_live.SPANISH,
    **run.SPANISH,
    "Activity": "Actividad",
    "History": "Historial",
    "Figures": "Cifras",
}


async def view(request: Request, service: Service) -> None:
    """Draws it."""
    page = opened(request, service, "Activity", SPANISH)
    run_id = request.query_params.get("run", "")
    with content():
        if run_id:
            OneRun(page, run_id)
            return
        text("h1", page("Activity"))
        live = Live(page)
        with ui.element("section").classes("orch-card orch-activity"):
            live.ended = _tabs(page, Wish.of(request.query_params))


def _tabs(page: Page, wish: Wish) -> Callable[[int], None]:
    """The history, and the figures once they are looked at; what is given back takes how many runs
    have ended."""
    with ui.tabs().props("dense no-caps align=left") as tabs:
        past = ui.tab("history", page("History"))
        ui.tab("figures", page("Figures"))
    with ui.tab_panels(tabs, value=past).props("keep-alive"):
        with ui.tab_panel(past):
            history = History(page, wish)
        with ui.tab_panel("figures"):
            charts = Charts(page)
    tabs.on_value_change(lambda event: charts.load() if event.value == "figures" else None)
    return history.told
