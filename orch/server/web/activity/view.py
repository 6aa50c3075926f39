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
from orch.server.web.activity.history import RunHistory
from orch.server.web.activity.live import LiveRuns
from orch.server.web.activity.queries import RunFilter
from orch.server.web.activity.run import RunView
from orch.server.web.components.page import Page, content, open_page
from orch.server.web.components.tables import text_element

SPANISH: dict[str, str] = {
    **activity_charts.SPANISH,
    **activity_history.SPANISH,
    **activity_live.SPANISH,
    **run.SPANISH,
    "Activity": "Actividad",
    "History": "Historial",
    "Figures": "Cifras",
}


async def activity_view(request: Request, service: Service) -> None:
    """Draws it."""
    page = open_page(request, service, "Activity", SPANISH)
    run_id = request.query_params.get("run", "")
    with content():
        if run_id:
            RunView(page, run_id)
            return
        text_element("h1", page("Activity"))
        live = LiveRuns(page)
        with ui.element("section").classes("orch-card orch-activity"):
            live.ended = _tabs(page, RunFilter.from_query(request.query_params))


def _tabs(page: Page, wish: RunFilter) -> Callable[[int], None]:
    """The history, and the figures once they are looked at; what is given back takes how many runs
    have ended."""
    with ui.tabs().props("dense no-caps align=left") as tabs:
        past = ui.tab("history", page("History"))
        ui.tab("figures", page("Figures"))
    with ui.tab_panels(tabs, value=past).props("keep-alive"):
        with ui.tab_panel(past):
            history = RunHistory(page, wish)
        with ui.tab_panel("figures"):
            charts = Charts(page)
    tabs.on_value_change(lambda event: charts.load() if event.value == "figures" else None)
    return history.count_ended
