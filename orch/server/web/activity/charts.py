"""What the runs of a period add up to: times and speed by model, fallbacks, cold loads and cache
hits."""

from __future__ import annotations

from nicegui import ui

from orch.server.web.activity.history import duration_text
from orch.server.web.activity.queries import (
    ActivityFigures,
    Row,
    activity_figures,
    median,
    read_journal,
)
from orch.server.web.components.page import Page, empty_state, loading
from orch.server.web.components.tables import (
    bar_chart,
    disclosure,
    fact_list,
    html_table,
    text_element,
)

SPANISH = {
    "Figures": "Cifras",
    "Period": "Periodo",
    "last 24 hours": "últimas 24 horas",
    "last 7 days": "últimos 7 días",
    "last 30 days": "últimos 30 días",
    "all": "todo",
    "No figures yet.": "Aún no hay cifras.",
    "No model was asked in this time.": "No se preguntó a ningún modelo en este tiempo.",
    "Time to the first token": "Tiempo hasta el primer token",
    "Time of the whole answer": "Tiempo de la respuesta completa",
    "Speed of writing": "Velocidad de escritura",
    "median {middle}, 95 % under {most}": "mediana {middle}, 95 % por debajo de {most}",
    "median {speed} tokens/s": "mediana {speed} tokens/s",
    "The solid bar is the median, the pale one where 95 % lie below.": (
        "La barra llena es la mediana; la pálida, bajo la que queda el 95 %."
    ),
    "The same as a table": "Lo mismo en una tabla",
    "Figures by model": "Cifras por modelo",
    "Model": "Modelo",
    "Asked": "Preguntado",
    "Errors": "Errores",
    "Fallbacks": "Reemplazos",
    "Tokens": "Tokens",
    "First token, median": "Primer token, mediana",
    "First token, 95 %": "Primer token, 95 %",
    "Whole, median": "Completa, mediana",
    "Whole, 95 %": "Completa, 95 %",
    "Speed, median": "Velocidad, mediana",
    "{speed} tokens/s": "{speed} tokens/s",
    "Failed": "Falló",
    "Why": "Por qué",
    "Then asked": "Después",
    "How often": "Veces",
    "No model had to stand in for another.": "Ningún modelo tuvo que sustituir a otro.",
    "Cold loads": "Cargas en frío",
    "Loads": "Cargas",
    "In all": "En total",
    "Median": "Mediana",
    "Longest": "La más larga",
    "No model had to be loaded first.": "Ningún modelo tuvo que cargarse antes.",
    "Answers from the cache": "Respuestas de la caché",
    "Runs answered from it": "Ejecuciones respondidas con ella",
    "{cached} of {runs} ({share} %)": "{cached} de {runs} ({share} %)",
    "Answers kept": "Respuestas guardadas",
    "Size": "Tamaño",
    "{size} MB": "{size} MB",
    "{size} kB": "{size} kB",
    "Given again so far": "Dadas de nuevo hasta ahora",
    "Oldest": "La más antigua",
    "{hours} h": "{hours} h",
    "Mode": "Modo",
}
PERIODS_S = {"1": 86_400, "7": 7 * 86_400, "30": 30 * 86_400, "": 0}


class Charts:
    """The figures of a period that can be chosen; empty until they are loaded."""

    def __init__(self, page: Page) -> None:
        self._page, self._turn = page, 0
        periods = {
            "1": page("last 24 hours"),
            "7": page("last 7 days"),
            "30": page("last 30 days"),
            "": page("all"),
        }
        with ui.element("div").classes("orch-activity-head"):
            text_element("h2", page("Figures"))
            self._period = ui.select(
                periods, label=page("Period"), value="7", on_change=self.load
            ).props("dense outlined")
        self._place = ui.element("div").classes("orch-figures")

    async def load(self) -> None:
        """Reads the journal and draws, unless another period was chosen meanwhile."""
        self._turn += 1
        turn, page = self._turn, self._page
        cache = page.service.orchestrator.runtime.answer_cache.store
        async with loading(page, self._place, self.load):
            found = await read_journal(
                page.service,
                lambda journal: activity_figures(
                    journal, PERIODS_S[self._period.value], cache.stats
                ),
            )
            if turn == self._turn:
                self._draw(found)

    def _draw(self, found: ActivityFigures) -> None:
        page = self._page
        if not found.runs and not found.models:
            empty_state(
                "bar_chart", page("No figures yet."), page("No model was asked in this time.")
            )
            return
        _speeds(page, found.models)
        _fallbacks(page, found)
        _loads(page, found)
        _cache(page, found)


def _speeds(page: Page, models: dict[str, Row]) -> None:
    if not models:
        return
    number = page.translator.number
    with ui.element("div").classes("orch-figures-charts"):
        for title, name in (
            (page("Time to the first token"), "ttft"),
            (page("Time of the whole answer"), "total"),
        ):
            known = {
                model: (row[f"{name}_p50_s"], row[f"{name}_p95_s"])
                for model, row in models.items()
                if row[f"{name}_p50_s"] is not None
            }
            with ui.element("div"):
                said = page("median {middle}, 95 % under {most}")
                bar_chart(
                    title,
                    [
                        (
                            model,
                            said.format(
                                middle=duration_text(page, p50), most=duration_text(page, p95)
                            ),
                            p50,
                            p95,
                        )
                        for model, (p50, p95) in known.items()
                    ],
                )
        rates = {
            model: row["tokens_per_s"]
            for model, row in models.items()
            if row["tokens_per_s"] is not None
        }
        with ui.element("div"):
            bar_chart(
                page("Speed of writing"),
                [
                    (model, page("median {speed} tokens/s", speed=number(rate, 1)), rate, 0.0)
                    for model, rate in rates.items()
                ],
            )
    text_element(
        "p", page("The solid bar is the median, the pale one where 95 % lie below."), "orch-dim"
    )
    with disclosure(page("The same as a table")):
        html_table(
            page("Figures by model"),
            _heads(page),
            [_figures(page, name, row) for name, row in models.items()],
        )


def _heads(page: Page) -> list[str]:
    return [
        page("Model"), page("Asked"), page("Errors"), page("Fallbacks"), page("Tokens"), page("First token, median"), page("First token, 95 %"),
        page("Whole, median"), page("Whole, 95 %"), page("Speed, median"),
    ]  # fmt: skip


def _figures(page: Page, name: str, row: Row) -> list[str]:
    counts = [
        page.translator.number(row[each]) for each in ("runs", "errors", "fallbacks", "tokens")
    ]
    times = [
        duration_text(page, row[each])
        for each in ("ttft_p50_s", "ttft_p95_s", "total_p50_s", "total_p95_s")
    ]
    rate = row["tokens_per_s"]
    return [
        name,
        *counts,
        *times,
        "–" if rate is None else page("{speed} tokens/s", speed=page.translator.number(rate, 1)),
    ]


def _fallbacks(page: Page, found: ActivityFigures) -> None:
    text_element("h3", page("Fallbacks"))
    rows = [
        (failed, code or "–", then, page.translator.number(count))
        for (failed, code, then), count in found.fallbacks.most_common()
    ]
    if rows:
        html_table(
            page("Fallbacks"),
            [page("Failed"), page("Why"), page("Then asked"), page("How often")],
            rows,
            (0, 1, 2),
        )
    else:
        text_element("p", page("No model had to stand in for another."), "orch-dim")


def _loads(page: Page, found: ActivityFigures) -> None:
    text_element("h3", page("Cold loads"))
    rows = [
        (
            name,
            page.translator.number(len(all_s)),
            *(duration_text(page, value) for value in (sum(all_s), median(all_s), max(all_s))),
        )
        for name, all_s in found.loads.items()
    ]
    if rows:
        html_table(
            page("Cold loads"),
            [page("Model"), page("Loads"), page("In all"), page("Median"), page("Longest")],
            rows,
        )
    else:
        text_element("p", page("No model had to be loaded first."), "orch-dim")


def _cache(page: Page, found: ActivityFigures) -> None:
    number, kept = page.translator.number, found.cache
    text_element("h3", page("Answers from the cache"))
    share = number(100 * found.cached / found.runs) if found.runs else "0"
    oldest = kept.get("oldest_s")
    fact_list(
        {
            page("Runs answered from it"): page(
                "{cached} of {runs} ({share} %)",
                cached=number(found.cached),
                runs=number(found.runs),
                share=share,
            ),
            page("Answers kept"): number(kept.get("answers", 0)),
            page("Size"): _size(page, kept.get("bytes", 0)),
            page("Given again so far"): number(kept.get("hits", 0)),
            page("Oldest"): (
                page("{hours} h", hours=number(oldest / 3600, 1)) if oldest is not None else ""
            ),
            page("Mode"): page.service.config.routing.cache.mode,
        }
    )


def _size(page: Page, size_bytes: int) -> str:
    return (
        page("{size} MB", size=page.translator.number(size_bytes / 1e6, 1))
        if size_bytes >= 1e6
        else page("{size} kB", size=page.translator.number(size_bytes / 1e3, 1))
    )
