"""Chooses what to offer on a machine: from its hardware, servers and the known models (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from orch.cli.commands.setup.hardware import GPU_BYTES_PER_S, Machine
from orch.cli.commands.setup.starter_models import STARTER_MODELS, StarterModel
from orch.text.model_names import comparison_key
from orch.types import TaskType

Action = Literal["use_server", "start_ollama", "get_ollama", "get_engine", "pull", "download"]
"""`pull` is into Ollama, `download` into orch's own engine; what users install themselves is only
mentioned."""
QualityLookup = Callable[[str], Mapping[TaskType, float] | None]
"""What is known of a model of that name, 0 to 1 by type; None where nothing is."""
ANSWER_TOKENS, PROMPT_TOKENS, PREFILL = 400, 300, 10.0
"""Tokens of a usual answer (routing.yaml's default) and prompt, for the expected seconds, and how
much faster a token is read than written."""
THINKING_TOKENS = 1_000
"""What a model that thinks writes before a usual answer: a guess, until measured."""
MAX_ANSWER_S = 120.0
"""A model that takes longer for an answer is offered only where nothing is faster."""
SLOWNESS_COST, SIZE_COST = 0.1, 0.03
"""Mean quality that twice the seconds, and twice the download, are worth in a recommendation:
judgements."""
MAX_OFFERS = 3
MIN_QUALITY_GAIN = 0.03
"""How much better the mean quality of a model must be to be offered beside what is there."""
OLLAMA_URL = "https://ollama.com/download"


@dataclass(frozen=True, slots=True)
class Server:
    """One server of models. `provider` is its name in models.yaml, empty where that has none;
    `models` are those that chat and may be asked."""

    name: str
    url: str
    provider: str
    running: bool
    models: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be done, and the command that does it. By what is known, `quality` is its
    mean over the types, 0 to 1; `good_at` are its best ones."""

    action: Action
    command: str
    model: str = ""
    size_bytes: int | None = None
    expected_s: float | None = None
    quality: float | None = None
    good_at: tuple[TaskType, ...] = ()
    licence: str = ""
    server: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class MachineSurvey:
    """All that offers are made from. `room_bytes` is memory for models of a server here, None where
    that is not known; `ollama` is the provider's name."""

    machine: Machine
    servers: Sequence[Server]
    room_bytes: int | None
    disk_bytes: int
    ollama: str = ""
    ollama_is_here: bool = True
    ollama_program: str = ""
    engine_command: str = ""
    """What installs orch's own engine, empty where it is installed."""
    qualities: QualityLookup = lambda name: None

    @property
    def available_models(self) -> tuple[str, ...]:
        """The models that can be asked now."""
        return tuple(
            model
            for server in self.servers
            if server.running and server.provider
            for model in server.models
        )

    @property
    def ollama_runs(self) -> bool:
        """Whether the Ollama of models.yaml answers."""
        return bool(self.ollama) and any(
            server.running and server.provider == self.ollama for server in self.servers
        )


def make_offers(survey: MachineSurvey) -> list[Offer]:
    """The offers in the order in which to carry them out; the recommended model first."""
    offers = [
        _server_offer(server)
        for server in survey.servers
        if server.running and not server.provider and server.models
    ]
    can_start = bool(survey.ollama and survey.ollama_is_here and survey.ollama_program)
    if not survey.ollama_runs and survey.ollama and survey.ollama_is_here:
        offers += (
            [Offer("start_ollama", "ollama serve")]
            if can_start
            else [Offer("get_ollama", OLLAMA_URL, url=OLLAMA_URL)]
        )
    if survey.ollama_is_here and (survey.ollama_runs or can_start):
        return [
            *offers,
            *(
                _model_offer(choice, survey, "pull")
                for choice in _best_choices(
                    survey, _fitting(survey, STARTER_MODELS, survey.room_bytes), "pull"
                )
            ),
        ]
    if survey.engine_command:
        return [*offers, Offer("get_engine", survey.engine_command)]
    choices = [each for each in STARTER_MODELS if each.in_engine]  # which uses no GPU
    return [
        *offers,
        *(
            _model_offer(choice, survey, "download")
            for choice in _best_choices(
                survey, _fitting(survey, choices, survey.machine.free_bytes), "download"
            )
        ),
    ]


def _server_offer(server: Server) -> Offer:
    return Offer("use_server", "orch setup --yes", server=server.name, url=server.url)


def _fitting(
    survey: MachineSurvey, choices: Sequence[StarterModel], room_bytes: int | None
) -> list[StarterModel]:
    there = {comparison_key(model) for model in survey.available_models}
    return [
        each
        for each in choices
        if comparison_key(each.name) not in there
        and (room_bytes is None or each.memory_bytes <= room_bytes)
        and each.size_bytes <= survey.disk_bytes
    ]


def _best_choices(
    survey: MachineSurvey, choices: Sequence[StarterModel], action: Action
) -> list[StarterModel]:
    """The choices that are better than every faster one that is not larger, and than the installed
    models: the recommended one first, then the others, best first."""
    seconds = {each.name: expected_s(each, survey.machine, action) for each in choices}
    worth = {
        each.name: _estimated_quality(survey.qualities(each.name), each.params_b)
        for each in choices
    }
    least = max(
        (
            _estimated_quality(survey.qualities(name), 0) + MIN_QUALITY_GAIN
            for name in survey.available_models
        ),
        default=0.0,
    )
    chosen: list[StarterModel] = []
    for each in sorted(choices, key=lambda each: seconds[each.name]):
        best = max(
            [least, *(worth[other.name] for other in chosen if other.size_bytes <= each.size_bytes)]
        )
        if (seconds[each.name] <= MAX_ANSWER_S or not chosen) and worth[each.name] > best:
            chosen.append(each)
    cost = {
        each.name: SLOWNESS_COST * math.log2(seconds[each.name])
        + SIZE_COST * math.log2(each.size_bytes)
        for each in chosen
    }
    chosen.sort(key=lambda each: -worth[each.name])
    first = max(chosen, key=lambda each: worth[each.name] - cost[each.name], default=None)
    return [*([first] if first else []), *(each for each in chosen if each is not first)][
        :MAX_OFFERS
    ]


def _estimated_quality(qualities: Mapping[TaskType, float] | None, params_b: float) -> float:
    """Mean quality; where nothing is known, a stand-in below all that is known that grows with the
    size."""
    return fmean(qualities.values()) if qualities else params_b / 10_000


def _model_offer(choice: StarterModel, survey: MachineSurvey, action: Action) -> Offer:
    command = f"orch models pull {choice.name}" if action == "pull" else f"orch setup {choice.name}"
    seconds, known = (
        round(expected_s(choice, survey.machine, action), 1),
        survey.qualities(choice.name),
    )
    return Offer(
        action,
        command,
        choice.name,
        choice.size_bytes,
        seconds,
        mean_quality(known),
        good_at(known),
        choice.licence,
    )


def mean_quality(qualities: Mapping[TaskType, float] | None) -> float | None:
    """The mean over the task types, to two digits."""
    return round(fmean(qualities.values()), 2) if qualities else None


def expected_s(choice: StarterModel, machine: Machine, action: Action) -> float:
    """Seconds to a usual answer of the loaded model: decoding reads its active weights once a
    token, as fast as memory gives them."""
    fits_gpu = action == "pull" and choice.memory_bytes <= machine.gpu_bytes
    tokens = ANSWER_TOKENS + PROMPT_TOKENS / PREFILL + (THINKING_TOKENS if choice.thinks else 0)
    return (
        tokens
        * choice.size_bytes
        * choice.active_share
        / (GPU_BYTES_PER_S if fits_gpu else machine.bytes_per_s)
    )


def good_at(qualities: Mapping[TaskType, float] | None) -> tuple[TaskType, ...]:
    """The three types at which it is best."""
    return tuple(sorted(qualities, key=lambda kind: -qualities[kind])[:3]) if qualities else ()
