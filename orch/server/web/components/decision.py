"""The candidates of a decision: their scores by term, and why the others were ruled out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from orch.config.spec import TERMS
from orch.server.web.components.i18n import N_
from orch.server.web.components.labels import term_label
from orch.server.web.components.page import Page
from orch.server.web.components.reasons import chosen_because, eliminated_because
from orch.server.web.components.tables import text_element
from orch.types import ModelKey

PHASES = {"load": N_("load {n}"), "prefill": N_("prompt {n}"), "decode": N_("answer {n}")}
MIN_SHOWN_S = 0.05
Candidate = Mapping[str, Any]
"""A candidate as JSON-able values."""


def candidate_list(page: Page, decision: Mapping[str, Any]) -> None:
    """Draws a decision given as JSON-able values (`types.plain`, or from the journal): a bar for
    each candidate, on one scale, then the candidates that were ruled out."""
    ranked = [each for each in decision["candidates"] if not each["eliminated"]]
    eliminated = [each for each in decision["candidates"] if each["eliminated"]]
    if not ranked and not eliminated:
        text_element("p", page("No candidates were recorded."), "orch-dim")
    scale = max([1.0, *(each["score"] for each in ranked)])
    selected = ModelKey(decision["provider"], decision["model_id"])
    with ui.element("ol").classes("orch-decision") as list_element:
        list_element.props["aria-label"] = page("Candidates")
        for each in ranked:
            is_selected = ModelKey(each["provider"], each["model_id"]) == selected
            _draw_candidate(page, each, scale, is_selected=is_selected)
    if eliminated:
        _draw_eliminated(page, eliminated)


def _draw_candidate(page: Page, candidate: Candidate, scale: float, *, is_selected: bool) -> None:
    with ui.element("li").classes("orch-decision-one" + (" taken" if is_selected else "")):
        _draw_candidate_head(page, candidate, is_selected=is_selected)
        if candidate["terms"]:  # a model that was named is not scored
            _draw_bar(candidate, scale)
            _draw_terms(page, candidate)
        if reason := chosen_because(page.translator, candidate):
            text_element("div", reason, "orch-dim")


def _draw_bar(candidate: Candidate, scale: float) -> None:
    with ui.element("div").classes("orch-bar").props("aria-hidden=true"):
        for term in TERMS:
            share = max(_term(candidate, term), 0.0) / scale
            part = ui.element("div").classes(f"orch-decision-{term}")
            part.style(f"width: {100 * share:.1f}%")


def _draw_candidate_head(page: Page, candidate: Candidate, *, is_selected: bool) -> None:
    marks = [page("selected")] if is_selected else []
    marks += [page("loaded")] if candidate["resident"] else []
    with ui.element("div").classes("orch-decision-head"):
        text_element("span", _name(candidate), "orch-decision-name")
        for mark in marks:
            text_element("span", mark, "orch-decision-mark")
        if candidate["terms"]:
            text_element("span", page.number(candidate["score"], 2), "orch-decision-score")


def _draw_terms(page: Page, candidate: Candidate) -> None:
    expected = page(
        "expected: quality {n} in {seconds} s",
        n=page.number(candidate.get("quality", 0.0), 2),
        seconds=page.number(candidate["expected_s"], 1),
    )
    with ui.element("div").classes("orch-decision-terms"):
        for term in TERMS:
            with ui.element("span"):
                swatch = ui.element("span").classes(f"orch-decision-swatch orch-decision-{term}")
                swatch.props("aria-hidden=true")
                number = page.number(_term(candidate, term), 2)
                text_element("span", f"{term_label(page, term).lower()} {number}")
        text_element("span", expected)
        if breakdown := _time_breakdown(page, candidate):
            text_element("span", breakdown, "orch-dim")


def _time_breakdown(page: Page, candidate: Candidate) -> str:
    """The phases of the expected time, and the models to unload; empty for decisions that were
    recorded without them."""
    seconds = candidate.get("seconds") or {}
    phases = [
        page(text, n=page.number(seconds[phase], 1))
        for phase, text in PHASES.items()
        if seconds.get(phase, 0.0) >= MIN_SHOWN_S
    ]
    unloads = []
    if candidate.get("evicts"):
        reload_s = page.number(seconds["eviction"], 1)
        unloads = [page("unloads {model} ({s} s to reload)", model=candidate["evicts"], s=reload_s)]
    return " · ".join([" + ".join(phases), *unloads]) if len(phases) > 1 or unloads else ""


def _draw_eliminated(page: Page, candidates: list[Candidate]) -> None:
    text_element("h3", page("Ruled out"))
    with ui.element("ul").classes("orch-decision-out"):
        for candidate in candidates:
            with ui.element("li"):
                text_element("span", _name(candidate), "orch-decision-name")
                text_element("span", eliminated_because(page.translator, candidate), "orch-dim")


def _term(candidate: Candidate, term: str) -> float:
    return float(candidate["terms"].get(term, 0.0))


def _name(candidate: Candidate) -> str:
    return str(candidate["model_name"] or candidate["model_id"])
