"""What the views of the page share: the head with its links, the look, and how loading, nothing and
failure are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nicegui import ui
from starlette.requests import Request

from orch.errors import OrchError
from orch.server.service import Service
from orch.server.web.components.i18n import Translator, preferred_language
from orch.server.web.components.reasons_es import in_spanish

STYLE = Path(__file__).with_name("page.css")
NAVIGATION = (
    ("/", "Chat", "forum"),
    ("/models", "Models", "memory"),
    ("/activity", "Activity", "timeline"),
    ("/memory", "Memory", "psychology"),
    ("/settings", "Settings", "tune"),
)
SPANISH = {
    "Chat": "Chat",
    "Models": "Modelos",
    "Activity": "Actividad",
    "Memory": "Memoria",
    "Settings": "Ajustes",
    "Light or dark": "Claro u oscuro",
    "Views": "Vistas",
    "Skip to content": "Saltar al contenido",
    "Loading…": "Cargando…",
    "Try again": "Reintentar",
    "Log out": "Cerrar sesión",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One open page: the server's state, the client's name (empty without keys) and the words in
    its language."""

    service: Service
    translator: Translator
    client: str

    def __call__(self, text: str, **values: object) -> str:
        """The text in the page's language."""
        return self.translator(text, **values)

    def reason(self, text: str) -> str:
        """A reason of the library's in the page's language."""
        return in_spanish(text) if self.translator.language == "es" else text


def open_page(request: Request, service: Service, title: str, spanish: Mapping[str, str]) -> Page:
    """Begins a page: its head is drawn, and what follows goes below it."""
    say = Translator(
        preferred_language(request.headers.get("accept-language", "")), SPANISH, spanish
    )
    page = Page(service, say, str(request.scope.get("state", {}).get("client", "") or ""))
    ui.page_title(f"orch · {say(title)}")
    ui.add_css(STYLE.read_text(encoding="utf-8"))
    _draw_head(page, title, with_way_out=request.scope.get("state", {}).get("login") is not None)
    return page


def _draw_head(page: Page, title: str, *, with_way_out: bool) -> None:
    dark = ui.dark_mode(None)
    ui.link(page("Skip to content"), "#content").classes("skip")
    with ui.header().classes("orch-head"):
        ui.label("orch").classes("orch-name")
        with ui.element("nav").props(f'aria-label="{page("Views")}"').classes("orch-links"):
            for target, name, icon in NAVIGATION:
                link = ui.link(target=target).classes("orch-link")
                if name == title:
                    link.classes("here").props("aria-current=page")
                with link:
                    ui.icon(icon).props("aria-hidden=true")
                    ui.label(page(name))
        ui.button(icon="contrast", on_click=lambda: dark.set_value(not dark.value)).props(
            f'flat round dense aria-label="{page("Light or dark")}"'
        )
        if with_way_out:
            with ui.element("form").props("method=post action=/logout"):
                ui.button(icon="logout").props(
                    f'type=submit flat round dense aria-label="{page("Log out")}"'
                )


def content() -> ui.element:
    """The part below the head; use it in a `with`."""
    return ui.element("div").props("id=content tabindex=-1").classes("orch-content")


def empty_state(icon: str, text: str, hint: str = "") -> None:
    """What stands where there is nothing to show, with what would change that."""
    with ui.column().classes("orch-nothing").props("role=status"):
        ui.icon(icon).props("aria-hidden=true").classes("orch-nothing-icon")
        ui.label(text)
        if hint:
            ui.label(hint).classes("orch-hint")


def error_box(page: Page, error: OrchError, again: Callable[[], object] | None = None) -> None:
    """An error in its own words, with what to do."""
    with ui.column().classes("orch-failed").props("role=alert"):
        ui.label(error.message)
        if error.hint:
            ui.label(error.hint).classes("orch-hint")
        if again is not None:
            ui.button(page("Try again"), on_click=again).props("flat")


@asynccontextmanager
async def loading(
    page: Page, place: ui.element, again: Callable[[], object] | None = None
) -> AsyncIterator[None]:
    """Shows in `place` that something is awaited, then what the block draws, or why it failed."""
    place.clear()
    with place:
        waiting = ui.row().classes("orch-loading").props("role=status")
        with waiting:
            ui.spinner(size="sm")
            ui.label(page("Loading…"))
        try:
            yield
        except OrchError as error:
            place.clear()
            with place:
                error_box(page, error, again)
        finally:
            if not waiting.is_deleted:
                waiting.delete()


def with_notification(
    page: Page, action: Callable[[], Awaitable[str | None]]
) -> Callable[[], Awaitable[None]]:
    """A handler that does something and tells how it went."""

    async def act() -> None:
        try:
            said = await action()
        except OrchError as error:
            ui.notify(
                f"{error.message}. {error.hint}" if error.hint else error.message,
                type="negative",
                close_button=True,
                timeout=0,
            )
        else:
            if said:
                ui.notify(said, type="positive")

    return act
