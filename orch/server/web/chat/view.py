"""The view `Chat`: a conversation, its turns, and the list of the others."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from orch.server.service import Service
from orch.server.web.chat.answer_state import active_answers
from orch.server.web.chat.conversation import ConversationView
from orch.server.web.chat.es import SPANISH
from orch.server.web.chat.history import (
    ConversationSummary,
    ConversationTurns,
    list_conversations,
    load_turns,
)
from orch.server.web.chat.why import short_datetime
from orch.server.web.components.page import Page, content, open_page
from orch.text.lines import one_line

TITLE_CHARS = 60


async def chat_view(request: Request, service: Service) -> None:
    """Draws it. `/?session=NAME` continues a conversation."""
    page = open_page(request, service, "Chat", SPANISH)
    name, going = request.query_params.get("session", ""), active_answers(request, service)
    under_way = (
        going.in_conversation(name) if name else []
    )  # before the journal is read: what ends meanwhile stands there
    await service.flush_journal()
    journal = service.orchestrator.runtime.journal
    listed = await asyncio.to_thread(list_conversations, journal)
    past = (
        await asyncio.to_thread(load_turns, journal, name) if name else ConversationTurns([], False)
    )
    with content().classes("orch-chat"):
        aside = (
            ui.element("aside")
            .classes("orch-chat-aside")
            .props(f'aria-label="{page("Conversations")}"')
        )
        with ui.element("div").classes("orch-chat-main"):
            with ui.element("h1").classes("orch-chat-unseen"):
                ui.label(page("Chat"))
            ConversationView(
                page, going, name, past, under_way, lambda now: _redraw(page, aside, now)
            )
    with aside:
        _aside(page, listed, name)


async def _redraw(page: Page, aside: ui.element, name: str) -> None:
    """A turn has ended."""
    await page.service.flush_journal()
    listed = await asyncio.to_thread(list_conversations, page.service.orchestrator.runtime.journal)
    if not aside.is_deleted:
        aside.clear()
        with aside:
            _aside(page, listed, name)


def _aside(page: Page, listed: list[ConversationSummary], name: str) -> None:
    def turn() -> None:
        shown = "orch-chat-open" not in box.classes
        box.classes(**({"add": "orch-chat-open"} if shown else {"remove": "orch-chat-open"}))
        button.props(f"aria-expanded={'true' if shown else 'false'}")

    with ui.row().classes("orch-chat-aside-head"):
        new = ui.link(target="/").classes("orch-chat-new")
        with new:
            ui.icon("add").props("aria-hidden=true")
            ui.label(page("New conversation"))
        button = ui.button(page("Conversations"), icon="history", on_click=turn).props(
            "flat dense no-caps aria-expanded=false"
        )
        button.classes("orch-chat-narrow")
    with ui.element("div").classes("orch-chat-listed") as box:
        if not listed:
            ui.label(page("No conversation yet.")).classes("orch-dim")
        for each in listed:
            _listed(page, each, each.name == name)


def _listed(page: Page, each: ConversationSummary, is_here: bool) -> None:
    title = one_line(each.task)[:TITLE_CHARS] or page("(not kept)")
    link = ui.link(target=f"/?session={quote(each.name, safe='')}").classes("orch-chat-past")
    if is_here:
        link.classes("here").props("aria-current=page")
    with link:
        ui.label(title).classes("orch-chat-title")
        turns = (
            page("1 turn")
            if each.turns == 1
            else page("{n} turns", n=page.translator.number(each.turns))
        )
        ui.label(f"{short_datetime(each.at)} · {turns}").classes("orch-dim")
