"""Chooses what to offer on a machine: servers, and the models recommended for it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from orch.cli.commands.setup.hardware import Machine
from orch.routing.recommendations.recommend import Recommendation
from orch.types import TaskType

Action = Literal["use_server", "start_ollama", "get_ollama", "get_engine", "pull", "download"]
"""`pull` is into Ollama, `download` into orch's own engine; what users install themselves is only
mentioned."""
QualityLookup = Callable[[str], Mapping[TaskType, float] | None]
"""What is known of a model of that name, 0 to 1 by type; None where nothing is."""
MAX_OFFERS = 3
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
    """All that offers are made from. `disk_bytes` is for orch's own models; `ollama` is the
    provider's name."""

    machine: Machine
    servers: Sequence[Server]
    disk_bytes: int
    ollama: str = ""
    ollama_is_here: bool = True
    ollama_program: str = ""
    engine_command: str = ""
    """What installs orch's own engine, empty where it is installed."""
    qualities: QualityLookup = lambda name: None
    pulls: Sequence[Recommendation] = ()
    """Recommended for Ollama, the first one first."""
    downloads: Sequence[Recommendation] = ()
    """Recommended for orch's own engine."""

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
        return [*offers, *_model_offers(survey.pulls, "pull")]
    if survey.engine_command:
        return [*offers, Offer("get_engine", survey.engine_command)]
    fitting = [row for row in survey.downloads if row.model.size_bytes <= survey.disk_bytes]
    return [*offers, *_model_offers(fitting, "download")]


def _server_offer(server: Server) -> Offer:
    return Offer("use_server", "orch setup --yes", server=server.name, url=server.url)


def _model_offers(rows: Sequence[Recommendation], action: Action) -> list[Offer]:
    return [_model_offer(row, action) for row in rows[:MAX_OFFERS]]


def _model_offer(row: Recommendation, action: Action) -> Offer:
    tag = row.model.tag
    quality = {each: value / 10 for each, value in row.quality.items()}
    return Offer(
        action,
        f"orch models pull {tag}" if action == "pull" else f"orch setup {tag}",
        tag,
        row.model.size_bytes,
        round(row.answer_s, 1),
        mean_quality(quality),
        good_at(quality),
        row.model.licence,
    )


def mean_quality(qualities: Mapping[TaskType, float] | None) -> float | None:
    """The mean over the task types, to two digits."""
    return round(fmean(qualities.values()), 2) if qualities else None


def good_at(qualities: Mapping[TaskType, float] | None) -> tuple[TaskType, ...]:
    """The three types at which it is best."""
    return tuple(sorted(qualities, key=lambda kind: -qualities[kind])[:3]) if qualities else ()
