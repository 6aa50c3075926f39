"""Why a model was chosen: the candidates with their scores, recalled memories, and the models that
were tried."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from nicegui import ui

from orch.server.web.chat.answer_state import ChatAnswer
from orch.server.web.components.decision import candidate_list
from orch.server.web.components.errors import original
from orch.server.web.components.labels import CODES, PROFILES, attempt_outcome, label
from orch.server.web.components.page import Page
from orch.server.web.components.reasons import chosen_because

TASK_CHARS = 160
MIN_LOAD_S = 0.1
"""A shorter load is not worth showing."""


def explain_choice(page: Page, answer: ChatAnswer) -> None:
    """Draws the explanation of an answer's decision."""
    decision = answer.decision
    if decision is None:
        ui.label(page("The decision was not stored.")).classes("orch-dim")
    else:
        ui.label(_choice(page, decision)).classes("orch-chat-line")
        candidate_list(page, decision)
    _draw_recalled(page, answer)
    _draw_attempts(page, answer)


def _choice(page: Page, decision: dict[str, Any]) -> str:
    tokens = page.ngettext("{n} token of prompt", "{n} tokens of prompt", decision["prompt_tokens"])
    profile = page("profile: {name}", name=label(page, PROFILES, decision["profile"]))
    return f"{chosen_because(page.translator, decision)} · {profile} · {tokens}"


def _heading(text: str) -> None:
    with ui.element("h3").classes("orch-chat-heading"):
        ui.label(text)


def _draw_recalled(page: Page, answer: ChatAnswer) -> None:
    if answer.recalled is None:
        return
    _heading(page("Recalled from memory"))
    if not answer.recalled:
        ui.label(page("Nothing was recalled.")).classes("orch-dim")
        return
    with ui.element("ul").classes("orch-chat-list"):
        for row in answer.recalled:
            with ui.element("li"):
                ui.label(_recalled_line(page, row))


def _recalled_line(page: Page, row: dict[str, Any]) -> str:
    score = row.get("score")
    parts = (
        short_datetime(row["at"]),
        " ".join(row["task"].split())[:TASK_CHARS],
        page.number(score, 2) if isinstance(score, int | float) else "",
    )
    return " · ".join(filter(None, parts))


def _draw_attempts(page: Page, answer: ChatAnswer) -> None:
    if not answer.attempts:
        return
    _heading(page("Models used"))
    with ui.element("ul").classes("orch-chat-list"):
        for attempt in answer.attempts:
            with ui.element("li"):
                line = ui.label(_attempt_line(page, attempt))
                if attempt["outcome"] != "ok":
                    line.classes("orch-chat-bad")
                if page.translator.language != "en":
                    original(page.translator, attempt["message"] or "")


def _attempt_line(page: Page, attempt: dict[str, Any]) -> str:
    parts = [f"{attempt['model']}: {attempt_outcome(page, attempt['outcome'])}"]
    if page.translator.language == "en" and attempt["message"]:
        parts.append(attempt["message"])
    elif attempt["code"]:
        parts.append(label(page, CODES, attempt["code"]))
    return " · ".join([*parts, *_timings(page, attempt)])


def _timings(page: Page, attempt: dict[str, Any]) -> list[str]:
    number, timings = page.number, []
    if attempt["load_s"] and attempt["load_s"] > MIN_LOAD_S:
        timings.append(page("{s} s to load", s=number(attempt["load_s"], 1)))
    if attempt["ttft_s"] is not None:
        timings.append(page("{s} s to the first token", s=number(attempt["ttft_s"], 2)))
    if attempt["completion_tokens"] and attempt["decode_s"]:
        speed = attempt["completion_tokens"] / attempt["decode_s"]
        timings.append(page("{n} tokens/s", n=number(speed, 1)))
    if attempt["total_s"] is not None:
        timings.append(page("{s} s total", s=number(attempt["total_s"], 2)))
    return timings


def short_datetime(at: float) -> str:
    """Seconds since the epoch as a local day and minute."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
