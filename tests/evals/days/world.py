"""A day in one world: orch's decisions task by task, each model kept loaded all day, and the best
possible day."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from orch.config.load import Config
from orch.config.spec import Models, Provider
from orch.execution.runtime import Runtime
from orch.orchestrator import Orchestrator
from orch.providers import ProviderClient
from orch.routing.model_state import DEFAULT_NUM_CTX
from orch.routing.priors import QualityPriors
from orch.routing.registry import Registry
from orch.routing.scoring.score_terms import speed_score
from orch.storage.journal import Journal
from orch.text.prompt import Task, build_messages, estimate_tokens
from orch.types import Candidate, Decision
from orch.wiring import Wiring
from tests.evals.days.machine import PREFILL_TIMES, Model
from tests.evals.days.ollama import URL, Answer, Ollama, ScriptedBackend
from tests.evals.days.pools import Pool
from tests.evals.days.tasks import DayTask

SPARE = 1.02
"""The budget is what the largest model, or the two largest, need, and a little more."""


@dataclass(frozen=True, slots=True)
class World:
    """The setting of a day. `room` is how many models fit, `machine` gpu or cpu; `told` is the
    content of a known_models.yaml, empty for the package's own."""

    pool: Pool
    room: int
    machine: str
    profile: str
    tasks: tuple[DayTask, ...]
    thinking_tokens: int = 0
    told: Mapping[str, Any] = field(default_factory=dict)
    by_name: bool = False
    """Whether the server evicts by file name instead of least recent use."""
    routing: Mapping[str, Any] = field(default_factory=dict)
    """Keys of routing.yaml to try."""

    @property
    def memory_bytes(self) -> int:
        """Room for the largest model, or for the two largest, at the usual context."""
        needs = sorted(
            (model.bytes_at(DEFAULT_NUM_CTX) for model in self.pool.models), reverse=True
        )
        return int(sum(needs[: self.room]) * SPARE)

    def seconds(self, model: Model, task: DayTask) -> float:
        """True seconds of a task with a loaded model."""
        rate = model.rate(self.machine)
        thinking = self.thinking_tokens if model.thinks else 0
        return prompt_tokens(task) / (rate * PREFILL_TIMES) + (task.answer_tokens + thinking) / rate


@cache
def prompt_tokens(task: DayTask) -> int:
    """Tokens of the prompt as orch estimates them: the simulated server counts the same."""
    return estimate_tokens(build_messages(Task(text=task.text, context=task.pasted)))


@dataclass(frozen=True, slots=True)
class Step:
    """One task of orch's day."""

    task: DayTask
    decision: Decision
    answer: Answer
    before: tuple[str, ...]
    """Canonical names of the loaded models."""
    left: tuple[Candidate, ...]
    """Loaded models that orch itself expects sooner and rates no worse than the chosen one."""
    ruled_out: frozenset[str]
    """Models eliminated by a quality floor."""

    @property
    def quality(self) -> float:
        """The true quality."""
        return self.answer.model.quality[self.task.label]


@dataclass(frozen=True, slots=True)
class Totals:
    """A day's mean true quality, seconds and loads."""

    quality: float
    seconds: float
    loads: int

    @classmethod
    def of(cls, qualities: Sequence[float], seconds: Sequence[float], loads: int) -> Totals:
        """From single tasks."""
        return cls(sum(qualities) / len(qualities), sum(seconds), loads)


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day and its baselines."""

    world: World
    steps: tuple[Step, ...]
    auto: Totals
    kept: Mapping[str, Totals]
    oracle: Totals


def spent(world: World) -> Day:
    """Simulates a day with orch's own code."""
    with home(world):
        steps = tuple(asyncio.run(_steps(world)))
    loads = sum(step.answer.load_s > 0 for step in steps)
    auto = Totals.of(
        [step.quality for step in steps], [step.answer.seconds for step in steps], loads
    )
    return Day(
        world,
        steps,
        auto,
        {model.name: kept(world, model) for model in world.pool.models},
        oracle(world, steps[0].decision.weights, [step.ruled_out for step in steps]),
    )


# ---------------------------------------------------------------- orch


@contextmanager
def home(world: World) -> Iterator[Path]:
    """An empty ORCH_HOME in an empty folder, with the world's files and Ollama's variable."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as folder:
        files = {
            "routing.yaml": {
                "version": 1,
                "memory_budget_gb": world.memory_bytes / 1e9,
                "cache": {"mode": "off"},
                **world.routing,
            }
        }
        if world.pool.listed is not None:
            files["models.yaml"] = {
                "version": 1,
                "providers": {"ollama": {"kind": "ollama", "base_url": URL}},
                "models": list(world.pool.listed),
            }
        for name, data in files.items():
            (Path(folder) / name).write_text(json.dumps(data), encoding="utf-8")
        os.environ |= {"ORCH_HOME": folder, "OLLAMA_MAX_LOADED_MODELS": str(world.room)}
        for name in ("ORCH_CONFIG", "OLLAMA_HOST"):
            os.environ.pop(name, None)
        try:
            with chdir(folder):
                yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)


class DayWiring(Wiring):
    """orch over the scripted server, with its own known models."""

    def __init__(self, server: Ollama, told: Mapping[str, Any]) -> None:
        super().__init__()
        self._server, self._told = server, told

    def build(self, config: Config) -> Runtime:
        """Constructs the parts for a config."""
        self._shipped = config.shipped_models
        return super().build(config)

    def create_registry(
        self,
        models: Models,
        backends: Mapping[str, ProviderClient],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
    ) -> Registry:
        """As in a user's known_models.yaml, which takes seconds to read and check."""
        return super().create_registry(
            models,
            backends,
            journal,
            budget_gb,
            QualityPriors(models.models, self._shipped, self._told) if self._told else priors,
        )

    def create_provider(self, name: str, provider: Provider, models: Models) -> ProviderClient:
        """The scripted server for Ollama; the embedded engine is unchanged."""
        return (
            ScriptedBackend(self._server)
            if provider.kind == "ollama"
            else super().create_provider(name, provider, models)
        )


async def _steps(world: World) -> list[Step]:
    server = Ollama(
        world.pool.models,
        world.room,
        world.memory_bytes,
        world.machine,
        world.thinking_tokens,
        by_name=world.by_name,
    )
    async with Orchestrator(wiring=DayWiring(server, world.told)) as orchestrator:
        return [await _step(world, orchestrator, server, task) for task in world.tasks]


async def _step(world: World, orchestrator: Orchestrator, server: Ollama, task: DayTask) -> Step:
    before = tuple(each.model.name for each in server.loaded)
    server.answer_tokens = task.answer_tokens
    result = await orchestrator.execute(
        task.text, context=list(task.pasted), profile=world.profile, store_memory=False
    )
    decision, out = (
        result.decision,
        {c.model_id for c in result.decision.candidates if c.eliminated_code == "quality_floor"},
    )
    return Step(
        task,
        decision,
        server.answers[-1],
        before,
        passed_over(decision),
        frozenset(server.named(name).name for name in out),
    )


def passed_over(decision: Decision) -> tuple[Candidate, ...]:
    """Loaded models that could take the task, that orch expects sooner and rates no worse than the
    chosen one."""
    chosen = next(each for each in decision.candidates if each.key == decision.key)
    able = (each for each in decision.candidates if each.resident and not each.eliminated)
    return tuple(
        each
        for each in able
        if each.expected_s < chosen.expected_s - 1e-9 and each.quality >= chosen.quality - 1e-9
    )


def not_ruled_out(steps: Sequence[Step], world: World) -> list[str]:
    """Models that no quality floor eliminates for most tasks; all of them without floors."""
    names = [model.name for model in world.pool.models]
    return [
        name for name in names if sum(name in step.ruled_out for step in steps) * 2 <= len(steps)
    ] or names


# ---------------------------------------------------------------- what it is held against


def kept(world: World, model: Model) -> Totals:
    """One model loaded all day; its first load counts."""
    seconds = [world.seconds(model, task) for task in world.tasks]
    return Totals.of(
        [model.quality[task.label] for task in world.tasks],
        [seconds[0] + model.load_s, *seconds[1:]],
        1,
    )


def worth(quality: float, seconds: float, weighed: Mapping[str, float]) -> float:
    """One answer: its quality and speed with the profile's weights of these two."""
    return weighed["quality"] * quality + weighed["speed"] * speed_score(seconds)


def oracle(
    world: World, weighed: Mapping[str, float], ruled_out: Sequence[Collection[str]]
) -> Totals:
    """The best possible day: knows every true quality and time and all future tasks; a model
    eliminated by a floor is not used for that task.

    Maximizes the sum over the tasks of quality and speed with the profile's two weights, speed
    being orch's logarithm of the seconds, by dynamic programming over the loaded models in order of
    use.
    """
    models = world.pool.models
    best: dict[tuple[int, ...], tuple[float, tuple[float, float, int]]] = {(): (0.0, (0.0, 0.0, 0))}
    for task, out in zip(world.tasks, ruled_out, strict=True):
        warm = [world.seconds(model, task) for model in models]
        reached: dict[tuple[int, ...], tuple[float, tuple[float, float, int]]] = {}
        for loaded, (value, (quality, seconds, loads)) in best.items():
            for at, model in enumerate(models):
                if model.name in out:
                    continue
                cold = at not in loaded
                took = warm[at] + (model.load_s if cold else 0.0)
                good = model.quality[task.label]
                total = value + worth(good, took, weighed)
                then = _after(loaded, at, world)
                if then not in reached or total > reached[then][0]:
                    reached[then] = total, (quality + good, seconds + took, loads + cold)
        best = reached
    _, (quality, seconds, loads) = max(best.values(), key=lambda each: each[0])
    return Totals(quality / len(world.tasks), seconds, loads)


def _after(loaded: tuple[int, ...], at: int, world: World) -> tuple[int, ...]:
    """The loaded models after one was used, the most recent last."""
    if at in loaded:
        return (*(each for each in loaded if each != at), at)
    models, others = world.pool.models, list(loaded)
    while others and (
        len(others) >= world.room
        or sum(models[each].bytes_at(DEFAULT_NUM_CTX) for each in (*others, at))
        > world.memory_bytes
    ):
        others.remove(
            min(others, key=lambda each: models[each].digest) if world.by_name else others[0]
        )
    return (*others, at)
