"""Pools of models: combinations that people really have, and random ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from orch.config.load import config_from_data
from orch.config.spec import ModelSpec
from orch.types import TaskType
from tests.evals.days.machine import Model, made, mode_of
from tests.evals.days.quality import Halves

RATED_HIGHER = 1.4
"""How much higher ratings of 2024 are than today's benchmark scores (findings: the mean of the
original's four models, shrunk)."""
ORDINARY, WEAK = 0.05, 0.15
"""How much worse a rated model is at types other than its strengths, and at its weaknesses: an
assumption."""
_MOST_GB = (7.0, 12.0, 25.0)
"""Weight limits of a random pool: a laptop, a small GPU, a large one."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Installed models, and entries of models.yaml for some: `listed` is that file's `models`, None
    for the shipped file."""

    name: str
    models: tuple[Model, ...]
    listed: tuple[Mapping[str, Any], ...] | None = None


class Makes:
    """Creates models from the data, by their name there or in Ollama. `by_scores`: scores are the
    truth even if ratings contradict them."""

    def __init__(self, known: Halves, *, by_scores: bool = False) -> None:
        self.known, self.by_scores = known, by_scores
        self._by_name = {
            name: facts
            for facts in known.facts.values()
            for name in (facts["model"], *facts["ollama"])
        }

    def __call__(
        self, name: str, *, called: Sequence[str] = (), bits: str = "", style: str = "usual"
    ) -> Model:
        """A model with its true quality; `called` are its names in the simulated Ollama."""
        facts = self._by_name[name]
        return made(
            facts,
            self.known.true[facts["model"], mode_of(facts)],
            tuple(called) or (name,),
            bits,
            style,
        )

    def likely(self) -> list[str]:
        """Names in Ollama of chat models with scores that fit the largest pool."""
        return sorted(
            facts["ollama"][0]
            for facts in self.known.facts.values()
            if facts["ollama"]
            and facts["params_b"]
            and (facts["model"], mode_of(facts)) in self.known.true
            and facts["params_b"] < 37
        )


def named(make: Makes) -> Iterator[Pool]:
    """The pools by name, each created on demand."""
    for name, members in _PLAIN.items():
        yield Pool(name, tuple(make(member) for member in members))
    yield from (maker(make) for maker in _OTHERS)


def as_rated(pool: Pool, ratings: Sequence[Mapping[str, Any]]) -> Pool:
    """The pool as seen by a person who rated some of its models: the ratings are the truth for
    these, and the others' scores are moved to that scale."""
    written = {
        model.name: _as_written(rating)
        for model in pool.models
        for rating in ratings
        if rating["id"] in model.names
    }
    return replace(
        pool,
        models=tuple(
            replace(model, quality=written.get(model.name) or _moved(model, RATED_HIGHER / 10))
            for model in pool.models
        ),
    )


def _as_written(rating: Mapping[str, Any]) -> dict[TaskType, float]:
    """The rating at a strength, and at all types if no strengths are named; less at others, and
    less again at a weakness."""
    strong, weak = rating.get("strengths", ()), rating.get("weaknesses", ())
    named = any(kind in strong for kind in TaskType)
    less = {
        kind: WEAK if kind in weak else ORDINARY if named and kind not in strong else 0.0
        for kind in TaskType
    }
    return {kind: rating["quality_rating"] / 10 - less[kind] for kind in TaskType}


def _moved(model: Model, by: float) -> dict[TaskType, float]:
    return {kind: min(max(value + by, 0.05), 0.99) for kind, value in model.quality.items()}


_PLAIN = {
    "six-of-2026": (
        "qwen3.6:35b",
        "qwen3.6:27b",
        "gemma4:12b",
        "gemma4:26b",
        "glm-4.7-flash",
        "qwen3-coder:30b",
    ),
    "old-and-new": (
        "codellama:34b",
        "mistral:7b",
        "gemma2:9b",
        "llama3.1:8b",
        "qwen3:8b",
        "deepseek-coder:33b",
    ),
    "laptop": ("qwen3:4b", "gemma3:4b", "llama3.2:3b", "qwen2.5-coder:3b", "phi4-mini:3.8b"),
    "coder-pair": ("qwen3:8b", "qwen2.5-coder:7b"),
    "general-and-maths": ("gemma3:12b", "phi4-reasoning:14b"),
    "maths-of-2024": ("qwen3:8b", "mathstral:7b"),
    "one-alone": ("gemma3:12b",),
    "big-and-small": ("qwen3:32b", "llama3.2:3b", "gemma3:1b"),
    "moe-and-dense": (
        "gpt-oss:20b",
        "qwen3:30b-a3b-instruct-2507-q4_K_M",
        "devstral-small-2:24b",
        "mistral-small3.2:24b",
    ),
}


def _shipped_four(make: Makes) -> Pool:
    pool = Pool("shipped-four", _four(make))
    return (
        pool
        if make.by_scores
        else as_rated(pool, [asdict(spec) for spec in _shipped_models() if not spec.last_resort])
    )


def _shipped_models() -> tuple[ModelSpec, ...]:
    return config_from_data(None, None).models.models


def _four(make: Makes) -> tuple[Model, ...]:
    return (
        make("llama3.1:8b", called=["llama3.1:8b-instruct-q4_K_M"]),
        make("qwen2.5:14b", called=["qwen2.5:14b-instruct-q4_K_M"]),
        make("qwen2.5-coder:7b", called=["qwen2.5-coder:7b-instruct-q4_K_M"]),
        make("ministral-3:8b"),
    )


def _shipped_and_unlisted(make: Makes) -> Pool:
    return Pool("shipped-and-unlisted", (*_four(make), make("gpt-oss:20b"), make("qwen3:8b")))


def _aliases(make: Makes) -> Pool:
    twice = make("qwen3:8b", called=["qwen3:8b", "qwen3:latest"])
    return Pool("aliases", (twice, make("llama3.1:8b"), make("qwen2.5-coder:7b")))


def _rated_by_a_person(make: Makes) -> Pool:
    models = (
        make("qwen2.5:14b"),
        make("gemma3:12b"),
        make("qwen2.5-coder:14b"),
        make("gpt-oss:20b"),
        make("qwen3:8b"),
    )
    listed = (
        {
            "id": "qwen2.5:14b",
            "provider": "ollama",
            "quality_rating": 7.5,
            "strengths": ["reasoning", "analysis"],
        },
        {
            "id": "gemma3:12b",
            "provider": "ollama",
            "quality_rating": 8,
            "strengths": ["writing", "creative"],
        },
        {
            "id": "qwen2.5-coder:14b",
            "provider": "ollama",
            "quality_rating": 8,
            "strengths": ["coding"],
            "weaknesses": ["creative"],
        },
    )
    pool = Pool("rated-by-a-person", models, listed)
    return pool if make.by_scores else as_rated(pool, listed)


def _old_fine_tune(make: Makes) -> Pool:
    names = ["hf.co/bartowski/dolphin-2.9-llama3-8b-GGUF:Q3_K_M"]
    return Pool(
        "quantised-fine-tune",
        (
            make("dolphin-llama3:8b", called=names, bits="Q3_K_M", style="sized"),
            make("qwen3:4b"),
            make("llama3.2:3b"),
        ),
    )


_OTHERS: tuple[Callable[[Makes], Pool], ...] = (
    _shipped_four,
    _shipped_and_unlisted,
    _aliases,
    _rated_by_a_person,
    _old_fine_tune,
)


def drawn(make: Makes, seed: int) -> Pool:
    """A random pool: two to seven models of one weight class; some have two names, low quantization
    or a user's name, some are rated."""
    chance = random.Random(f"pool {seed}")
    most = chance.choice(_MOST_GB)
    names = [name for name in make.likely() if make(name).size_gb <= most]
    members = [_member(make, name, chance) for name in chance.sample(names, chance.randint(2, 7))]
    listed = (
        tuple(_rating(model, chance) for model in members if chance.random() < 0.5)
        if chance.random() < 0.25
        else None
    )
    pool = Pool(f"random-{seed}", tuple(members), listed or None)
    return as_rated(pool, listed) if listed and not make.by_scores else pool


def _member(make: Makes, name: str, chance: random.Random) -> Model:
    bits = chance.choices(("", "Q8_0", "Q3_K_M", "Q2_K"), (17, 1, 1, 1))[0]
    style = chance.choices(("usual", "bare", "sized"), (8, 1, 1))[0]
    called = [name]
    kind = chance.random()
    if kind < 0.1:
        called = (
            [name, f"{name.partition(':')[0]}:latest"] if ":" in name else [name, f"{name}:mine"]
        )
    elif kind < 0.2:
        called = [f"hf.co/bartowski/{make(name).canonical}-GGUF:{bits or 'Q4_K_M'}"]
    return make(name, called=called, bits=bits, style=style)


def _rating(model: Model, chance: random.Random) -> dict[str, Any]:
    """A person's rating: close to its true quality, on the scale of 2024."""
    rated = fmean(model.quality.values()) * 10 + RATED_HIGHER + chance.gauss(0, 0.5)
    return {
        "id": model.name,
        "provider": "ollama",
        "quality_rating": round(min(max(rated, 1.0), 9.5), 1),
    }
