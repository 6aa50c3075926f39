"""The models of the Models view: their state, their actions, and whether models.yaml lists them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.execution.runtime import Runtime
from orch.providers import Loads, Pulls
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.routing.wording import made_for
from orch.server.web.components.labels import CAPABILITIES, label, strength_label
from orch.server.web.components.page import Page, empty_state
from orch.server.web.models.aliases import aliases_by_model
from orch.server.web.models.model_state import context_text, is_missing, where_text
from orch.types import ModelKey


class MoveModel(Protocol):
    """Loads a model given as PROVIDER/ID, or unloads it."""

    async def __call__(self, name: str, *, out: bool) -> None:
        """Shows the outcome as a notification."""


class ListingChange(NamedTuple):
    """A change to models.yaml: models to add, models to remove, and the `unlisted` key."""

    listed: list[ModelState]
    dropped: list[ModelKey]
    unlisted: Literal["use", "ignore"]


class ModelList:
    """Draws every model as a row. Rows are updated in place, so that the focus stays."""

    def __init__(
        self,
        page: Page,
        move: MoveModel,
        download: Callable[[str, str], None],
        propose: Callable[[], Awaitable[None]],
    ) -> None:
        self._page, self._move, self._download = page, move, download
        self._rows: dict[ModelKey, _Row] = {}
        self._drawn: list[ModelKey] | None = None
        self._states: dict[ModelKey, ModelState] = {}
        self._pending: dict[ModelKey, bool] = {}
        self._pending_unlisted: bool | None = None
        self._active_unlisted = True
        with ui.element("section").classes("orch-card orch-models-part"):
            TextElement(tag="h2", text=page("All models"))
            hint = page("Listed models are in models.yaml and can be selected by the router.")
            ui.label(hint).classes("orch-hint")
            self._body = ui.element("div").classes("orch-models-list").props("role=list")
            self._auto_names = ui.label().classes("orch-dim orch-models-aliases")
            self._switch = ui.switch(
                page("The router can also select unlisted models"),
                on_change=lambda event: self._set_unlisted(event.value),
            )
            with ui.row().classes("orch-models-actions"):
                self._draw_buttons(propose)

    def _draw_buttons(self, propose: Callable[[], Awaitable[None]]) -> None:
        page = self._page
        self._show_changes = ui.button(
            page("Show the changes to models.yaml"), on_click=propose, color=None
        )
        self._show_changes.props("unelevated no-caps").classes("orch-models-main")
        self._undo = ui.button(page("Undo"), on_click=self._undo_changes).props("flat no-caps")

    # ---------------------------------------------------------------- state

    def show(self, survey: Inventory, runtime: Runtime, new: frozenset[str]) -> None:
        """Shows the models as they are now; changes that are not saved yet are kept."""
        self._states = {state.key: state for state in survey.states}
        self._active_unlisted = survey.use_unlisted
        if self._drawn != list(self._states):
            self._draw()
        providers = runtime.providers.items()
        movable = {name for name, provider in providers if isinstance(provider, Loads)}
        pulling = {name for name, provider in providers if isinstance(provider, Pulls)}
        pulling -= set(survey.unreachable)
        aliases = aliases_by_model(survey)
        self._auto_names.text = self._auto_text(aliases.get(None, ()))
        self._auto_names.set_visibility(bool(self._auto_names.text))
        for key, row in self._rows.items():
            state = self._states[key]
            row.show(
                state,
                aliases.get(key, ()),
                is_new=state.digest in new,
                can_move=key[0] in movable,
                can_download=key[0] in pulling,
            )
        self._show_pending()

    def _auto_text(self, names: Sequence[str]) -> str:
        page = self._page
        return page("Other names of auto: {names}", names=", ".join(names)) if names else ""

    def _draw(self) -> None:
        self._body.clear()
        self._rows.clear()
        self._drawn = list(self._states)
        page = self._page
        with self._body:
            for state in self._states.values():
                self._rows[state.key] = _Row(page, state, self)
            if not self._states:
                hint = page("Download one above, for example qwen3:4b")
                empty_state("inventory_2", page("No models yet"), hint)

    # ---------------------------------------------------------------- pending changes

    def discard_pending(self) -> None:
        """Forgets the changes: they were saved or undone."""
        self._pending.clear()
        self._pending_unlisted = None

    def pending_change(self) -> ListingChange:
        """The changes that are not saved yet."""
        states = self._states
        listed = [
            states[key]
            for key, is_listed in self._pending.items()
            if is_listed and key in states and states[key].unlisted
        ]
        dropped = [
            key
            for key, is_listed in self._pending.items()
            if not is_listed and key in states and not states[key].unlisted
        ]
        return ListingChange(listed, dropped, "use" if self.uses_unlisted else "ignore")

    @property
    def uses_unlisted(self) -> bool:
        """Whether the router can select unlisted models, with pending changes applied."""
        return self._active_unlisted if self._pending_unlisted is None else self._pending_unlisted

    def is_listed(self, key: ModelKey) -> bool:
        """Whether a model is listed, with pending changes applied."""
        return self._pending.get(key, not self._states[key].unlisted)

    def set_listed(self, key: ModelKey, listed: bool) -> None:
        """Adds a model to the list, or removes it, as a pending change."""
        if listed != self.is_listed(key):
            self._pending[key] = listed
            self._show_pending()

    def _set_unlisted(self, uses_unlisted: bool) -> None:
        if uses_unlisted != self.uses_unlisted:
            self._pending_unlisted = uses_unlisted
            self._show_pending()

    def _undo_changes(self) -> None:
        self.discard_pending()
        self._show_pending()

    def _show_pending(self) -> None:
        change = self.pending_change()
        self._switch.value = self.uses_unlisted
        for key, row in self._rows.items():
            listed = self.is_listed(key)
            row.show_listed(listed=listed, selectable=listed or self.uses_unlisted)
        has_changes = bool(change.listed or change.dropped)
        has_changes = has_changes or self.uses_unlisted != self._active_unlisted
        self._show_changes.set_enabled(has_changes)
        self._undo.set_enabled(has_changes)

    # ---------------------------------------------------------------- actions

    async def move(self, state: ModelState) -> None:
        """Loads the model, or unloads it if it is loaded."""
        await self._move("/".join(state.key), out=bool(state.resident))

    def download(self, state: ModelState) -> None:
        """Starts to download the model."""
        self._download(state.spec.id, state.spec.provider)


class _Row:
    """The row of one model."""

    def __init__(self, page: Page, state: ModelState, models: ModelList) -> None:
        self._page, self._state, self._models = page, state, models
        self._drawn_chips: tuple[str, ...] = ()
        with ui.element("div").classes("orch-models-row").props("role=listitem"):
            with ui.element("div").classes("orch-models-about"):
                with ui.element("div").classes("orch-models-names"):
                    ui.label(state.spec.label).classes("orch-models-name")
                    if state.spec.label != state.spec.id:
                        ui.label(state.spec.id).classes("orch-dim")
                self._chips = ui.element("div").classes("orch-models-chips")
                self._facts = ui.label().classes("orch-dim")
            with ui.element("div").classes("orch-models-does"):
                self._draw_controls()

    def _draw_controls(self) -> None:
        page, spec, key = self._page, self._state.spec, self._state.key
        self._listed = ui.checkbox(
            page("Listed"), on_change=lambda event: self._models.set_listed(key, event.value)
        )
        name = page("Listed in models.yaml: {name}", name=spec.label)
        self._listed.props["aria-label"] = name
        self._selectable = ui.label().classes("orch-dim orch-models-routed")
        self._button = ui.button(on_click=self._act).props("outline no-caps dense")
        self._button.classes("orch-models-move")

    def show(
        self,
        state: ModelState,
        aliases: Sequence[str],
        *,
        is_new: bool,
        can_move: bool,
        can_download: bool,
    ) -> None:
        """Shows the model as it is now."""
        self._state = state
        self._show_chips(self._chip_texts(is_new))
        self._facts.text = self._facts_text(aliases)
        downloads = can_download and is_missing(state)
        moves = can_move and state.unavailable is None and not state.remote_host
        self._button.set_visibility(downloads or moves)
        self._show_button(downloads)

    def _show_chips(self, texts: tuple[str, ...]) -> None:
        if texts != self._drawn_chips:
            self._drawn_chips = texts
            self._chips.clear()
            with self._chips:
                for text in texts:
                    ui.label(text).classes("orch-models-chip")

    def _show_button(self, downloads: bool) -> None:
        page = self._page
        text = page("Unload") if self._state.resident else page("Load")
        text = page("Download") if downloads else text
        if self._button.text != text:
            self._button.text = text
            self._button.props["aria-label"] = f"{text}: {self._state.spec.label}"

    def show_listed(self, *, listed: bool, selectable: bool) -> None:
        """Shows whether the model is listed and can be selected, with pending changes applied."""
        page, capabilities = self._page, self._state.capabilities
        text = page("can be selected") if selectable else page("not selected")
        if capabilities is not None and "completion" not in capabilities:
            text = page(
                "made for {tasks}, not for chat", tasks=made_for(sorted(capabilities), page)
            )
        if capabilities == frozenset({"embedding"}):
            text = page("embeddings only")
        if self._state.is_remote_denied:
            text = page("not selected: models.yaml does not set remote: allow")
        self._listed.value = listed
        if self._selectable.text != text:
            self._selectable.text = text

    async def _act(self) -> None:
        if self._state.unavailable:
            self._models.download(self._state)
            return
        self._button.props("loading")
        try:
            await self._models.move(self._state)
        finally:
            if not self._button.is_deleted:
                self._button.props(remove="loading")

    def _chip_texts(self, is_new: bool) -> tuple[str, ...]:
        state, page = self._state, self._page
        marks = {
            page("unlisted"): state.unlisted,
            page("new"): is_new,
            page("last resort"): state.spec.last_resort,
        }
        return (where_text(page, state), *(text for text, applies in marks.items() if applies))

    def _facts_text(self, aliases: Sequence[str]) -> str:
        """Provider, size, context, capabilities, strengths and aliases in one line."""
        state, page = self._state, self._page
        parts = [state.spec.provider]
        if state.size_bytes:
            parts.append(f"{page.number(state.size_bytes / 1e9, 1)} GB")
        parts.append(context_text(page, state))
        capabilities = sorted((state.capabilities or frozenset()) - {"completion"})
        parts.append(", ".join(label(page, CAPABILITIES, each) for each in capabilities))
        if state.spec.strengths:
            strengths = ", ".join(strength_label(page, each) for each in state.spec.strengths)
            parts.append(page("strengths: {strengths}", strengths=strengths))
        if aliases:
            parts.append(page("other names: {names}", names=", ".join(aliases)))
        return " · ".join(filter(None, parts))
