"""The view `Models`: what is installed and loaded, how fast and good it is, what is fetched, and
which may be routed to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from starlette.requests import Request

from orch.config.edit_models import ModelsChange, propose_listing, write_change
from orch.config.urls import display_url
from orch.errors import OrchError
from orch.execution.lifecycle import load, unload
from orch.execution.pulling import pull_targets
from orch.providers.kinds import KINDS
from orch.routing.catalog import new_digests, performance_table
from orch.routing.no_candidate import embedded_install_commands
from orch.routing.registry import Inventory
from orch.server.downloads import Downloads
from orch.server.service import Service
from orch.server.web.components.page import Page, content, loading, open_page, with_notification
from orch.server.web.models import heatmap
from orch.server.web.models.diff import confirm_change
from orch.server.web.models.es import SPANISH
from orch.server.web.models.list import ModelList
from orch.server.web.models.memory_bar import MemoryBar
from orch.server.web.models.pull import PullPanel

__all__ = ["SPANISH", "models_view"]
POLL_S = 5
"""How often the memory is looked at while the page is in view."""


async def models_view(request: Request, service: Service) -> None:
    """Draws it."""
    page = open_page(request, service, "Models", SPANISH)
    state = request.app.state
    if not hasattr(state, "pulls"):
        state.pulls = Downloads(service)  # of the server, so that a page that is left ends none
    with content():
        TextElement(tag="h1", text=page("Models"))
        ModelsView(page, state.pulls).open()


class ModelsView:
    """One open page of it. The parts know how to show; what is done is done here, by the library's
    functions."""

    def __init__(self, page: Page, pulls: Downloads) -> None:
        self._page, self._service, self._pulls = page, page.service, pulls
        self._root = ui.element("div").classes("orch-models")
        self._is_drawn = False
        self._said_down: dict[str, str] = {}
        self._down: ui.element
        self._memory: MemoryBar
        self._listing: ModelList
        self._fetching: PullPanel
        self._heat: ui.element

    def open(self) -> None:
        """Loads once the browser is there, and looks at the memory again and again."""
        ui.timer(0, self._load, once=True)
        ui.on("orch-models-look", self._look)
        # by the browser, which alone knows whether somebody sees the page
        ui.run_javascript(
            f'setInterval(() => document.hidden || emitEvent("orch-models-look"), {POLL_S * 1000})'
        )

    async def _load(self) -> None:
        async with loading(self._page, self._root, self._load):
            self._service.invalidate_inventory()
            survey, new = await self._known()
            self._draw()
            self._is_drawn = True
            self._show(survey, new)
        if self._is_drawn:
            await self._measure(survey)

    def _draw(self) -> None:
        """The parts, from the top: what is wrong, memory, fetching, the list, figures."""
        self._down = ui.element("div").classes("orch-models-part")
        self._memory = MemoryBar(self._page)
        self._fetching = PullPanel(self._page, self._pulls, self.handler, self.refresh)
        self._listing = ModelList(self._page, self.move, self._fetching.begin, self.propose)
        self._heat = ui.element("section").classes("orch-card orch-models-part")

    async def _known(self) -> tuple[Inventory, frozenset[str]]:
        """What is there, and which of it is new."""
        runtime = self._service.orchestrator.runtime
        survey = await runtime.registry.snapshot(with_unlisted=True)
        return survey, await asyncio.to_thread(new_digests, runtime)

    def _show(self, survey: Inventory, new: frozenset[str]) -> None:
        runtime = self._service.orchestrator.runtime
        self._show_down(survey)
        self._memory.show(self._service.gate.status()["memory"])
        self._listing.show(survey, runtime, new)
        self._fetching.show(list(pull_targets(runtime)))

    async def refresh(self) -> None:
        """Shows what is there now."""
        self._service.invalidate_inventory()
        await self._look()

    async def _look(self) -> None:
        """The same, lightly: what another asked a moment ago will do."""
        if self._is_drawn:
            survey, new = await self._known()
            if not self._root.is_deleted:
                with self._root:
                    self._show(survey, new)

    async def _measure(self, survey: Inventory) -> None:
        """The figures, which take the longest, come last."""
        async with loading(self._page, self._heat, lambda: self._measure(survey)):
            self._service.write_pending_runs()
            rows = await asyncio.to_thread(
                performance_table, self._service.orchestrator.runtime, survey
            )
            heatmap.draw_heatmaps(self._page, rows)

    def _show_down(self, survey: Inventory) -> None:
        """Which provider can't be reached, why, and what to do. Drawn again only where that
        changed: a reader is told each time."""
        if self._said_down == dict(survey.unreachable):
            return
        self._said_down = dict(survey.unreachable)
        self._down.clear()
        with self._down:
            for name, why in survey.unreachable.items():
                with ui.column().classes("orch-failed").props("role=alert"):
                    ui.label(self._page("Provider {name} can't be used: {why}", name=name, why=why))
                    ui.label(self._hint(name)).classes("orch-hint orch-models-lines")

    def _hint(self, provider: str) -> str:
        known = self._service.config.models.providers.get(provider)
        if known is None or not KINDS[known.kind].is_server:
            return "\n".join(embedded_install_commands())
        if KINDS[known.kind].start_command:
            return self._page("Start it with: ollama serve")
        return self._page(
            "Start the server at {address}", address=", ".join(map(display_url, known.urls))
        )

    # ---------------------------------------------------------------- what is done

    def handler(self, action: Callable[[], Awaitable[str | None]]) -> Callable[[], Awaitable[None]]:
        """An action that outlives the button it was begun by."""
        act = with_notification(self._page, action)

        async def acted() -> None:
            with self._root:
                await act()

        return acted

    async def move(self, name: str, *, out: bool) -> None:
        """Loads a model, or unloads it."""

        async def moved() -> str:
            self._service.invalidate_inventory()
            said = await (unload if out else load)(self._service.orchestrator.runtime, name)
            return said

        await self.handler(moved)()
        await self.refresh()

    async def propose(self) -> None:
        """Shows what would stand in models.yaml, and writes it when that is wished."""

        async def changed() -> str | None:
            wish = self._listing.pending_change()
            change = await asyncio.to_thread(
                propose_listing, self._service.config_dir, wish.listed, wish.dropped, wish.unlisted
            )
            return await self._saved(change) if await confirm_change(self._page, change) else None

        await self.handler(changed)()

    async def _saved(self, change: ModelsChange) -> str:
        await asyncio.to_thread(write_change, change)
        await self._service.reload()
        fault: OrchError | None = self._service.config_fault
        if fault is not None:
            raise fault
        self._listing.discard_pending()
        await self.refresh()
        await self._measure((await self._known())[0])
        return self._page("models.yaml is written")
