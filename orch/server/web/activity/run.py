"""A single run: its decision, every model that was tried, its texts and its ratings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from orch.execution.serialize import decision_to_dict
from orch.server.web.activity.history import (
    chore_text,
    duration_text,
    local_datetime,
    outcome_text,
)
from orch.server.web.activity.queries import Row, read_history
from orch.server.web.components.decision import candidate_list
from orch.server.web.components.errors import OTHER, TEXTS, original
from orch.server.web.components.i18n import N_
from orch.server.web.components.labels import (
    CODES,
    PROFILES,
    SOURCES,
    attempt_outcome,
    label,
    task_type_label,
)
from orch.server.web.components.page import Page, empty_state, loading
from orch.server.web.components.reasons import chosen_because
from orch.server.web.components.stream_text import StreamedMarkdown
from orch.server.web.components.tables import disclosure, fact_list, text_element
from orch.storage.history import RunDetail

RATING_KINDS = {
    "word": N_("your rating"),
    "better": N_("compared by you"),
    "rerun": N_("asked another model"),
}
ROLES = {
    "assistant": N_("assistant"),
    "system": N_("system"),
    "tool": N_("tool"),
    "user": N_("user"),
}
TIMES = {
    "ttft_s": N_("First token"),
    "total_s": N_("Total"),
    "load_s": N_("Model load"),
    "prefill_s": N_("Prompt processing"),
    "decode_s": N_("Generation"),
}
POLL_S = 1.0


class RunView:
    """The page of one run; an active run is shown in full when it ends."""

    def __init__(self, page: Page, run_id: str) -> None:
        self._page, self._run_id = page, run_id
        ui.link(page("← All runs"), "/activity").classes("orch-run-back")
        self._title = text_element("h1", page("Run {name}", name=run_id))
        self._body = ui.element("div").classes("orch-run")
        self._timer = ui.timer(POLL_S, self._poll, active=False)
        ui.timer(0, self.load, once=True)

    async def load(self) -> None:
        """Reads and draws the run."""
        page = self._page
        if self._run_id in page.service.running:
            self._body.clear()
            with self._body:
                self._draw_active()
            self._timer.activate()
            return
        async with loading(page, self._body, self.load):
            detail = await read_history(page.service, lambda history: history.detail(self._run_id))
            if detail is None:
                hint = page(
                    "It may have been forgotten, or it is older than the journal's retention"
                    " period."
                )
                empty_state("search_off", page("No run has this id."), hint)
            else:
                self._title.text = page("Run {name}", name=detail.run["run_id"])
                _draw(page, detail)

    def _draw_active(self) -> None:
        page = self._page
        decision = page.service.running[self._run_id].run.decision
        hint = page("The full run is shown when it ends.")
        empty_state("hourglass_empty", page("This run is still active."), hint)
        if decision is not None:
            row = {"decision": decision_to_dict(decision), "task_type": str(decision.task_type)}
            _draw_decision(page, row)

    async def _poll(self) -> None:
        if self._run_id not in self._page.service.running:
            self._timer.deactivate()
            await self.load()


def _draw(page: Page, detail: RunDetail) -> None:
    run = detail.run
    with ui.element("section").classes("orch-card"):
        fact_list(_facts(page, detail))
        if run["error"]:
            text_element("h3", page("Error"))
            _draw_error(page, run)
    _draw_decision(page, run)
    with ui.element("section").classes("orch-card"):
        text_element("h2", page("Attempts"))
        _draw_attempts(page, detail)
    with ui.element("section").classes("orch-card"):
        text_element("h2", page("Texts"))
        _draw_texts(page, run)


def _draw_error(page: Page, run: Row) -> None:
    if page.translator.language == "en":
        text_element("p", run["error"], "orch-run-text")
    else:
        text_element("p", page(TEXTS.get(run["error_code"], OTHER)), "orch-run-text")
        original(page.translator, run["error"])


def _facts(page: Page, detail: RunDetail) -> dict[str, str]:
    run = detail.run
    ratings = " · ".join(_rating(page, rating) for rating in detail.ratings)
    profile = (run["decision"] or {}).get("profile", "")
    return {
        page("Outcome"): outcome_text(page, {**run, "attempts": len(detail.attempts)}),
        page("When"): local_datetime(run["at"]),
        page("Model"): " · ".join(filter(None, (run["model"], run["provider"]))),
        page("Type"): _task_type(page, detail),
        page("Profile"): label(page, PROFILES, profile),
        page("First token"): duration_text(page, run["ttft_s"]),
        page("Total"): duration_text(page, run["total_s"]),
        page("Model load"): duration_text(page, run["load_s"]),
        page("Prompt"): _tokens(page, run["prompt_tokens"]),
        page("Answer"): _tokens(page, run["completion_tokens"]),
        page("Session"): run["session"] or "",
        page("Source"): label(page, SOURCES, run["face"]),
        page("Client"): run["client"] or "",
        page("Rating"): ratings or page("not rated"),
    }


def _tokens(page: Page, count: int | None) -> str:
    return "" if count is None else page.ngettext("{n} token", "{n} tokens", count)


def _task_type(page: Page, detail: RunDetail) -> str:
    run = detail.run
    if run["chore"]:
        return chore_text(page, run["chore"])
    text = task_type_label(page, run["task_type"] or "")
    if text and run["confidence"] is not None:
        share = page.number(100 * run["confidence"])
        text = page("{type}, confidence {share} %", type=text, share=share)
    if detail.corrected:
        corrected = task_type_label(page, detail.corrected)
        text = " · ".join((text, page("corrected to {type}", type=corrected)))
    return text


def _rating(page: Page, rating: Row) -> str:
    return page(
        "{model}: {score} of 1 ({kind})",
        model=rating["model"],
        score=page.number(rating["score"], 1),
        kind=label(page, RATING_KINDS, str(rating["kind"])),
    )


def _draw_decision(page: Page, run: Mapping[str, Any]) -> None:
    decision = run["decision"]
    with ui.element("section").classes("orch-card"):
        text_element("h2", page("Decision"))
        if not decision:
            text_element("p", page("The run ended before a decision was made."), "orch-dim")
            return
        parts = (
            decision["model_name"],
            task_type_label(page, run["task_type"] or ""),
            chosen_because(page.translator, decision),
            page("model named by the caller") if decision["pinned"] else "",
        )
        text_element("p", " · ".join(filter(None, parts)))
        candidate_list(page, decision)


def _draw_attempts(page: Page, detail: RunDetail) -> None:
    if not detail.attempts:
        is_cached = detail.run["source"] == "cache"
        text = (
            page("The answer came from the cache; no model was used.")
            if is_cached
            else page("No model was used.")
        )
        text_element("p", text, "orch-dim")
        return
    with ui.element("ol").classes("orch-attempts"):
        for number, attempt in enumerate(detail.attempts, 1):
            with ui.element("li"):
                _draw_attempt(page, number, attempt)


def _draw_attempt(page: Page, number: int, attempt: Row) -> None:
    outcome = attempt_outcome(page, attempt["outcome"])
    if attempt["code"]:
        outcome = f"{outcome}: {label(page, CODES, attempt['code'])}"
    with ui.element("div").classes("orch-attempts-head"):
        text_element("span", f"{number}. {attempt['model']}")
        style = "" if attempt["outcome"] == "ok" else "orch-attempts-failed"
        text_element("span", outcome, style)
    if attempt["message"] and page.translator.language == "en":
        text_element("p", attempt["message"], "orch-run-text")
    elif attempt["message"]:
        original(page.translator, attempt["message"])
    fact_list(_attempt_facts(page, attempt))


def _attempt_facts(page: Page, attempt: Row) -> dict[str, str]:
    """What was measured of an attempt."""
    facts = {
        page(name): duration_text(page, attempt[key])
        for key, name in TIMES.items()
        if attempt[key] is not None
    }
    if attempt["prompt_tokens"]:
        facts[page("Prompt")] = _tokens(page, attempt["prompt_tokens"])
    if attempt["completion_tokens"]:
        facts[page("Answer")] = _tokens(page, attempt["completion_tokens"])
    if attempt["completion_tokens"] and attempt["decode_s"]:
        speed = attempt["completion_tokens"] / attempt["decode_s"]
        facts[page("Speed")] = page("{n} tokens/s", n=page.number(speed, 1))
    return facts


# ---------------------------------------------------------------- texts


def _draw_texts(page: Page, run: Row) -> None:
    if run["task"] is None:
        text_element("p", page("The texts of this run are not stored."), "orch-dim")
        return
    if run["redacted"]:
        text_element("p", page("Secrets in these texts were redacted."), "orch-dim")
    text_element("h3", page("Question"))
    text_element("p", run["task"], "orch-run-text")
    text_element("h3", page("Answer"))
    if run["answer"]:
        StreamedMarkdown(page).show(run["answer"], whole=True)
    else:
        text_element("p", page("No answer text."), "orch-dim")
    if run["system"]:
        with disclosure(page("System prompt")):
            text_element("p", run["system"], "orch-run-text")
    if run["messages"]:
        _draw_messages(page, run["messages"])


def _draw_messages(page: Page, messages: list[dict[str, Any]]) -> None:
    title = page("Messages sent to the model ({number})", number=page.number(len(messages)))
    with disclosure(title):
        for message in messages:
            text_element("h4", label(page, ROLES, str(message.get("role", ""))))
            text_element("p", _message_text(message), "orch-run-text")


def _message_text(message: Mapping[str, Any]) -> str:
    """The text of a message; of images only the type, of tool calls their JSON."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(_part_text(part) for part in content)
    calls = message.get("tool_calls")
    calls_json = json.dumps(calls, ensure_ascii=False) if calls else ""
    return "\n".join(filter(None, (str(content or ""), calls_json)))


def _part_text(part: object) -> str:
    if isinstance(part, dict):
        return str(part.get("text") or f"[{part.get('type', '?')}]")
    return str(part)
