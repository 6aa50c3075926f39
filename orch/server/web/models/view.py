"""The Models view: what is installed and loaded, downloads, speed and quality, and which models the
router can select."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from starlette.requests import Request

from orch.config.edit.file_change import FileChange
from orch.config.edit.models import propose_listing
from orch.config.urls import display_url
from orch.errors import OrchError
from orch.execution.pulling import pull_targets
from orch.execution.recommending.machine import capacity_of
from orch.execution.recommending.report import report_on
from orch.providers.kinds import KINDS
from orch.routing.catalog import new_digests, performance_table
from orch.routing.machine.device_wording import DeviceLine, device_lines
from orch.routing.model_entry import model_entry
from orch.routing.no_candidate import embedded_install_commands
from orch.routing.recommendations.recommend import Wishes
from orch.routing.registry import Inventory
from orch.server.downloads import Downloads
from orch.server.service import Service
from orch.server.web.components.errors import original
from orch.server.web.components.i18n import N_
from orch.server.web.components.page import Page, content, loading, open_page, with_notification
from orch.server.web.models.diff import confirm_change
from orch.server.web.models.heatmap import draw_heatmaps
from orch.server.web.models.list import ModelList
from orch.server.web.models.memory_bar import MemoryBar
from orch.server.web.models.pull import PullPanel
from orch.server.web.models.recommended import RecommendedModels

POLL_S = 5
"""How often the state is refreshed while the page is visible."""


async def models_view(request: Request, service: Service) -> None:
    """Draws the view."""
    page = open_page(request, service, N_("Models"))
    state = request.app.state
    if not hasattr(state, "pulls"):
        state.pulls = Downloads(service)  # the server's: a download goes on when the page is closed
    with content():
        TextElement(tag="h1", text=page("Models"))
        ModelsView(page, state.pulls).open()


class ModelsView:
    """The view of one open page. Its parts only draw; actions happen here, by the library's
    functions."""

    def __init__(self, page: Page, pulls: Downloads) -> None:
        self._page, self._service, self._pulls = page, page.service, pulls
        self._root = ui.element("div").classes("orch-models")
        self._is_drawn = False
        self._drawn_unreachable: dict[str, str] = {}
        self._unreachable: ui.element
        self._memory: MemoryBar
        self._models: ModelList
        self._downloads: PullPanel
        self._recommended: RecommendedModels
        self._heatmaps: ui.element

    def open(self) -> None:
        """Loads once the browser is connected, then refreshes the state regularly."""
        ui.timer(0, self._load, once=True)
        ui.on("orch-models-look", self._poll)
        # a timer of the browser's, which knows whether the page is visible
        ui.run_javascript(
            f'setInterval(() => document.hidden || emitEvent("orch-models-look"), {POLL_S * 1000})'
        )

    async def _load(self) -> None:
        async with loading(self._page, self._root, self._load):
            self._service.invalidate_inventory()
            survey, new, devices = await self._read()
            self._draw()
            self._is_drawn = True
            self._show(survey, new, devices)
        if self._is_drawn:
            await self._recommend(survey)
            await self._measure(survey)

    def _draw(self) -> None:
        """Draws the empty parts from top to bottom."""
        self._unreachable = ui.element("div").classes("orch-models-part")
        self._memory = MemoryBar(self._page)
        self._downloads = PullPanel(self._page, self._pulls, self.handler, self.refresh)
        self._recommended = RecommendedModels(self._page, self._downloads.begin)
        self._models = ModelList(self._page, self.move, self._downloads.begin, self.propose)
        self._heatmaps = ui.element("section").classes("orch-card orch-models-part")

    async def _read(self) -> tuple[Inventory, frozenset[str], list[DeviceLine]]:
        """The models, the digests of those that are new, and the memory of each device."""
        runtime = self._service.orchestrator.runtime
        survey = await runtime.registry.snapshot(with_unlisted=True)
        memory = await runtime.registry.devices(survey)
        devices = device_lines(memory, self._page) if memory else []
        return survey, await asyncio.to_thread(new_digests, runtime.journal), devices

    def _show(self, survey: Inventory, new: frozenset[str], devices: Sequence[DeviceLine]) -> None:
        runtime = self._service.orchestrator.runtime
        self._show_unreachable(survey)
        self._memory.show(self._service.scheduler.status()["memory"], devices)
        self._models.show(survey, runtime, new)
        self._downloads.show(list(pull_targets(runtime.providers)))

    async def refresh(self) -> None:
        """Asks the providers again and shows the new state."""
        self._service.invalidate_inventory()
        await self._poll()
        if self._is_drawn and not self._root.is_deleted:
            await self._recommend((await self._read())[0])

    async def _poll(self) -> None:
        """Shows the state as last read from the providers, which may be a moment old."""
        if self._is_drawn:
            survey, new, devices = await self._read()
            if not self._root.is_deleted:
                with self._root:
                    self._show(survey, new, devices)

    async def _recommend(self, survey: Inventory) -> None:
        """Draws the recommendations: they read the devices and the journal."""
        async with loading(self._page, self._recommended.body, lambda: self._recommend(survey)):
            runtime = self._service.orchestrator.runtime
            capacity = await capacity_of(runtime, survey)
            report = await asyncio.to_thread(report_on, runtime, survey, capacity, Wishes())
            self._recommended.show(report)

    async def _measure(self, survey: Inventory) -> None:
        """Draws the heat maps last: reading them takes the longest."""
        async with loading(self._page, self._heatmaps, lambda: self._measure(survey)):
            self._service.write_pending_runs()
            runtime = self._service.orchestrator.runtime
            rows = await asyncio.to_thread(
                performance_table, survey, runtime.journal, runtime.estimator
            )
            draw_heatmaps(self._page, rows)

    def _show_unreachable(self, survey: Inventory) -> None:
        """Shows which providers can't be reached, and why. Drawn only when that changes, because
        screen readers announce it each time."""
        if self._drawn_unreachable == dict(survey.unreachable):
            return
        self._drawn_unreachable = dict(survey.unreachable)
        self._unreachable.clear()
        with self._unreachable:
            for name, why in survey.unreachable.items():
                self._draw_unreachable(name, why, survey.hints.get(name, ""))

    def _draw_unreachable(self, name: str, why: str, english_hint: str) -> None:
        page = self._page
        with ui.column().classes("orch-failed").props("role=alert"):
            if page.translator.language == "en":
                ui.label(page("Provider {name} is not available: {why}", name=name, why=why))
            else:
                ui.label(page("Provider {name} is not available.", name=name))
            is_english = page.translator.language == "en"
            hint = (english_hint if is_english else "") or self._hint(name)
            ui.label(hint).classes("orch-hint orch-lines")
            if page.translator.language != "en":
                original(page.translator, why)

    def _hint(self, provider: str) -> str:
        page, known = self._page, self._service.config.models.providers.get(provider)
        if known is None or not KINDS[known.kind].is_server:
            return "\n".join(embedded_install_commands())
        if KINDS[known.kind].start_command:
            return page("Start it with: {command}", command=KINDS[known.kind].start_command)
        return page(
            "Start the server at {address}", address=", ".join(map(display_url, known.urls))
        )

    # ---------------------------------------------------------------- actions

    def handler(self, action: Callable[[], Awaitable[str | None]]) -> Callable[[], Awaitable[None]]:
        """An event handler that goes on when the button that started it is deleted."""
        notifying = with_notification(self._page, action)

        async def handle() -> None:
            with self._root:
                await notifying()

        return handle

    async def move(self, name: str, *, out: bool) -> None:
        """Loads a model, or unloads it."""

        async def act() -> str:
            self._service.invalidate_inventory()
            loader = self._service.orchestrator.runtime.loader
            await (loader.unload if out else loader.load)(name)
            page, model = self._page, name.partition("/")[2]
            return (
                page("{model} is unloaded.", model=model)
                if out
                else page("{model} is loaded.", model=model)
            )

        await self.handler(act)()
        await self.refresh()

    async def propose(self) -> None:
        """Shows the change to models.yaml, and saves it when it is confirmed."""

        async def act() -> str | None:
            pending = self._models.pending_change()
            change = await asyncio.to_thread(
                propose_listing,
                self._service.config_dir,
                [model_entry(state) for state in pending.listed],
                pending.dropped,
                pending.unlisted,
            )
            return await self._save(change) if await confirm_change(self._page, change) else None

        await self.handler(act)()

    async def _save(self, change: FileChange) -> str:
        await asyncio.to_thread(change.write)
        await self._service.reload()
        fault: OrchError | None = self._service.config_fault
        if fault is not None:
            raise fault
        self._models.discard_pending()
        await self.refresh()
        await self._measure((await self._read())[0])
        return self._page("models.yaml saved")
