"""The view `Settings`: the weights of the score, what they would have decided, and what is written
to routing.yaml."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nicegui import background_tasks, ui
from starlette.requests import Request

from orch.config.edit_weights import normalize_weights
from orch.config.spec import TERMS
from orch.errors import OrchError
from orch.server.service import Service
from orch.server.web.components.page import Page, content, error_box, loading, open_page
from orch.server.web.components.tables import disclosure, html_table, text_element
from orch.server.web.settings import replay, weights_file
from orch.server.web.settings.replay import Replayer, ReplayResult
from orch.server.web.settings.weights_file import SavePanel

DEBOUNCE_S = 0.3
"""So long the weights must rest before the journal is decided again."""
POLL_S = 1.0
SPANISH: dict[str, str] = {
    **weights_file.SPANISH,
    **replay.SPANISH,
    "Settings": "Ajustes",
    "Routing weights": "Pesos del enrutamiento",
    "How much each term counts in the score by which a model is chosen. They add up to 1.": (
        "Cuánto cuenta cada término en la puntuación con la que se elige un modelo. Suman 1."
    ),
    "Fit": "Idoneidad",
    "Quality": "Calidad",
    "Speed": "Velocidad",
    "Confidence": "Confianza",
    "Whether the type of the task is among the model's strengths.": (
        "Si el tipo de tarea está entre los puntos fuertes del modelo."
    ),
    "How good the model is at such a task.": "Lo bueno que es el modelo en una tarea así.",
    "How soon the answer would stand there, the load included.": (
        "Cuán pronto estaría la respuesta, incluida la carga."
    ),
    "A sure type favours specialists, an unsure one generalists.": (
        "Un tipo seguro favorece a los especialistas; uno dudoso, a los generalistas."
    ),
    "{term}, slider": "{term}, control deslizante",
    "{term}, number": "{term}, número",
    "Sum {sum} of 1": "Suma {sum} de 1",
    "Make the sum 1": "Hacer que la suma sea 1",
    "Back to what is in force": "Volver a lo que está en vigor",
    "Profiles and the dial": "Perfiles y el dial",
    "Weights of the profiles": "Pesos de los perfiles",
    "Profile": "Perfil",
    "The weights above count where no profile is asked for, which is called balanced.": (
        "Los pesos de arriba cuentan donde no se pide ningún perfil, lo que se llama balanced."
    ),
    "A profile (--speed, --quality) has weights of its own, which this page leaves as they are.": (
        "Un perfil (--speed, --quality) tiene pesos propios, que esta página no toca."
    ),
    "The dial goes in straight lines from speed alone (0) by the weights above (5) to quality alone (10).": (
        "El dial va en línea recta de solo velocidad (0), por los pesos de arriba (5), a solo"
        " calidad (10)."
    ),
    "In the replay, what was chosen by the dial keeps the weights of then.": (
        "En la repetición, lo que se eligió con el dial conserva los pesos de entonces."
    ),
    "Replay": "Repetición",
    "Every task of the journal is decided again under the weights above. No model is run.": (
        "Cada tarea del registro se decide de nuevo con los pesos de arriba. No se ejecuta ningún"
        " modelo."
    ),
    "What stands on the disk is not valid and not used: the last good configuration goes on.": (
        "Lo que hay en el disco no es válido y no se usa: sigue la última configuración correcta."
    ),
    "In force: configuration {hash}.": "En vigor: configuración {hash}.",
}
TERM_TEXTS = {
    "fit": ("Fit", "Whether the type of the task is among the model's strengths."),
    "quality": ("Quality", "How good the model is at such a task."),
    "speed": ("Speed", "How soon the answer would stand there, the load included."),
    "confidence": ("Confidence", "A sure type favours specialists, an unsure one generalists."),
}


async def settings_view(request: Request, service: Service) -> None:
    """Draws it."""
    page = open_page(request, service, "Settings", SPANISH)
    with content().classes("orch-settings-page"):
        SettingsView(page)


class SettingsView:
    """The open view: the weights that are tried, and what follows from them."""

    def __init__(self, page: Page) -> None:
        self._page, self._service = page, page.service
        self._in_force = page.service.config.routing.weights.as_dict()
        self._replayer = Replayer(page.service)
        self._waiting: asyncio.Task[None] | None = None
        self._fault = page.service.config_fault
        self._is_shown = False
        text_element("h1", page("Routing weights"))
        self._state = ui.element("div").props("aria-live=polite")
        self._sliders = WeightSliders(page, self._in_force, self._changed)
        self._profiles = ui.element("div")
        self._saving = SavePanel(page)
        text_element("h2", page("Replay"))
        text_element(
            "p",
            page(
                "Every task of the journal is decided again under the weights above. No model is"
                " run."
            ),
            "orch-dim",
        )
        self._place = ui.element("div").classes("orch-settings-replay")
        self._shown = ReplayResult(page, self._sliders.count, self._place)
        self._tell_state()
        with self._profiles:
            _profiles(page)
        ui.timer(0.01, self._begin, once=True)
        ui.timer(POLL_S, self._look)
        ui.context.client.on_delete(self._end)

    def _end(self) -> None:
        self._replayer.stop()
        if self._waiting is not None:
            self._waiting.cancel()

    async def _begin(self) -> None:
        """Reads the file and the journal."""
        await self._saving.read()
        self._show_difference()
        replayer, is_read = self._replayer, False
        self._is_shown = False
        async with loading(self._page, self._place, self._begin):
            await replayer.open()
            is_read = True
        if is_read and replayer is self._replayer:
            await self._replay()

    # ---------------------------------------------------------------- the weights change

    def _changed(self) -> None:
        """At once the sum and the difference; the replay when the weights rest."""
        self._show_difference()
        self._end()
        self._place.classes("orch-settings-stale")
        self._waiting = background_tasks.create(self._replay_soon(), name="replay")

    def _show_difference(self) -> None:
        self._saving.show(self._sliders.weights, adds_up=self._sliders.adds_up)

    async def _replay_soon(self) -> None:
        await asyncio.sleep(DEBOUNCE_S)
        await self._replay()

    async def _replay(self) -> None:
        weights, replayer = dict(self._sliders.weights), self._replayer
        if self._is_shown:
            found = await replayer.decided(weights)
        else:
            async with loading(self._page, self._place, self._begin):
                found = await replayer.decided(weights)
        if found is not None and replayer is self._replayer and not self._place.is_deleted:
            self._shown.show(replayer, found, in_force=weights == self._in_force)
            self._is_shown = True
            self._place.classes(remove="orch-settings-stale")

    # ---------------------------------------------------------------- the configuration changes

    async def _look(self) -> None:
        """Takes over what the server took over, from this page or from an editor."""
        fault, config = self._service.config_fault, self._service.config
        if fault is self._fault and config is self._replayer.config:
            return
        self._fault = fault
        self._tell_state()
        if config is self._replayer.config:
            await self._saving.read()
            self._show_difference()
            return
        untouched = self._sliders.weights == self._in_force
        self._in_force = config.routing.weights.as_dict()
        self._sliders.begin = self._in_force
        self._profiles.clear()
        with self._profiles:
            _profiles(self._page)
        self._replayer.stop()
        self._replayer = Replayer(self._service)
        if untouched:
            self._sliders.set_weights(self._in_force)
        await self._begin()

    def _tell_state(self) -> None:
        self._state.clear()
        page, fault = self._page, self._fault
        with self._state:
            if fault is None:
                text_element(
                    "p",
                    page("In force: configuration {hash}.", hash=self._service.config.hash),
                    "orch-dim",
                )
                return
            error_box(
                page,
                OrchError(
                    page(
                        "What stands on the disk is not valid and not used: the last good"
                        " configuration goes on."
                    ),
                    fault.message,
                ),
            )


class WeightSliders:
    """A slider and a number for each weight, and their sum."""

    def __init__(self, page: Page, begin: dict[str, float], changed: Callable[[], None]) -> None:
        self._page, self._changed, self.begin = page, changed, begin
        self.weights = dict(begin)
        self._inputs: dict[str, tuple[ui.element, ui.number]] = {}
        with ui.element("section").classes("orch-card orch-settings-weights"):
            text_element(
                "p",
                page(
                    "How much each term counts in the score by which a model is chosen. They add up"
                    " to 1."
                ),
                "orch-dim",
            )
            for term in TERMS:
                self._row(term)
            with ui.element("div").classes("orch-settings-sum"):
                self._sum = text_element("p", "").props("role=status")
                even = ui.button(
                    page("Make the sum 1"),
                    on_click=lambda: self.set_weights(normalize_weights(self.weights)),
                )
                back = ui.button(
                    page("Back to what is in force"), on_click=lambda: self.set_weights(self.begin)
                )
            self.count = text_element("p", "", "orch-settings-count").props("role=status")
            self._even, self._back = even.props("flat no-caps"), back.props("flat no-caps")
        self._tell()

    @property
    def adds_up(self) -> bool:
        """Whether the sum is 1, as a routing.yaml needs it."""
        return abs(sum(self.weights.values()) - 1) <= 1e-6

    def set_weights(self, weights: dict[str, float]) -> None:
        """Other weights, all at once."""
        self.weights = dict(weights)
        for term, weight in weights.items():
            self._put(term, weight)
        self._tell()
        self._changed()

    def _row(self, term: str) -> None:
        page, (name, about) = self._page, TERM_TEXTS[term]
        with ui.element("div").classes("orch-settings-weight"):
            with ui.element("div").classes("orch-settings-term"):
                text_element("span", page(name), "orch-settings-name")
                text_element("span", page(about), "orch-hint")
            # a browser's own: the one of Quasar has its name on one element and the focus on
            # another
            slider = (
                ui.element("input")
                .props(f"type=range min=0 max=1 step=0.01 value={self.weights[term]}")
                .classes("orch-settings-slider")
            )
            slider.on(
                "input",
                lambda event: self._take(term, float(event.args)),
                throttle=0.05,
                js_handler="(event) => emit(event.target.value)",
            )
            number = ui.number(
                min=0,
                max=1,
                step=0.01,
                value=self.weights[term],
                format="%.2f",
                on_change=lambda event: self._take(term, event.value),
            )
            number.props("dense outlined").classes("orch-settings-number")
            slider.props["aria-label"] = page("{term}, slider", term=page(name))
            number.props["aria-label"] = page("{term}, number", term=page(name))
        self._inputs[term] = (slider, number)

    def _take(self, term: str, value: float | None) -> None:
        """What was set by hand; an empty field says nothing yet."""
        value = value if value is None else round(value, 3)
        if value is None or not 0 <= value <= 1 or value == self.weights[term]:
            return
        self.weights[term] = value
        self._put(term, value)
        self._tell()
        self._changed()

    def _put(self, term: str, value: float) -> None:
        slider, number = self._inputs[term]
        slider.props["value"] = value
        number.set_value(value)

    def _tell(self) -> None:
        self._sum.set_text(
            self._page(
                "Sum {sum} of 1", sum=self._page.translator.number(sum(self.weights.values()), 2)
            )
        )
        self._sum.classes(
            remove="orch-settings-good orch-settings-bad",
            add="orch-settings-good" if self.adds_up else "orch-settings-bad",
        )
        self._even.set_enabled(not self.adds_up)
        self._back.set_enabled(self.weights != self.begin)


def _profiles(page: Page) -> None:
    """What the weights do not change."""
    routing = page.service.config.routing
    number = page.translator.number
    sets = {"balanced": routing.weights} | dict(routing.profiles)
    with disclosure(page("Profiles and the dial")):
        text_element(
            "p",
            page(
                "The weights above count where no profile is asked for, which is called balanced."
            ),
        )
        text_element(
            "p",
            page(
                "A profile (--speed, --quality) has weights of its own, which this page leaves as"
                " they are."
            ),
        )
        rows = [
            (name, *(number(weight, 2) for weight in weights.as_dict().values()))
            for name, weights in sets.items()
        ]
        html_table(
            page("Weights of the profiles"),
            (page("Profile"), *(page(TERM_TEXTS[term][0]) for term in TERMS)),
            rows,
        )
        text_element(
            "p",
            page(
                "The dial goes in straight lines from speed alone (0) by the weights above (5) to"
                " quality alone (10)."
            ),
        )
        text_element(
            "p", page("In the replay, what was chosen by the dial keeps the weights of then.")
        )
