"""The candidates of a decision: who was weighed, by which terms, and who was out and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from orch.server.web.components.page import Page
from orch.server.web.components.tables import text_element

TERM_LABELS = {"fit": "fit", "quality": "quality", "speed": "speed", "confidence": "confidence"}
MIN_SHOWN_S = 0.05
SPANISH = {
    "fit": "aptitud",
    "quality": "calidad",
    "speed": "rapidez",
    "confidence": "confianza",
    "Candidates": "Candidatos",
    "taken": "elegido",
    "loaded": "cargado",
    "expected: quality {n} in {seconds} s": "se espera: calidad {n} en {seconds} s",
    "load {n}": "carga {n}",
    "prompt {n}": "entrada {n}",
    "answer {n}": "respuesta {n}",
    "unloads {n}, to load again {s} s": "descarga {n}, volver a cargar {s} s",
    "Ruled out": "Descartados",
    "No candidate is written down.": "No hay candidatos anotados.",
}


def candidate_list(page: Page, decision: Mapping[str, Any]) -> None:
    """A decision as JSON-able values (`types.plain`, or the journal's): a bar a candidate, its
    terms on one scale; below it those that were out."""
    able = [each for each in decision["candidates"] if not each["eliminated"]]
    out = [each for each in decision["candidates"] if each["eliminated"]]
    if not able and not out:
        text_element("p", page("No candidate is written down."), "orch-dim")
    most = max([1.0, *(each["score"] for each in able)])
    taken = (decision["provider"], decision["model_id"])
    with ui.element("ol").classes("orch-decision") as place:
        place.props["aria-label"] = page("Candidates")
        for each in able:
            _candidate(page, each, most, (each["provider"], each["model_id"]) == taken)
    if out:
        _eliminated(page, out)


def _candidate(page: Page, each: Mapping[str, Any], most: float, taken: bool) -> None:
    number = page.translator.number
    with ui.element("li").classes("orch-decision-one" + (" taken" if taken else "")):
        with ui.element("div").classes("orch-decision-head"):
            text_element("span", each["model_name"] or each["model_id"], "orch-decision-name")
            for mark in (
                page("taken") if taken else "",
                page("loaded") if each["resident"] else "",
            ):
                if mark:
                    text_element("span", mark, "orch-decision-mark")
            text_element("span", number(each["score"], 2), "orch-decision-score")
        with ui.element("div").classes("orch-bar").props("aria-hidden=true"):
            for term in TERM_LABELS:
                ui.element("div").classes(f"orch-decision-{term}").style(
                    f"width: {100 * max(each['terms'].get(term, 0.0), 0.0) / most:.1f}%"
                )
        with ui.element("div").classes("orch-decision-terms"):
            for term in TERM_LABELS:
                with ui.element("span"):
                    ui.element("span").classes(f"orch-decision-swatch orch-decision-{term}").props(
                        "aria-hidden=true"
                    )
                    text_element(
                        "span",
                        f"{page(TERM_LABELS[term])} {number(each['terms'].get(term, 0.0), 2)}",
                    )
            text_element(
                "span",
                page(
                    "expected: quality {n} in {seconds} s",
                    n=number(each.get("quality", 0.0), 2),
                    seconds=number(each["expected_s"], 1),
                ),
            )
            if spent := _spent(page, each):
                text_element("span", spent, "orch-dim")
        if each["reason"]:
            text_element("div", page.reason(each["reason"]), "orch-dim")


def _spent(page: Page, each: Mapping[str, Any]) -> str:
    """What the expected seconds are spent on, and what is unloaded; empty for decisions that were
    recorded without it."""
    seconds, number = each.get("seconds") or {}, page.translator.number
    words = {"load": "load {n}", "prefill": "prompt {n}", "decode": "answer {n}"}
    parts = [
        page(said, n=number(seconds[part], 1))
        for part, said in words.items()
        if seconds.get(part, 0.0) >= MIN_SHOWN_S
    ]
    unloads = (
        [
            page(
                "unloads {n}, to load again {s} s",
                n=each["evicts"],
                s=number(seconds["eviction"], 1),
            )
        ]
        if each.get("evicts")
        else []
    )
    return " · ".join([" + ".join(parts), *unloads]) if len(parts) > 1 or unloads else ""


def _eliminated(page: Page, out: list[Mapping[str, Any]]) -> None:
    text_element("h3", page("Ruled out"))
    with ui.element("ul").classes("orch-decision-out"):
        for each in out:
            with ui.element("li"):
                text_element("span", each["model_name"] or each["model_id"], "orch-decision-name")
                text_element("span", page.reason(each["eliminated"]), "orch-dim")
