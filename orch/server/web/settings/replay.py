"""The journal decided again under other weights, in a thread that lets go when it is overtaken; and
how that is shown."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.config.edit_weights import normalize_weights
from orch.config.spec import Weights
from orch.routing.replay import (
    Comparison,
    NewDecision,
    Reclassification,
    RecordedDecision,
    RecordedDecisions,
    Replay,
    assume_reachable,
    decide_again,
    reclassify,
    recorded_decisions,
)
from orch.server.service import Service
from orch.server.web.components.page import Page, empty_state
from orch.server.web.components.tables import disclosure, html_table, text_element
from orch.text.lines import one_line

MAX_RUNS = 2_000
"""As many as are decided again within a second; `orch replay` takes more."""
CHANGES_PER_STEP = 25
_PAUSE_S, _RUNS_PER_PAUSE = 0.001, 8
SPANISH = {
    "{n} of {all} decisions change": "Cambian {n} de {all} decisiones",
    "No decision changes": "No cambia ninguna decisión",
    "Of {all} decisions, each would be the same.": "De {all} decisiones, todas serían las mismas.",
    "These are the weights in force: what was learned and measured since then decides otherwise.": (
        "Estos son los pesos en vigor: lo aprendido y medido desde entonces decide de otro modo."
    ),
    "{n} of them would change with the weights in force too: what was learned and measured since then decides otherwise.": (
        "{n} de ellas cambiarían también con los pesos en vigor: lo aprendido y medido desde"
        " entonces decide de otro modo."
    ),
    "Only the last {n} runs are looked at; orch replay looks at more.": (
        "Solo se miran las últimas {n} ejecuciones; orch replay mira más."
    ),
    "{providers} can't be reached: the models listed there count as installed.": (
        "No se puede acceder a {providers}: los modelos que figuran ahí cuentan como instalados."
    ),
    "{n} runs have no text and can't be decided again (journal.mode was meta).": (
        "{n} ejecuciones no tienen texto y no se pueden decidir de nuevo (journal.mode era meta)."
    ),
    "No runs to replay yet": "Aún no hay ejecuciones que repetir",
    "Ask something in the chat or with orch run: what is decided there can be decided again here.": (
        "Pregunta algo en el chat o con orch run: lo que allí se decida se puede volver a decidir"
        " aquí."
    ),
    "Runs are not recorded: journal.mode is off in routing.yaml.": (
        "Las ejecuciones no se registran: journal.mode es off en routing.yaml."
    ),
    "The runs that are there were not orch's to decide: a model was named, or the answer was kept.": (
        "Las ejecuciones que hay no las decidió orch: se nombró un modelo o la respuesta estaba"
        " guardada."
    ),
    "From": "De",
    "To": "A",
    "Decisions": "Decisiones",
    "no model": "ningún modelo",
    "From which model to which": "De qué modelo a cuál",
    "Which decisions": "Qué decisiones",
    "from {before} to {after}": "de {before} a {after}",
    "with the weights in force too": "también con los pesos en vigor",
    "expected quality {before} → {after} of 10": "calidad esperada {before} → {after} de 10",
    "expected time {before} → {after} s": "tiempo esperado {before} → {after} s",
    "Show {n} more": "Mostrar {n} más",
    "coding": "código",
    "reasoning": "razonamiento",
    "exploration": "exploración",
    "writing": "redacción",
    "simple": "sencilla",
    "analysis": "análisis",
    "creative": "creativa",
    "research": "investigación",
}


class SupersededError(Exception):
    """Other weights are asked about now."""


class Replayer:
    """The past of the journal, read once for all weights, as the newest configuration knows it.
    Lives as long as the page, or that configuration."""

    def __init__(self, service: Service) -> None:
        self._service, self.config = service, service.config
        self._runtime = service.orchestrator.runtime
        self._readings: dict[str, Reclassification] = {}
        self._stop = threading.Event()
        self.history = RecordedDecisions(())
        self.down: tuple[str, ...] = ()
        self.all_runs = 0
        self._present: dict[str, str | None] | None = None

    async def open(self) -> None:
        """Asks which models there are and reads the journal. Raises OrchError."""
        self._survey, self.down = assume_reachable(
            await self._runtime.registry.snapshot(), self._runtime
        )
        await asyncio.to_thread(self._read)

    def _read(self) -> None:
        self._service.write_pending_runs()
        rows = self._runtime.journal.runs(0.0, MAX_RUNS)
        self.all_runs, self.history = len(rows), recorded_decisions(rows)

    async def decided(self, weights: Mapping[str, float]) -> Replay | None:
        """Every decision under these weights; None where it was overtaken or stopped."""
        self.stop()
        self._stop = stop = threading.Event()
        try:
            return await asyncio.to_thread(self._decided, weights, stop)
        except SupersededError:
            return None

    def matches_present(self, each: Comparison) -> bool:
        """Whether the weights in force would take that model too."""
        return self._present is not None and self._present[each.run_id] == each.after

    def stop(self) -> None:
        """Lets go of what is being decided."""
        self._stop.set()

    def _decided(self, weights: Mapping[str, float], stop: threading.Event) -> Replay:
        if self._present is None:
            now = self._tried(self.config.routing.weights, stop)
            self._present = {each.run_id: each.after for each in now.decisions}
        # only proportions count in an order, so that a sum that is not 1 yet can be shown too
        return self._tried(Weights(**_proportions(weights)), stop)

    def _tried(self, tried: Weights, stop: threading.Event) -> Replay:
        config = self.config
        runtime = replace(
            self._runtime, config=replace(config, routing=replace(config.routing, weights=tried))
        )
        count = 0

        def again(past: RecordedDecision) -> NewDecision:
            nonlocal count
            count += 1
            if count % _RUNS_PER_PAUSE == 0:
                time.sleep(_PAUSE_S)  # the server answers others meanwhile
            if stop.is_set():
                raise SupersededError
            read = self._readings.get(past.run_id)
            if read is None:
                read = self._readings[past.run_id] = reclassify(past, runtime, self._survey)
            return decide_again(past, read, runtime, self._survey)

        return self.history.replay(again)


def _proportions(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return (
        {term: weight / total for term, weight in weights.items()}
        if total
        else normalize_weights(weights)
    )


# ---------------------------------------------------------------- showing


class ReplayResult:
    """The outcome of a replay: how many decisions change, beside the weights, and which ones, in a
    place of its own."""

    def __init__(self, page: Page, count: TextElement, place: ui.element) -> None:
        self._page, self._count, self._place = page, count, place

    def show(self, replayer: Replayer, found: Replay, *, in_force: bool) -> None:
        """Draws it in place of what was there."""
        self._place.clear()
        self._count.set_text(self._counted(found))
        with self._place:
            if not found.decisions:
                _nothing(self._page, replayer, found)
                return
            changes = found.changes
            self._head(replayer, found, in_force=in_force)
            if changes:
                _pairs(self._page, changes)
                self._list(replayer, changes, in_force=in_force)

    def _counted(self, found: Replay) -> str:
        page, number, changes = self._page, self._page.translator.number, found.changes
        if not found.decisions:
            return ""
        return (
            page(
                "{n} of {all} decisions change",
                n=number(len(changes)),
                all=number(len(found.decisions)),
            )
            if changes
            else page("No decision changes")
        )

    def _head(self, replayer: Replayer, found: Replay, *, in_force: bool) -> None:
        page, changes = self._page, found.changes
        number = page.translator.number
        if not changes:
            text_element(
                "p",
                page(
                    "Of {all} decisions, each would be the same.", all=number(len(found.decisions))
                ),
                "orch-hint",
            )
        same = sum(replayer.matches_present(each) for each in changes)
        if changes and in_force:
            text_element(
                "p",
                page(
                    "These are the weights in force: what was learned and measured since then"
                    " decides otherwise."
                ),
                "orch-hint",
            )
        elif same:
            said = page(
                "{n} of them would change with the weights in force too: what was learned and"
                " measured since then decides otherwise.",
                n=number(same),
            )
            text_element("p", said, "orch-hint")
        for remark in _remarks(page, replayer, found):
            text_element("p", remark, "orch-hint")

    def _list(self, replayer: Replayer, changes: tuple[Comparison, ...], *, in_force: bool) -> None:
        """Those that the weights change first."""
        ordered = sorted(changes, key=lambda each: replayer.matches_present(each))
        with disclosure(self._page("Which decisions")) as part:
            part.props("open")
            place = ui.element("ul").classes("orch-settings-changes")
            more = ui.button().props("flat")

        def further() -> None:
            first = len(place.default_slot.children)
            with place:
                for each in ordered[first : first + CHANGES_PER_STEP]:
                    _change(self._page, each, too=not in_force and replayer.matches_present(each))
            left = min(CHANGES_PER_STEP, len(ordered) - first - CHANGES_PER_STEP)
            more.set_visibility(left > 0)
            more.set_text(self._page("Show {n} more", n=left))

        more.on_click(further)
        further()


def _remarks(page: Page, replayer: Replayer, found: Replay) -> list[str]:
    number, said = page.translator.number, []
    if replayer.down:
        said.append(
            page(
                "{providers} can't be reached: the models listed there count as installed.",
                providers=", ".join(replayer.down),
            )
        )
    if found.without_text:
        said.append(
            page(
                "{n} runs have no text and can't be decided again (journal.mode was meta).",
                n=number(found.without_text),
            )
        )
    if replayer.all_runs == MAX_RUNS:
        said.append(
            page(
                "Only the last {n} runs are looked at; orch replay looks at more.",
                n=number(MAX_RUNS),
            )
        )
    return said


def _nothing(page: Page, replayer: Replayer, found: Replay) -> None:
    hint = page(
        "Ask something in the chat or with orch run: what is decided there can be decided again"
        " here."
    )
    if replayer.config.routing.journal.mode == "off":
        hint = page("Runs are not recorded: journal.mode is off in routing.yaml.")
    elif found.without_text:
        hint = page(
            "{n} runs have no text and can't be decided again (journal.mode was meta).",
            n=page.translator.number(found.without_text),
        )
    elif found.left_out:
        hint = page(
            "The runs that are there were not orch's to decide: a model was named, or the answer"
            " was kept."
        )
    empty_state("history", page("No runs to replay yet"), hint)


def _pairs(page: Page, changes: tuple[Comparison, ...]) -> None:
    counted = Counter((each.before, each.after) for each in changes)
    rows = [
        (before, after or page("no model"), page.translator.number(n))
        for (before, after), n in counted.most_common()
    ]
    html_table(
        page("From which model to which"),
        (page("From"), page("To"), page("Decisions")),
        rows,
        words=(0, 1),
    )


def _change(page: Page, each: Comparison, *, too: bool) -> None:
    number = page.translator.number
    with ui.element("li"):
        text_element("div", one_line(each.task)[:300], "orch-settings-task")
        with ui.element("div").classes("orch-settings-facts"):
            text_element("span", page(each.task_type), "orch-settings-type")
            text_element(
                "span",
                page(
                    "from {before} to {after}",
                    before=each.before,
                    after=each.after or page("no model"),
                ),
            )
            (quality, new_quality), (seconds, new_seconds) = each.quality, each.seconds
            if quality is not None and new_quality is not None:
                text_element(
                    "span",
                    page(
                        "expected quality {before} → {after} of 10",
                        before=number(10 * quality, 1),
                        after=number(10 * new_quality, 1),
                    ),
                    "orch-dim",
                )
            if seconds is not None and new_seconds is not None:
                text_element(
                    "span",
                    page(
                        "expected time {before} → {after} s",
                        before=number(seconds, 1),
                        after=number(new_seconds, 1),
                    ),
                    "orch-dim",
                )
            if too:
                text_element("span", page("with the weights in force too"), "orch-dim")
