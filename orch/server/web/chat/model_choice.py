"""A preview of the decision: the first candidates with their reasons, to confirm or to change."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from orch.routing.router import Plan
from orch.routing.wording import reason_text
from orch.server.web.components.errors import warning_note
from orch.server.web.components.labels import task_type_label
from orch.server.web.components.page import Page
from orch.types import Candidate

MAX_CANDIDATES = 3


def choice_preview(
    page: Page, plan: Plan, ask: Callable[[str | None], None], cancel: Callable[[], None]
) -> ui.button:
    """Draws the preview and returns its first button.

    `ask` gets None for the model that orch selected, else a model's full name.
    """
    decision = plan.decision
    with ui.element("div").classes("orch-card orch-chat-choice").props("role=group") as box:
        box.props["aria-label"] = page("Model choice")
        confidence = page("confidence {n} %", n=page.number(decision.confidence * 100))
        ui.label(f"{task_type_label(page, decision.task_type)} · {confidence}").classes("orch-dim")
        buttons = [
            _draw_candidate(page, candidate, ask, is_first=index == 0)
            for index, candidate in enumerate(plan.order[:MAX_CANDIDATES])
        ]
        for warning in plan.warnings:
            warning_note(page.translator, warning)
        ui.button(page("Cancel"), on_click=cancel).props("flat dense no-caps")
    return buttons[0]


def _draw_candidate(
    page: Page, candidate: Candidate, ask: Callable[[str | None], None], *, is_first: bool
) -> ui.button:
    with ui.row().classes("orch-chat-candidate"):
        with ui.element("div").classes("orch-chat-grow"):
            ui.label(candidate.model_name).classes("orch-chat-model")
            score = page("score {n}", n=page.number(candidate.score, 2))
            time = page("about {s} s", s=page.number(candidate.expected_s, 1))
            reason = reason_text(candidate.reasons, page.translator)
            ui.label(f"{reason} · {score} · {time}").classes("orch-dim")
        text = page("Use this model")
        if is_first:
            button = ui.button(text, on_click=lambda: ask(None), color=None)
            return button.props("no-caps dense unelevated").classes("orch-chat-send")
        name = f"{candidate.provider}/{candidate.model_id}"
        return ui.button(text, on_click=lambda: ask(name)).props("no-caps dense outline")
