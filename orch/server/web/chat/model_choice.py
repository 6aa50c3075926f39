"""The choice before it is made: the pick and the next two with their reasons, to confirm or to
change."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from orch.routing.router import Plan
from orch.server.web.chat.answer import task_type_names
from orch.server.web.components.page import Page
from orch.types import Candidate

MAX_CANDIDATES = 3


def choice_preview(
    page: Page, made: Plan, ask: Callable[[str | None], None], leave: Callable[[], None]
) -> ui.button:
    """Draws it and gives back the first button. `ask` gets None for the pick, else a model's full
    name."""
    decision = made.decision
    with (
        ui.element("div")
        .classes("orch-card orch-chat-choice")
        .props(f'role=group aria-label="{page("The choice")}"')
    ):
        sure = page("confidence {n} %", n=page.translator.number(decision.confidence * 100))
        ui.label(f"{task_type_names(page)[decision.task_type]} · {sure}").classes("orch-dim")
        buttons = [
            _candidate(page, each, place, ask)
            for place, each in enumerate(made.order[:MAX_CANDIDATES])
        ]
        for warning in made.warnings:
            ui.label(warning).classes("orch-chat-note")
        ui.button(page("Cancel"), on_click=leave).props("flat dense no-caps")
    return buttons[0]


def _candidate(
    page: Page, candidate: Candidate, place: int, ask: Callable[[str | None], None]
) -> ui.button:
    with ui.row().classes("orch-chat-candidate"):
        with ui.element("div").classes("orch-chat-grow"):
            ui.label(candidate.model_name).classes("orch-chat-model")
            score = page("score {n}", n=page.translator.number(candidate.score, 2))
            ui.label(
                f"{page.reason(candidate.reason)} · {score} ·"
                f" {page('about {s} s', s=page.translator.number(candidate.expected_s, 1))}"
            ).classes("orch-dim")
        if place == 0:
            return (
                ui.button(page("Ask this one"), on_click=lambda: ask(None), color=None)
                .props("no-caps dense unelevated")
                .classes("orch-chat-send")
            )
        named = f"{candidate.provider}/{candidate.model_id}"
        return ui.button(page("Ask this one"), on_click=lambda: ask(named)).props(
            "no-caps dense outline"
        )
