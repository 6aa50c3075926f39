"""Downloads of the Models view: a form for the model's name, and the progress of each download."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.server.downloads import Download, Downloads
from orch.server.web.components.errors import PageError, error_box
from orch.server.web.components.i18n import N_
from orch.server.web.components.labels import label
from orch.server.web.components.page import Page
from orch.server.web.models.fit_text import forecast_line
from orch.types import ModelKey

POLL_S = 0.4
STEPS = {
    "pulling manifest": N_("Reading the manifest…"),
    "verifying sha256 digest": N_("Verifying the download…"),
    "writing manifest": N_("Writing the manifest…"),
    "removing any unused layers": N_("Removing unused layers…"),
    "removing unused layers": N_("Removing unused layers…"),
    "success": N_("Installed."),
}
"""What Ollama reports while it downloads a model."""
Handler = Callable[[Callable[[], Awaitable[str | None]]], Callable[[], Awaitable[None]]]


class PullPanel:
    """Draws the form and the server's downloads, which are polled while one is active."""

    def __init__(
        self,
        page: Page,
        pulls: Downloads,
        handler: Handler,
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._page, self._pulls, self._refresh = page, pulls, refresh
        self._shown: dict[ModelKey, _PullRow] = {}
        with ui.element("section").classes("orch-card orch-models-part"):
            TextElement(tag="h2", text=page("Download a model"))
            with ui.element("div").classes("orch-models-fetch") as self._form:
                self._draw_form(handler(self._submitted))
            none = page("models.yaml has no Ollama provider to download models to.")
            self._none = ui.label(none).classes("orch-hint")
            self._body = ui.element("div").classes("orch-models-part")
            self._timer = ui.timer(POLL_S, self._poll, active=True)

    def _draw_form(self, submit: Callable[[], Awaitable[None]]) -> None:
        page = self._page
        self._name = ui.input(page("Name, for example qwen3:4b")).props("outlined dense")
        self._name.classes("orch-models-input").on("keydown.enter", submit)
        self._provider = ui.select([], label=page("Provider")).props("outlined dense")
        self._provider.classes("orch-models-where-to")
        button = ui.button(page("Download"), on_click=submit, color=None)
        button.props("unelevated no-caps").classes("orch-models-main")

    def show(self, providers: list[str]) -> None:
        """Shows the Ollama providers; with several, one can be selected."""
        self._form.set_visibility(bool(providers))
        self._none.set_visibility(not providers)
        if self._provider.options != providers:
            self._provider.set_options(providers, value=next(iter(providers), None))
        self._provider.set_visibility(len(providers) > 1)

    def begin(self, model: str, provider: str) -> None:
        """Starts a download and shows its progress."""
        self._pulls.start(model, provider)
        self._timer.activate()

    async def _submitted(self) -> str | None:
        name = str(self._name.value or "").strip()
        if not name:
            raise PageError(self._page("Enter the model's name first"))
        self._name.value = ""
        self.begin(name, str(self._provider.value))
        return None

    async def _poll(self) -> None:
        """Draws what has changed; stops polling while no download is active."""
        has_ended = False
        known = self._pulls.by_model
        for key in [key for key, row in self._shown.items() if known.get(key) is not row.pull]:
            self._shown.pop(key).row.delete()
        for key, pull in known.items():
            if key not in self._shown:
                with self._body:
                    self._shown[key] = _PullRow(self._page, pull, self)
            has_ended = self._shown[key].show() or has_ended
        if not any(pull.is_active for pull in known.values()):
            self._timer.deactivate()
        if has_ended:
            await self._refresh()

    def stop_or_close(self, pull: Download) -> None:
        """Cancels an active download; removes one that has ended."""
        if self._pulls.by_model.get(pull.key) is pull:
            if pull.is_active:
                self._pulls.cancel(pull.key)
            else:
                self._pulls.dismiss(pull.key)
        self._timer.activate()

    def go_on(self, pull: Download) -> None:
        """Continues a download that was cancelled or failed."""
        self.begin(pull.key.model, pull.key.provider)


class _PullRow:
    """One download, active or ended."""

    def __init__(self, page: Page, pull: Download, panel: PullPanel) -> None:
        self._page, self.pull, self._panel, self._has_ended = page, pull, panel, False
        with ui.element("div").classes("orch-models-pulled").props("role=group") as self.row:
            self.row.props["aria-label"] = pull.key[1]
            with ui.element("div").classes("orch-models-pull-head"):
                ui.label(pull.key[1]).classes("orch-models-name")
                with ui.row().classes("orch-models-actions") as self._actions:
                    self._button = ui.button(
                        page("Cancel"), on_click=lambda: panel.stop_or_close(pull)
                    ).props("flat no-caps dense")
            self._forecast = ui.label().classes("orch-hint")
            self._forecast.set_visibility(False)
            self._bar = ui.linear_progress(0, size="10px", show_value=False)
            self._bar.classes("orch-models-progress").props["aria-label"] = page("Progress")
            self._text = ui.label().props("role=status").classes("orch-dim")

    def show(self) -> bool:
        """Shows the progress; returns whether the download has ended since the last call."""
        if self._has_ended:
            return False
        self._show_forecast()
        self._show_progress()
        if self.pull.is_active:
            return False
        self._has_ended = True
        self._button.text = self._page("Close")
        self._show_end()
        return True

    def _show_forecast(self) -> None:
        forecast = self.pull.forecast
        if forecast is not None and not self._forecast.visible:
            self._forecast.text = forecast_line(self._page, forecast)
            self._forecast.set_visibility(True)

    def _show_progress(self) -> None:
        page = self._page
        status, done, total = self.pull.progress
        self._bar.value = done / total if total else 0
        step = label(page, STEPS, status) or page("Starting…")
        self._text.text = self._amount_text(done, total) if total else step

    def _show_end(self) -> None:
        if self.pull.is_cancelled:
            amount = self._text.text if self.pull.progress.total_bytes else ""
            said = self._page("Cancelled; what came is kept.")
            self._text.text = " · ".join(filter(None, (amount, said)))
            self._offer_to_go_on()
            return
        self._bar.delete()
        if self.pull.error is None:
            self._text.text = self._page("Installed.")
            return
        self._text.delete()
        with self.row:
            error_box(self._page.translator, self.pull.error)
        self._offer_to_go_on()

    def _offer_to_go_on(self) -> None:
        with self._actions:
            again = ui.button(self._page("Continue"), on_click=lambda: self._panel.go_on(self.pull))
            again.props("flat no-caps dense")

    def _amount_text(self, done: int, total: int) -> str:
        page = self._page
        unit, factor = ("GB", 1e9) if total >= 1e9 else ("MB", 1e6)
        amount = page(
            "{done} of {total}",
            done=page.number(done / factor, 1),
            total=page.number(total / factor, 1),
        )
        return f"{amount} {unit} · {page.number(100 * done / total)} %"
