"""The Settings view: the routing weights, how they would have decided past runs, and saving them
to routing.yaml."""

from __future__ import annotations

import asyncio

from nicegui import background_tasks, ui
from starlette.requests import Request

from orch.config.spec import TERMS
from orch.errors import OrchError
from orch.server.service import Service
from orch.server.web.components.errors import PageError, error_box, original
from orch.server.web.components.i18n import N_
from orch.server.web.components.labels import PROFILES, label, term_label
from orch.server.web.components.page import Page, content, loading, open_page
from orch.server.web.components.tables import disclosure, html_table, text_element
from orch.server.web.settings.replay import Replayer
from orch.server.web.settings.replay_result import ReplayResult
from orch.server.web.settings.sliders import WeightSliders
from orch.server.web.settings.weights_file import SavePanel

DEBOUNCE_S = 0.3
"""How long the weights must stay the same before the journal is replayed."""
POLL_S = 1.0


async def settings_view(request: Request, service: Service) -> None:
    """Draws the view."""
    page = open_page(request, service, N_("Settings"))
    with content().classes("orch-settings-page"):
        SettingsView(page)


class SettingsView:
    """The view of one open page: the weights that are tried, the diff and the replay."""

    def __init__(self, page: Page) -> None:
        self._page, self._service = page, page.service
        self._active = page.service.config.routing.weights.as_dict()
        self._replayer = Replayer(page.service)
        self._pending: asyncio.Task[None] | None = None
        self._fault = page.service.config_fault
        self._is_shown = False
        text_element("h1", page("Routing weights"))
        self._state = ui.element("div").props("aria-live=polite")
        self._sliders = WeightSliders(page, self._active, self._changed)
        self._profiles = ui.element("div")
        self._save_panel = SavePanel(page)
        text_element("h2", page("Replay"))
        hint = page(
            "Decides every task in the journal again with the weights above. No model is run."
        )
        text_element("p", hint, "orch-dim")
        self._body = ui.element("div").classes("orch-settings-replay")
        self._result = ReplayResult(page, self._sliders.count, self._body)
        self._show_state()
        self._show_profiles()
        ui.timer(0.01, self._start, once=True)
        ui.timer(POLL_S, self._poll)
        ui.context.client.on_delete(self._stop)

    def _stop(self) -> None:
        self._replayer.stop()
        if self._pending is not None:
            self._pending.cancel()

    async def _start(self) -> None:
        """Reads the file and the journal, and replays."""
        await self._save_panel.read()
        self._show_diff()
        replayer, is_read = self._replayer, False
        self._is_shown = False
        async with loading(self._page, self._body, self._start):
            await replayer.open()
            is_read = True
        if is_read and replayer is self._replayer:
            await self._replay()

    # ---------------------------------------------------------------- changed weights

    def _changed(self) -> None:
        """Shows the diff at once; replays when the weights stay the same for a moment."""
        self._show_diff()
        self._stop()
        self._body.classes("orch-settings-stale")
        self._pending = background_tasks.create(self._replay_later(), name="replay")

    def _show_diff(self) -> None:
        self._save_panel.show(self._sliders.weights, adds_up=self._sliders.adds_up)

    async def _replay_later(self) -> None:
        await asyncio.sleep(DEBOUNCE_S)
        await self._replay()

    async def _replay(self) -> None:
        weights, replayer = dict(self._sliders.weights), self._replayer
        if self._is_shown:
            replay = await replayer.decided(weights)
        else:
            async with loading(self._page, self._body, self._start):
                replay = await replayer.decided(weights)
        if replay is None or replayer is not self._replayer or self._body.is_deleted:
            return
        self._result.show(replayer, replay, is_active=weights == self._active)
        self._is_shown = True
        self._body.classes(remove="orch-settings-stale")

    # ---------------------------------------------------------------- changed configuration

    async def _poll(self) -> None:
        """Follows the server's configuration, whether this page or an editor changed it."""
        fault, config = self._service.config_fault, self._service.config
        if fault is self._fault and config is self._replayer.config:
            return
        self._fault = fault
        self._show_state()
        if config is self._replayer.config:
            await self._save_panel.read()
            self._show_diff()
            return
        is_untouched = self._sliders.weights == self._active
        self._active = config.routing.weights.as_dict()
        self._sliders.initial = self._active
        self._show_profiles()
        self._replayer.stop()
        self._replayer = Replayer(self._service)
        if is_untouched:
            self._sliders.set_weights(self._active)
        await self._start()

    def _show_state(self) -> None:
        page, fault = self._page, self._fault
        self._state.clear()
        with self._state:
            if fault is None:
                text = page("Active configuration: {hash}.", hash=self._service.config.hash)
                text_element("p", text, "orch-dim")
            else:
                _draw_fault(page, fault)

    def _show_profiles(self) -> None:
        self._profiles.clear()
        with self._profiles:
            _draw_profiles(self._page)


def _draw_fault(page: Page, fault: OrchError) -> None:
    message = page(
        "The configuration on disk is not valid and not used. The last valid configuration stays"
        " active."
    )
    is_english = page.translator.language == "en"
    error_box(page.translator, PageError(message, fault.message if is_english else ""))
    if not is_english:
        original(page.translator, fault.message)


def _draw_profiles(page: Page) -> None:
    """Explains what the weights do not change."""
    routing = page.service.config.routing
    profiles = {"balanced": routing.weights} | dict(routing.profiles)
    rows = [
        (
            label(page, PROFILES, name),
            *(page.number(each, 2) for each in weights.as_dict().values()),
        )
        for name, weights in profiles.items()
    ]
    heads = (page("Profile"), *(term_label(page, term) for term in TERMS))
    with disclosure(page("Profiles and the dial")):
        text_element(
            "p", page("The weights above apply when no profile is requested (profile balanced).")
        )
        text_element(
            "p",
            page(
                "The profiles (--speed, --quality) have weights of their own, which this page does"
                " not change."
            ),
        )
        html_table(page("Profile weights"), heads, rows)
        text_element(
            "p",
            page(
                "The dial interpolates linearly from speed only (0) through the weights above (5)"
                " to quality only (10)."
            ),
        )
        text_element(
            "p", page("In the replay, runs that used the dial keep their original weights.")
        )
