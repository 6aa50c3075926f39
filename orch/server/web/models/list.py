"""The list of the view `Models`: each model's state, with what can be done to it, and which are to
be listed in models.yaml."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, Protocol

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.execution.runtime import Runtime
from orch.providers import Loads, Pulls
from orch.providers.remote_models import display_host
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.routing.registry import Inventory
from orch.server.web.components.page import Page, empty_state
from orch.types import ModelKey


class MoveModel(Protocol):
    """Loads a model by PROVIDER/ID, or unloads it."""

    async def __call__(self, name: str, *, out: bool) -> None:
        """Tells how it went."""


class ListingChange(NamedTuple):
    """What is to stand in models.yaml."""

    listed: list[ModelState]
    dropped: list[ModelKey]
    unlisted: Literal["use", "ignore"]


class ModelList:
    """Every model as a row. Rows stay where they are and change in place, so that the keyboard does
    not lose its place."""

    def __init__(
        self,
        page: Page,
        move: MoveModel,
        fetch: Callable[[str, str], None],
        propose: Callable[[], Awaitable[None]],
    ) -> None:
        self._page, self._move, self._fetch = page, move, fetch
        self._rows: dict[ModelKey, _Row] = {}
        self._drawn: list[ModelKey] | None = None
        self._states: dict[ModelKey, ModelState] = {}
        self._wanted: dict[ModelKey, bool] = {}
        self._take_part: bool | None = None
        self._in_force = True
        with ui.element("section").classes("orch-card orch-models-part"):
            TextElement(tag="h2", text=page("All models"))
            ui.label(page("Listed models stand in models.yaml, and may be routed to.")).classes(
                "orch-hint"
            )
            self._place = ui.element("div").classes("orch-models-list").props("role=list")
            self._switch = ui.switch(
                page("Unlisted models may be routed to as well"),
                on_change=lambda changed: self._switched(changed.value),
            )
            with ui.row().classes("orch-models-actions"):
                self._show_change = (
                    ui.button(page("Show the change to models.yaml"), on_click=propose, color=None)
                    .props("unelevated no-caps")
                    .classes("orch-models-main")
                )
                self._undo = ui.button(page("Undo"), on_click=self._undone).props("flat no-caps")

    # ---------------------------------------------------------------- what is there

    def show(self, survey: Inventory, runtime: Runtime, new: frozenset[str]) -> None:
        """The models as they stand now. What was wished and not written yet stays."""
        self._states = {state.key: state for state in survey.states}
        self._in_force = survey.use_unlisted
        if self._drawn != list(self._states):
            self._draw()
        movable = {
            name for name, backend in runtime.providers.items() if isinstance(backend, Loads)
        }
        fetchable = {
            name for name, backend in runtime.providers.items() if isinstance(backend, Pulls)
        }
        for key, row in self._rows.items():
            state = self._states[key]
            row.show(
                state,
                is_new=state.digest in new,
                can_move=key[0] in movable,
                can_fetch=key[0] in fetchable and key[0] not in survey.unreachable,
            )
        self._show_wish()

    def _draw(self) -> None:
        self._place.clear()
        self._rows.clear()
        self._drawn = list(self._states)
        with self._place:
            for state in self._states.values():
                self._rows[state.key] = _Row(self._page, state, self)
        if not self._states:
            with self._place:
                empty_state(
                    "inventory_2",
                    self._page("There is no model yet"),
                    self._page("Fetch one above, such as qwen3:4b"),
                )

    # ---------------------------------------------------------------- what is wished

    def discard_pending(self) -> None:
        """What was wished stands in the file now, or is wished no more."""
        self._wanted.clear()
        self._take_part = None

    def pending_change(self) -> ListingChange:
        """What models.yaml is to say."""
        listed = [
            self._states[key]
            for key, wanted in self._wanted.items()
            if wanted and key in self._states and self._states[key].unlisted
        ]
        dropped = [
            key
            for key, wanted in self._wanted.items()
            if not wanted and key in self._states and not self._states[key].unlisted
        ]
        return ListingChange(listed, dropped, "use" if self.unlisted_take_part else "ignore")

    @property
    def unlisted_take_part(self) -> bool:
        """Whether unlisted models may be routed to, as wished."""
        return self._in_force if self._take_part is None else self._take_part

    def is_listed(self, key: ModelKey) -> bool:
        """Whether a model is listed, as wished."""
        return self._wanted.get(key, not self._states[key].unlisted)

    def set_listed(self, key: ModelKey, listed: bool) -> None:
        """The user wishes a model listed, or not."""
        if listed != self.is_listed(key):
            self._wanted[key] = listed
            self._show_wish()

    def _switched(self, take_part: bool) -> None:
        if take_part != self.unlisted_take_part:
            self._take_part = take_part
            self._show_wish()

    def _undone(self) -> None:
        self.discard_pending()
        self._show_wish()

    def _show_wish(self) -> None:
        wish = self.pending_change()
        self._switch.value = self.unlisted_take_part
        for key, row in self._rows.items():
            listed = self.is_listed(key)
            row.show_wish(listed=listed, routed=listed or self.unlisted_take_part)
        is_other = bool(wish.listed or wish.dropped) or self.unlisted_take_part != self._in_force
        self._show_change.set_enabled(is_other)
        self._undo.set_enabled(is_other)

    # ---------------------------------------------------------------- what is done

    async def move(self, state: ModelState) -> None:
        """Loads the model, or unloads it where it is loaded."""
        await self._move("/".join(state.key), out=state.resident)

    def fetch(self, state: ModelState) -> None:
        """Begins to fetch the model."""
        self._fetch(state.spec.id, state.spec.provider)


class _Row:
    """One model."""

    def __init__(self, page: Page, state: ModelState, listing: ModelList) -> None:
        self._page, self._state, self._listing = page, state, listing
        with ui.element("div").classes("orch-models-row").props("role=listitem"):
            with ui.element("div").classes("orch-models-about"):
                with ui.element("div").classes("orch-models-names"):
                    ui.label(state.spec.label).classes("orch-models-name")
                    if state.spec.label != state.spec.id:
                        ui.label(state.spec.id).classes("orch-dim")
                self._chips = ui.element("div").classes("orch-models-chips")
                self._facts = ui.label().classes("orch-dim")
            with ui.element("div").classes("orch-models-does"):
                self._listed = ui.checkbox(
                    page("Listed"),
                    on_change=lambda changed: listing.set_listed(state.key, changed.value),
                )
                self._listed.props["aria-label"] = page(
                    "Listed in models.yaml: {name}", name=state.spec.label
                )
                self._routed = ui.label().classes("orch-dim orch-models-routed")
                self._button = (
                    ui.button(on_click=self._act)
                    .props("outline no-caps dense")
                    .classes("orch-models-move")
                )
        self._said: tuple[str, ...] = ()

    def show(self, state: ModelState, *, is_new: bool, can_move: bool, can_fetch: bool) -> None:
        """The model as it stands now."""
        self._state = state
        said = self._words(is_new)
        if said != self._said:
            self._said = said
            self._chips.clear()
            with self._chips:
                for word in said:
                    ui.label(word).classes("orch-models-chip")
        self._facts.text = self._about()
        fetches = (
            can_fetch and state.unavailable is not None and state.unavailable[0] == "not_installed"
        )
        self._button.set_visibility(
            fetches or (can_move and state.unavailable is None and not state.remote_host)
        )
        word = (
            self._page("Fetch")
            if fetches
            else self._page("Unload")
            if state.resident
            else self._page("Load")
        )
        if self._button.text != word:
            self._button.text = word
            self._button.props["aria-label"] = f"{word}: {state.spec.label}"

    def show_wish(self, *, listed: bool, routed: bool) -> None:
        """Whether it is to be listed, and what follows."""
        self._listed.value = listed
        chats = self._state.capabilities is None or "completion" in self._state.capabilities
        said = (
            self._page("only embeds")
            if not chats
            else self._page("may be routed to")
            if routed
            else self._page("not routed to")
        )
        if self._state.is_remote_denied:
            said = self._page("not routed to: models.yaml does not say remote: allow")
        if self._routed.text != said:
            self._routed.text = said

    async def _act(self) -> None:
        if self._state.unavailable:
            self._listing.fetch(self._state)
            return
        self._button.props("loading")
        try:
            await self._listing.move(self._state)
        finally:
            if not self._button.is_deleted:
                self._button.props(remove="loading")

    def _words(self, is_new: bool) -> tuple[str, ...]:
        state, page = self._state, self._page
        where = page("loaded") if state.resident else page("installed")
        if state.remote_host and state.is_installed:
            where = page("remote, {host}", host=display_host(state.remote_host))
        elif state.unavailable:
            where = (
                page("not installed")
                if state.unavailable[0] == "not_installed"
                else page("its provider is down")
            )
        told = {
            page("unlisted"): state.unlisted,
            page("new"): is_new,
            page("last resort"): state.spec.last_resort,
        }
        return (where, *(word for word, holds in told.items() if holds))

    def _about(self) -> str:
        """Facts in a line: provider, size, context, what it can, what it is good at."""
        state, page = self._state, self._page
        parts = [state.spec.provider]
        if state.size_bytes:
            parts.append(f"{page.translator.number(state.size_bytes / 1e9, 1)} GB")
        if state.context_window < UNKNOWN_CTX:
            parts.append(
                page(
                    "{tokens} tokens of context",
                    tokens=page.translator.number(state.context_window),
                )
            )
        if state.capabilities and state.capabilities - {"completion"}:
            parts.append(", ".join(sorted(state.capabilities - {"completion"})))
        if state.spec.strengths:
            parts.append(page("good at {kinds}", kinds=", ".join(map(page, state.spec.strengths))))
        return " · ".join(parts)
