"""Fetching in the view `Models`: a name, and how far each model is that is being fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.errors import OrchError
from orch.server.downloads import Download, Downloads
from orch.server.web.components.page import Page, error_box
from orch.types import ModelKey

POLL_S = 0.4
Handler = Callable[[Callable[[], Awaitable[str | None]]], Callable[[], Awaitable[None]]]


class PullPanel:
    """The form, and the server's Pulls, which are looked at while one is under way."""

    def __init__(
        self, page: Page, pulls: Downloads, handler: Handler, refresh: Callable[[], Awaitable[None]]
    ) -> None:
        self._page, self._pulls, self._refresh = page, pulls, refresh
        self._shown: dict[ModelKey, _PullRow] = {}
        with ui.element("section").classes("orch-card orch-models-part"):
            TextElement(tag="h2", text=page("Fetch a model"))
            with ui.element("div").classes("orch-models-fetch") as self._form:
                self._name = (
                    ui.input(page("Name, such as qwen3:4b"))
                    .props("outlined dense")
                    .classes("orch-models-input")
                )
                self._name.on("keydown.enter", handler(self._asked))
                self._where = (
                    ui.select([], label=page("Provider"))
                    .props("outlined dense")
                    .classes("orch-models-where-to")
                )
                ui.button(page("Fetch"), on_click=handler(self._asked), color=None).props(
                    "unelevated no-caps"
                ).classes("orch-models-main")
            self._none = ui.label(
                page("models.yaml has no Ollama into which models could be fetched.")
            ).classes("orch-hint")
            self._place = ui.element("div").classes("orch-models-part")
            self._timer = ui.timer(POLL_S, self._tick, active=True)

    def show(self, providers: list[str]) -> None:
        """The Ollamas there are; which one is asked only where there are several."""
        self._form.set_visibility(bool(providers))
        self._none.set_visibility(not providers)
        if self._where.options != providers:
            self._where.set_options(providers, value=next(iter(providers), None))
        self._where.set_visibility(len(providers) > 1)

    def begin(self, model: str, provider: str) -> None:
        """Begins to fetch a model, and shows how far it is."""
        self._pulls.start(model, provider)
        self._timer.activate()

    async def _asked(self) -> str | None:
        name = str(self._name.value or "").strip()
        if not name:
            raise OrchError(self._page("Write the model's name first"))
        self._name.value = ""
        self.begin(name, str(self._where.value))
        return None

    async def _tick(self) -> None:
        """Draws what changed. Rests while nothing is under way."""
        ended = False
        for key in [
            key for key in self._shown if self._pulls.known.get(key) is not self._shown[key].pull
        ]:
            self._shown.pop(key).row.delete()
        for key, pull in self._pulls.known.items():
            if key not in self._shown:
                with self._place:
                    self._shown[key] = _PullRow(self._page, pull, self._dismiss)
            ended = self._shown[key].show() or ended
        if not any(pull.is_active for pull in self._pulls.known.values()):
            self._timer.deactivate()
        if ended:
            await self._refresh()

    def _dismiss(self, pull: Download) -> None:
        if self._pulls.known.get(pull.key) is pull:
            self._pulls.dismiss(pull.key)
        self._timer.activate()


class _PullRow:
    """One model that is being fetched, or was."""

    def __init__(self, page: Page, pull: Download, dismiss: Callable[[Download], None]) -> None:
        self._page, self.pull, self._is_over = page, pull, False
        with ui.element("div").classes("orch-models-pulled").props("role=group") as self.row:
            self.row.props["aria-label"] = pull.key[1]
            with ui.element("div").classes("orch-models-pull-head"):
                ui.label(pull.key[1]).classes("orch-models-name")
                self._button = ui.button(page("Cancel"), on_click=lambda: dismiss(pull)).props(
                    "flat no-caps dense"
                )
            self._bar = ui.linear_progress(0, size="10px", show_value=False).classes(
                "orch-models-progress"
            )
            self._bar.props["aria-label"] = page("Progress")
            self._text = ui.label().props("role=status").classes("orch-dim")

    def show(self) -> bool:
        """How far it is; whether it ended just now."""
        if self._is_over:
            return False
        if self.pull.is_active:
            self._show_progress()
            return False
        self._is_over = True
        self._bar.delete()
        self._button.text = self._page("Close")
        self._show_end()
        return True

    def _show_progress(self) -> None:
        status, done, total = self.pull.progress
        self._bar.value = done / total if total else 0
        self._text.text = self._amount(done, total) if total else status or self._page("It begins…")

    def _show_end(self) -> None:
        if self.pull.error is None:
            self._text.text = self._page("It is installed.")
            return
        self._text.delete()
        with self.row:
            error_box(self._page, self.pull.error)

    def _amount(self, done: int, total: int) -> str:
        unit, size = ("GB", 1e9) if total >= 1e9 else ("MB", 1e6)
        number = self._page.translator.number
        return (
            f"{self._page('{done} of {total}', done=number(done / size, 1), total=number(total / size, 1))}"
            f" {unit} · {number(100 * done / total)} %"
        )
