"""One run whole: how it was decided, every model that was asked, its texts and what was said of
it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from orch.server.web.activity.history import duration_text, local_datetime, outcome_text
from orch.server.web.activity.queries import Row, RunDetail, read_journal, run_detail
from orch.server.web.components import decision
from orch.server.web.components.decision import candidate_list
from orch.server.web.components.page import Page, empty_state, loading
from orch.server.web.components.stream_text import StreamedMarkdown
from orch.server.web.components.tables import disclosure, fact_list, text_element
from orch.types import decision_to_dict

SPANISH = {
    **decision.SPANISH,
    "All runs": "Todas las ejecuciones",
    "Run {name}": "Ejecución {name}",
    "No run is called that.": "Ninguna ejecución se llama así.",
    "It may have been forgotten, or is older than the journal keeps.": (
        "Puede haberse olvidado, o ser más antigua de lo que guarda el diario."
    ),
    "This run is still under way.": "Esta ejecución sigue en curso.",
    "It is shown whole when it has ended.": "Se muestra entera cuando termina.",
    "Outcome": "Resultado",
    "When": "Cuándo",
    "Model": "Modelo",
    "Type": "Tipo",
    "{type}, confidence {share} %": "{type}, confianza {share} %",
    "corrected to {type}": "corregido a {type}",
    "Profile": "Perfil",
    "First token": "Primer token",
    "Total": "Total",
    "Loading the model": "Carga del modelo",
    "Prompt": "Entrada",
    "Answer": "Respuesta",
    "{number} tokens": "{number} tokens",
    "Session": "Sesión",
    "Client": "Cliente",
    "Asked by": "Preguntado por",
    "Rating": "Valoración",
    "not rated": "sin valorar",
    "{model}: {score} of 1 ({kind})": "{model}: {score} de 1 ({kind})",
    "your word": "tu palabra",
    "compared by you": "comparado por ti",
    "asked again elsewhere": "preguntado de nuevo a otro",
    "Error": "Error",
    "Decision": "Decisión",
    "Nothing was decided: the run ended before.": "No se decidió nada: la ejecución terminó antes.",
    "pinned by the caller": "fijado por quien preguntó",
    "Attempts": "Intentos",
    "No model was asked.": "No se preguntó a ningún modelo.",
    "The answer came from the cache: no model was asked.": (
        "La respuesta vino de la caché: no se preguntó a ningún modelo."
    ),
    "Reading": "Lectura",
    "Writing": "Escritura",
    "Speed": "Velocidad",
    "{speed} tokens/s": "{speed} tokens/s",
    "answered": "respondida",
    "failed": "fallida",
    "broke off": "se cortó",
    "Texts": "Textos",
    "The texts of this run are not kept.": "Los textos de esta ejecución no se guardan.",
    "Secrets in it were blackened.": "Se taparon los secretos que había.",
    "Question": "Pregunta",
    "System prompt": "Instrucciones del sistema",
    "Messages as they were sent ({number})": "Mensajes como se enviaron ({number})",
    "No text came.": "No llegó texto.",
    "Copy code": "Copiar código",
    "Copied": "Copiado",
    "Code": "Código",
}
_KINDS = {"word": "your word", "better": "compared by you", "rerun": "asked again elsewhere"}
POLL_S = 1.0


class RunView:
    """The page of one run; of one that is under way it waits for the end."""

    def __init__(self, page: Page, run_id: str) -> None:
        self._page, self._run_id = page, run_id
        ui.link(f"← {page('All runs')}", "/activity").classes("orch-run-back")
        self._title = text_element("h1", page("Run {name}", name=run_id))
        self._place = ui.element("div").classes("orch-run")
        self._timer = ui.timer(POLL_S, self._look, active=False)
        ui.timer(0, self.load, once=True)

    async def load(self) -> None:
        """Reads and draws it."""
        page = self._page
        if self._run_id in page.service.running:
            self._place.clear()
            with self._place:
                self._under_way()
            self._timer.activate()
            return
        async with loading(page, self._place, self.load):
            found = await read_journal(
                page.service, lambda journal: run_detail(journal, self._run_id)
            )
            if found is None:
                empty_state(
                    "search_off",
                    page("No run is called that."),
                    page("It may have been forgotten, or is older than the journal keeps."),
                )
            else:
                self._title.text = page("Run {name}", name=found.run["run_id"])
                _draw(page, found)

    def _under_way(self) -> None:
        page, made = self._page, self._page.service.running[self._run_id].run.decision
        empty_state(
            "hourglass_empty",
            page("This run is still under way."),
            page("It is shown whole when it has ended."),
        )
        if made is not None:
            _decision(page, {"decision": decision_to_dict(made), "task_type": str(made.task_type)})

    async def _look(self) -> None:
        if self._run_id not in self._page.service.running:
            self._timer.deactivate()
            await self.load()


def _draw(page: Page, found: RunDetail) -> None:
    run = found.run
    with ui.element("section").classes("orch-card"):
        fact_list(_facts(page, found))
        if run["error"]:
            text_element("h3", page("Error"))
            text_element("p", run["error"], "orch-run-text")
    _decision(page, run)
    with ui.element("section").classes("orch-card"):
        text_element("h2", page("Attempts"))
        _attempts(page, found)
    with ui.element("section").classes("orch-card"):
        text_element("h2", page("Texts"))
        _texts(page, run)


def _facts(page: Page, found: RunDetail) -> dict[str, str]:
    run, number = found.run, page.translator.number
    tokens = {
        name: "" if run[name] is None else page("{number} tokens", number=number(run[name]))
        for name in ("prompt_tokens", "completion_tokens")
    }
    kind = run["task_type"] or ""
    if kind and run["confidence"] is not None:
        kind = page(
            "{type}, confidence {share} %", type=kind, share=number(100 * run["confidence"])
        )
    corrected = f" · {page('corrected to {type}', type=found.corrected)}" if found.corrected else ""
    return {
        page("Outcome"): outcome_text(page, {**run, "attempts": len(found.attempts)}),
        page("When"): local_datetime(run["at"]),
        page("Model"): " · ".join(filter(None, (run["model"], run["provider"]))),
        page("Type"): kind + corrected,
        page("Profile"): (run["decision"] or {}).get("profile", ""),
        page("First token"): duration_text(page, run["ttft_s"]),
        page("Total"): duration_text(page, run["total_s"]),
        page("Loading the model"): duration_text(page, run["load_s"]),
        page("Prompt"): tokens["prompt_tokens"],
        page("Answer"): tokens["completion_tokens"],
        page("Session"): run["session"] or "",
        page("Asked by"): run["face"],
        page("Client"): run["client"] or "",
        page("Rating"): (
            " · ".join(_rating(page, each) for each in found.ratings) or page("not rated")
        ),
    }


def _rating(page: Page, each: Row) -> str:
    return page(
        "{model}: {score} of 1 ({kind})",
        model=each["model"],
        score=page.translator.number(each["score"], 1),
        kind=page(_KINDS.get(each["kind"], str(each["kind"]))),
    )


def _decision(page: Page, run: Mapping[str, Any]) -> None:
    made = run["decision"]
    with ui.element("section").classes("orch-card"):
        text_element("h2", page("Decision"))
        if not made:
            text_element("p", page("Nothing was decided: the run ended before."), "orch-dim")
            return
        pinned = page("pinned by the caller") if made["pinned"] else ""
        text_element(
            "p",
            " · ".join(
                filter(
                    None,
                    (made["model_name"], run["task_type"], page.reason(made["reason"]), pinned),
                )
            ),
        )
        candidate_list(page, made)


def _attempts(page: Page, found: RunDetail) -> None:
    if not found.attempts:
        cached = found.run["source"] == "cache"
        text_element(
            "p",
            (
                page("The answer came from the cache: no model was asked.")
                if cached
                else page("No model was asked.")
            ),
            "orch-dim",
        )
        return
    with ui.element("ol").classes("orch-attempts"):
        for number, each in enumerate(found.attempts, 1):
            with ui.element("li"):
                with ui.element("div").classes("orch-attempts-head"):
                    text_element("span", f"{number}. {each['model']}")
                    text_element(
                        "span",
                        _result(page, each),
                        "" if each["outcome"] == "ok" else "orch-attempts-failed",
                    )
                if each["message"]:
                    text_element("p", each["message"], "orch-run-text")
                fact_list(_measured(page, each))


def _result(page: Page, each: Row) -> str:
    results = {"ok": page("answered"), "failed": page("failed"), "partial": page("broke off")}
    said = results.get(each["outcome"], str(each["outcome"]))
    return f"{said}: {each['code']}" if each["code"] else said


def _measured(page: Page, each: Row) -> dict[str, str]:
    """What was measured of an attempt, with units; what was not is left out."""
    number = page.translator.number
    names = {
        "ttft_s": page("First token"),
        "total_s": page("Total"),
        "load_s": page("Loading the model"),
        "prefill_s": page("Reading"),
        "decode_s": page("Writing"),
    }
    times = {
        said: duration_text(page, each[name])
        for name, said in names.items()
        if each[name] is not None
    }
    counts = {"prompt_tokens": page("Prompt"), "completion_tokens": page("Answer")}
    tokens = {
        said: page("{number} tokens", number=number(each[name]))
        for name, said in counts.items()
        if each[name]
    }
    speed = (
        number(each["completion_tokens"] / each["decode_s"], 1)
        if each["completion_tokens"] and each["decode_s"]
        else ""
    )
    return {
        **times,
        **tokens,
        page("Speed"): page("{speed} tokens/s", speed=speed) if speed else "",
    }


# ---------------------------------------------------------------- texts


def _texts(page: Page, run: Row) -> None:
    if run["task"] is None:
        text_element("p", page("The texts of this run are not kept."), "orch-dim")
        return
    if run["redacted"]:
        text_element("p", page("Secrets in it were blackened."), "orch-dim")
    text_element("h3", page("Question"))
    text_element("p", run["task"], "orch-run-text")
    text_element("h3", page("Answer"))
    if run["answer"]:
        StreamedMarkdown(page).show(run["answer"], whole=True)
    else:
        text_element("p", page("No text came."), "orch-dim")
    if run["system"]:
        with disclosure(page("System prompt")):
            text_element("p", run["system"], "orch-run-text")
    if run["messages"]:
        with disclosure(page("Messages as they were sent ({number})", number=len(run["messages"]))):
            for message in run["messages"]:
                text_element("h4", str(message.get("role", "")))
                text_element("p", _said(message), "orch-run-text")


def _said(message: Mapping[str, Any]) -> str:
    """The text of a message; pictures and calls as what they are, not as their bytes."""
    parts = message.get("content")
    if isinstance(parts, list):
        return "\n".join(
            (
                str(part.get("text") or f"[{part.get('type', '?')}]")
                if isinstance(part, dict)
                else str(part)
            )
            for part in parts
        )
    calls = message.get("tool_calls")
    return "\n".join(
        filter(None, (str(parts or ""), json.dumps(calls, ensure_ascii=False) if calls else ""))
    )
