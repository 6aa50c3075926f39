"""The frame that all views share: the page's language, its head with the navigation, and how
loading, emptiness and failure look."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nicegui import ui
from starlette.requests import Request

from orch.errors import OrchError
from orch.server.service import Service
from orch.server.web.components.errors import error_box, notify_error
from orch.server.web.components.i18n import N_, Translator, preferred_language
from orch.server.web.components.terms import term_css

STYLE = Path(__file__).with_name("page.css")
NAVIGATION = (
    ("/", N_("Chat"), "forum"),
    ("/models", N_("Models"), "memory"),
    ("/activity", N_("Activity"), "timeline"),
    ("/memory", N_("Memory"), "psychology"),
    ("/settings", N_("Settings"), "tune"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """One open page: the server's state, its texts in the reader's language, and the client's name
    (empty without API keys)."""

    service: Service
    translator: Translator
    client: str

    def __call__(self, text: str, **values: object) -> str:
        """The text in the page's language."""
        return self.translator(text, **values)

    def ngettext(self, singular: str, plural: str, n: int, **values: object) -> str:
        """The text for `n` things; `{n}` in it is the number."""
        return self.translator.ngettext(singular, plural, n, **values)

    def pgettext(self, context: str, text: str) -> str:
        """The text where its translation depends on what it describes."""
        return self.translator.pgettext(context, text)

    def number(self, value: float, digits: int = 0) -> str:
        """A number as the page's language writes it."""
        return self.translator.number(value, digits)


def open_page(request: Request, service: Service, title: str) -> Page:
    """Starts a page in the reader's language and draws its head."""
    language = preferred_language(request.headers.get("accept-language", ""))
    state = request.scope.get("state", {})
    page = Page(service, Translator(language), str(state.get("client", "") or ""))
    _set_language(language)
    ui.page_title(f"orch · {page(title)}")
    ui.add_css(STYLE.read_text(encoding="utf-8") + term_css())
    _draw_head(page, title, with_logout=state.get("login") is not None)
    return page


def _set_language(language: str) -> None:
    """Sets the language of NiceGUI's own texts and of the HTML element, for this client alone."""
    client = ui.context.client
    client.page = copy.copy(client.page)
    client.page.language = "es" if language == "es" else "en-US"


def _draw_head(page: Page, title: str, *, with_logout: bool) -> None:
    ui.link(page("Skip to content"), "#content").classes("skip")
    with ui.header().classes("orch-head"):
        ui.label("orch").classes("orch-name")
        _draw_navigation(page, title)
        _draw_theme_button(page)
        if with_logout:
            with ui.element("form").props("method=post action=/logout"):
                button = ui.button(icon="logout").props("type=submit flat round dense")
                button.props["aria-label"] = page("Log out")


def _draw_navigation(page: Page, title: str) -> None:
    with ui.element("nav").classes("orch-links") as navigation:
        navigation.props["aria-label"] = page("Views")
        for target, name, icon in NAVIGATION:
            link = ui.link(target=target).classes("orch-link")
            if name == title:
                link.classes("here").props("aria-current=page")
            with link:
                ui.icon(icon).props("aria-hidden=true")
                ui.label(page(name))


def _draw_theme_button(page: Page) -> None:
    dark = ui.dark_mode(None)
    button = ui.button(icon="contrast", on_click=lambda: dark.set_value(not dark.value))
    button.props("flat round dense").props["aria-label"] = page("Light or dark theme")


def content() -> ui.element:
    """The part below the head; use it in a `with`."""
    return ui.element("div").props("id=content tabindex=-1").classes("orch-content")


def empty_state(icon: str, text: str, hint: str = "") -> None:
    """Draws what an empty part shows, with a hint at what would fill it."""
    with ui.column().classes("orch-nothing").props("role=status"):
        ui.icon(icon).props("aria-hidden=true").classes("orch-nothing-icon")
        ui.label(text)
        if hint:
            ui.label(hint).classes("orch-hint")


@asynccontextmanager
async def loading(
    page: Page, place: ui.element, retry: Callable[[], object] | None = None
) -> AsyncIterator[None]:
    """Shows a spinner in `place` until the block has drawn; shows an OrchError that it raises."""
    place.clear()
    with place:
        spinner = ui.row().classes("orch-loading").props("role=status")
        with spinner:
            ui.spinner(size="sm")
            ui.label(page("Loading…"))
        try:
            yield
        except OrchError as error:
            place.clear()
            with place:
                error_box(page.translator, error, retry)
        finally:
            if not spinner.is_deleted:
                spinner.delete()


def with_notification(
    page: Page, action: Callable[[], Awaitable[str | None]]
) -> Callable[[], Awaitable[None]]:
    """An event handler that runs `action` and shows its message or error as a notification."""

    async def handler() -> None:
        try:
            message = await action()
        except OrchError as error:
            notify_error(page.translator, error)
        else:
            if message:
                ui.notify(message, type="positive")

    return handler
