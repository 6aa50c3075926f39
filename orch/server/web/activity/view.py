"""The Activity view: what runs now, past runs and statistics; with `?run=` a single run."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from starlette.requests import Request

from orch.server.service import Service
from orch.server.web.activity.charts import Charts
from orch.server.web.activity.history import RunHistory
from orch.server.web.activity.live import LiveRuns
from orch.server.web.activity.queries import RunFilter
from orch.server.web.activity.run import RunView
from orch.server.web.components.i18n import N_
from orch.server.web.components.page import Page, content, open_page
from orch.server.web.components.tables import text_element


async def activity_view(request: Request, service: Service) -> None:
    """Draws the view."""
    page = open_page(request, service, N_("Activity"))
    run_id = request.query_params.get("run", "")
    with content():
        if run_id:
            RunView(page, run_id)
            return
        text_element("h1", page("Activity"))
        live = LiveRuns(page)
        with ui.element("section").classes("orch-card orch-activity"):
            live.on_end = _draw_tabs(page, RunFilter.from_query(request.query_params))


def _draw_tabs(page: Page, run_filter: RunFilter) -> Callable[[int], None]:
    """Draws the history, and the statistics once their tab is opened. Returns the function that
    counts runs that have ended."""
    with ui.tabs().props("dense no-caps align=left") as tabs:
        history_tab = ui.tab("history", page("History"))
        ui.tab("figures", page("Statistics"))
    with ui.tab_panels(tabs, value=history_tab).props("keep-alive"):
        with ui.tab_panel(history_tab):
            history = RunHistory(page, run_filter)
        with ui.tab_panel("figures"):
            charts = Charts(page)
    tabs.on_value_change(lambda event: charts.load() if event.value == "figures" else None)
    return history.count_ended
