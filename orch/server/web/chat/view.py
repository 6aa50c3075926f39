"""The Chat view: a conversation, and the list of the others."""

from __future__ import annotations

from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from orch.server.service import Service
from orch.server.web.chat.active_answers import active_answers
from orch.server.web.chat.conversation import ConversationView
from orch.server.web.chat.history import ConversationTurns, list_conversations, load_turns
from orch.server.web.chat.why import short_datetime
from orch.server.web.components.i18n import N_
from orch.server.web.components.page import Page, content, open_page
from orch.storage.history import ConversationSummary
from orch.text.lines import one_line

TITLE_CHARS = 60


async def chat_view(request: Request, service: Service) -> None:
    """Draws the view; `/?session=NAME` continues a conversation."""
    page = open_page(request, service, N_("Chat"))
    name, active = request.query_params.get("session", ""), active_answers(request, service)
    # read before the journal: an answer that ends in between is in the journal
    unfinished = active.in_conversation(name) if name else []
    summaries = await service.read_history(list_conversations)
    past = ConversationTurns([], False)
    if name:
        past = await service.read_history(lambda history: load_turns(history, name))
    with content().classes("orch-chat"):
        aside = ui.element("aside").classes("orch-chat-aside")
        aside.props["aria-label"] = page("Conversations")
        with ui.element("div").classes("orch-chat-main"):
            with ui.element("h1").classes("orch-chat-unseen"):
                ui.label(page("Chat"))
            ConversationView(
                page, active, name, past, unfinished, lambda name: _redraw(page, aside, name)
            )
    with aside:
        _draw_aside(page, summaries, name)


async def _redraw(page: Page, aside: ui.element, name: str) -> None:
    """Updates the list after a turn has ended."""
    summaries = await page.service.read_history(list_conversations)
    if not aside.is_deleted:
        aside.clear()
        with aside:
            _draw_aside(page, summaries, name)


def _draw_aside(page: Page, summaries: list[ConversationSummary], name: str) -> None:
    def toggle() -> None:
        is_open = "orch-chat-open" in box.classes
        box.classes(**{"remove" if is_open else "add": "orch-chat-open"})
        button.props(f"aria-expanded={'false' if is_open else 'true'}")

    with ui.row().classes("orch-chat-aside-head"):
        with ui.link(target="/").classes("orch-chat-new"):
            ui.icon("add").props("aria-hidden=true")
            ui.label(page("New conversation"))
        button = ui.button(page("Conversations"), icon="history", on_click=toggle)
        button.props("flat dense no-caps aria-expanded=false").classes("orch-chat-narrow")
    with ui.element("div").classes("orch-chat-listed") as box:
        if not summaries:
            ui.label(page("No conversations yet.")).classes("orch-dim")
        for summary in summaries:
            _draw_summary(page, summary, is_current=summary.name == name)


def _draw_summary(page: Page, summary: ConversationSummary, *, is_current: bool) -> None:
    title = one_line(summary.task)[:TITLE_CHARS] or page("(not stored)")
    link = ui.link(target=f"/?session={quote(summary.name, safe='')}").classes("orch-chat-past")
    if is_current:
        link.classes("here").props("aria-current=page")
    with link:
        ui.label(title).classes("orch-chat-title")
        turns = page.ngettext("{n} turn", "{n} turns", summary.turns)
        ui.label(f"{short_datetime(summary.at)} · {turns}").classes("orch-dim")
