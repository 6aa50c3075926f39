"""The candidates of a decision: who was weighed, by which terms, and who was out and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from orch.server.web.components.page import Page
from orch.server.web.components.tables import text

TERMS = {"fit": "fit", "quality": "quality", "speed": "speed", "confidence": "confidence"}
LEAST_SHOWN_S = 0.05
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


def candidates(page: Page, decision: Mapping[str, Any]) -> None:
    """A decision as JSON-able values (`types.plain`, or the journal's): a bar a candidate, its
    terms on one scale; below it those that were out."""
    able = [each for each in decision["candidates"] if not each["eliminated"]]
    out = [each for each in decision["candidates"] if each["eliminated"]]
    if not able and not out:
        text("p", page("No candidate is written down."), "orch-dim")
    most = max([1.0, *(each["score"] for each in able)])
    taken = (decision["provider"], decision["model_id"])
    with ui.element("ol").classes("orch-decision") as place:
        place.props["aria-label"] = page("Candidates")
        for each in able:
            _candidate(page, each, most, (each["provider"], each["model_id"]) == taken)
    if out:
        _eliminated(page, out)


def _candidate(page: Page, each: Mapping[str, Any], most: float, taken: bool) -> None:
    number = page.say.number
    with ui.element("li").classes("orch-decision-one" + (" taken" if taken else "")):
        with ui.element("div").classes("orch-decision-head"):
            text("span", each["model_name"] or each["model_id"], "orch-decision-name")
            for mark in (
                page("taken") if taken else "",
                page("loaded") if each["resident"] else "",
            ):
                if mark:
                    text("span", mark, "orch-decision-mark")
            text("span", number(each["score"], 2), "orch-decision-score")
        with ui.element("div").classes("orch-bar").props("aria-hidden=true"):
            for term in TERMS:
                ui.element("div").classes(f"orch-decision-{term}").style(
                    f"width: {100 * max(each['terms'].get(term, 0.0), 0.0) / most:.1f}%"
                )
        with ui.element("div").classes("orch-decision-terms"):
            for term in TERMS:
                with ui.element("span"):
                    ui.element("span").classes(f"orch-decision-swatch orch-decision-{term}").props(
                        "aria-hidden=true"
                    )
                    text("span", f"{page(TERMS[term])} {number(each['terms'].get(term, 0.0), 2)}")
            text(
                "span",
                page(
                    "expected: quality {n} in {seconds} s",
                    n=number(each.get("quality", 0.0), 2),
                    seconds=number(each["expected_s"], 1),
                ),
            )
            if spent := _spent(page, each):
                text("span", spent, "orch-dim")
        if each["reason"]:
            text("div", page.reason(each["reason"]), "orch-dim")


def _spent(page: Page, each: Mapping[str, Any]) -> str:
    """What the expected seconds are spent on, and what is unloaded; empty for decisions that were
    recorded without it."""
    seconds, number = each.get("seconds") or {}, page.say.number
    words = {"load": "load {n}", "prefill": "prompt {n}", "decode": "answer {n}"}
    parts = [
        page(said, n=number(seconds[part], 1))
        for part, said in words.items()
        if seconds.get(part, 0.0) >= LEAST_SHOWN_S
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
    text("h3", page("Ruled out"))
    with ui.element("ul").classes("orch-decision-out"):
        for each in out:
            with ui.element("li"):
                text("span", each["model_name"] or each["model_id"], "orch-decision-name")
                text("span", page.reason(each["eliminated"]), "orch-dim")
