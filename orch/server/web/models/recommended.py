"""What to pull for this machine: the recommendations of the Models view, with a button that
downloads each."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.execution.recommending import wording
from orch.execution.recommending.report import RecommendationReport
from orch.routing.recommendations.capacity import Placement
from orch.routing.recommendations.recommend import SLOW_S, Drop, Recommendation
from orch.server.web.components.i18n import N_
from orch.server.web.components.labels import task_type_label
from orch.server.web.components.page import Page

PLACES = {
    Placement.GPU: N_("runs on the GPU"),
    Placement.SPLIT: N_("partly in main memory, so slower"),
    Placement.MEMORY: N_("runs in main memory"),
}
WHY_NOTHING = {
    Drop.NO_GAIN: N_("{n} would fit and are not better than what is installed."),
    Drop.MEMORY: N_("{n} need more memory."),
    Drop.DISK: N_("{n} need more room on the disk."),
}
MOST_GAINS = 3


class RecommendedModels:
    """Draws the section; what it shows is measured after the rest of the page."""

    def __init__(self, page: Page, download: Callable[[str, str], None]) -> None:
        self._page, self._download = page, download
        self.body = ui.element("section").classes("orch-card orch-models-part")

    def show(self, report: RecommendationReport) -> None:
        """Shows a report in place of the last one."""
        page = self._page
        TextElement(tag="h2", text=page("What to pull for this machine"))
        ui.label(self._memory_text(report)).classes("orch-hint")
        if not report.found.rows:
            ui.label(self._nothing_text(report)).props("role=status")
            return
        with ui.element("div").classes("orch-models-list").props("role=list"):
            for row in report.found.rows:
                self._draw_row(report, row)
        ui.label(self._footer(report)).classes("orch-hint")

    def _draw_row(self, report: RecommendationReport, row: Recommendation) -> None:
        with ui.element("div").classes("orch-models-row").props("role=listitem"):
            with ui.element("div").classes("orch-models-about"):
                with ui.element("div").classes("orch-models-names"):
                    ui.label(row.model.tag).classes("orch-models-name")
                    ui.label(self._facts(row)).classes("orch-dim")
                with ui.element("div").classes("orch-models-chips"):
                    for chip in self._chips(row):
                        ui.label(chip).classes("orch-models-chip")
                ui.label(self._reason(row)).classes("orch-dim")
            self._draw_action(report, row)

    def _draw_action(self, report: RecommendationReport, row: Recommendation) -> None:
        page, tag, provider = self._page, row.model.tag, report.provider
        if not report.runs:
            ui.label(wording.command(report, row)).classes("orch-dim")
            return
        button = ui.button(page("Download"), on_click=lambda: self._download(tag, provider))
        button.props("outline no-caps dense").props["aria-label"] = page(
            "Download: {name}", name=tag
        )

    # ---------------------------------------------------------------- texts

    def _facts(self, row: Recommendation) -> str:
        page = self._page
        speed = page("about {n} tokens/s, guessed", n=page.number(max(row.tokens_per_s, 1)))
        return f"{page.number(row.model.size_bytes / 1e9, 1)} GB · {speed}"

    def _chips(self, row: Recommendation) -> list[str]:
        page, gains = self._page, wording.gains(row)
        if not gains:
            value = page.number(wording.mean_quality(row), 1)
            return [page("quality {value} of 10", value=value)]
        return [
            f"{task_type_label(page, each)} +{page.number(gain, 1)}"
            for each, gain in gains[:MOST_GAINS]
        ] + ([page("{n} more", n=len(gains) - MOST_GAINS)] if len(gains) > MOST_GAINS else [])

    def _reason(self, row: Recommendation) -> str:
        page = self._page
        others = dict.fromkeys(row.beside[each].model for each, _ in wording.gains(row))
        beside = page("Better than {models}", models=", ".join(list(others)[:2])) if others else ""
        slow = (
            page("about {n} minutes an answer", n=page.number(row.answer_s / 60))
            if row.answer_s > SLOW_S
            else ""
        )
        return " · ".join(filter(None, (beside, page(PLACES[row.placement]), slow)))

    def _memory_text(self, report: RecommendationReport) -> str:
        page, capacity = self._page, report.capacity
        if capacity.main_bytes is None:
            return page("How much memory there is for models is not known.")
        main = page.number(capacity.main_bytes / 1e9, 1)
        gpus = sum(capacity.gpu_bytes)
        if not gpus:
            return page("{main} GB of memory for models, no GPU found.", main=main)
        gpu = page.number(gpus / 1e9, 1)
        return page("{main} GB of memory for models and {gpu} GB on GPUs.", main=main, gpu=gpu)

    def _nothing_text(self, report: RecommendationReport) -> str:
        page = self._page
        if not report.is_here:
            return page("Ollama runs on another machine, whose memory is not known here.")
        if report.capacity.total_bytes is None:
            return page("Nothing is recommended while the memory is not known.")
        dropped = report.found.dropped
        why = (
            page(text, n=page.number(dropped[key]))
            for key, text in WHY_NOTHING.items()
            if dropped.get(key)
        )
        return " ".join([page("Nothing to pull."), *why])

    def _footer(self, report: RecommendationReport) -> str:
        page = self._page
        return page(
            "With a context of {n} tokens. Qualities come from published scores; a gain, of 10, is"
            " beyond the error of both estimates. Nothing is downloaded by itself.",
            n=page.number(report.found.rows[0].num_ctx),
        )
