"""Why this model: the candidates' scores by term as bars with numbers, who was out and why, what
was recalled, who was asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from nicegui import ui

from orch.server.web.chat.answer_state import ChatAnswer
from orch.server.web.components.decision import candidate_list
from orch.server.web.components.page import Page


def explain_choice(page: Page, answer: ChatAnswer) -> None:
    """Draws it."""
    decision = answer.decision
    if decision is None:
        ui.label(page("The decision was not kept.")).classes("orch-dim")
    else:
        ui.label(_choice(page, decision)).classes("orch-chat-line")
        candidate_list(page, decision)
    _recalled(page, answer)
    _attempts(page, answer)


def _choice(page: Page, decision: dict[str, Any]) -> str:
    tokens = page("{n} tokens of prompt", n=page.translator.number(decision["prompt_tokens"]))
    profile = page("profile: {name}", name=decision["profile"])
    return f"{page.reason(decision['reason'])} · {profile} · {tokens}"


def _heading(text: str) -> None:
    with ui.element("h3").classes("orch-chat-heading"):
        ui.label(text)


def _recalled(page: Page, answer: ChatAnswer) -> None:
    if answer.recalled is None:
        return
    _heading(page("Recalled from memory"))
    if not answer.recalled:
        ui.label(page("Nothing was recalled.")).classes("orch-dim")
        return
    with ui.element("ul").classes("orch-chat-list"):
        for row in answer.recalled:
            with ui.element("li"):
                score = (
                    page.translator.number(row["score"], 2)
                    if isinstance(row.get("score"), int | float)
                    else ""
                )
                ui.label(
                    " · ".join(
                        part
                        for part in (
                            short_datetime(row["at"]),
                            " ".join(row["task"].split())[:160],
                            score,
                        )
                        if part
                    )
                )


def _attempts(page: Page, answer: ChatAnswer) -> None:
    if not answer.attempts:
        return
    _heading(page("Asked"))
    with ui.element("ul").classes("orch-chat-list"):
        for attempt in answer.attempts:
            with ui.element("li"):
                ui.label(_attempt(page, attempt)).classes(
                    "" if attempt["outcome"] == "ok" else "orch-chat-bad"
                )


def _attempt(page: Page, attempt: dict[str, Any]) -> str:
    outcomes = {"ok": page("answered"), "failed": page("failed"), "partial": page("broke off")}
    parts = [
        f"{attempt['model']}: {outcomes.get(attempt['outcome'], attempt['outcome'])}",
        attempt["message"] or attempt["code"] or "",
    ]
    if attempt["load_s"] and attempt["load_s"] > 0.1:
        parts.append(page("{s} s to load", s=page.translator.number(attempt["load_s"], 1)))
    if attempt["ttft_s"] is not None:
        parts.append(
            page("{s} s to the first token", s=page.translator.number(attempt["ttft_s"], 2))
        )
    if attempt["completion_tokens"] and attempt["decode_s"]:
        parts.append(
            page(
                "{n} tokens/s",
                n=page.translator.number(attempt["completion_tokens"] / attempt["decode_s"], 1),
            )
        )
    if attempt["total_s"] is not None:
        parts.append(page("{s} s in all", s=page.translator.number(attempt["total_s"], 2)))
    return " · ".join(part for part in parts if part)


def short_datetime(at: float) -> str:
    """A time as a day and a minute."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
