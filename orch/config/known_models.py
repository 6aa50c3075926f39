"""The keys of known_models.yaml, each explained once: what benchmarks say of models, and the
formula for those of which they say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from orch.config.spec import key
from orch.types import TaskType

_MONTH = r"^20\d\d-(0[1-9]|1[0-2])$"


def _quality(task_type: str) -> Any:
    return key(f"At {task_type}, 0 to 10. No default.", ge=0, le=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSource:
    """Whose scores are behind the file."""

    name: str = key("Who measured. No default.", max_length=200)
    url: str = key("Where the figures were read. No default.", max_length=500)
    newest: str = key("The month of the figures. No default.", pattern=_MONTH)
    licence: str = key(
        "Its licence and what it asks for. Default: it says none.", "", max_length=200
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownQuality:
    """How good a model is at each task type, on the scale of the other known models (llama3.1:8b
    has 5.0 at coding, gpt-oss:20b 7.9)."""

    scores: int | None = key(
        "How many benchmark scores are behind it. Default: not told.", None, ge=1
    )
    newest: str | None = key(
        "The month of the newest of them. Default: not told.", None, pattern=_MONTH
    )
    coding: float = _quality("coding")
    reasoning: float = _quality("reasoning")
    exploration: float = _quality("exploration")
    writing: float = _quality("writing")
    simple: float = _quality("simple")
    analysis: float = _quality("analysis")
    creative: float = _quality("creative")
    research: float = _quality("research")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """One model. Where it has no `modes`, the formula tells its quality from its size and date."""

    name: str = key(
        "Its name without the vendor's, such as qwen3-8b. No default.", min_length=1, max_length=200
    )
    family: str = key(
        "The generation it belongs to, such as qwen3. No default.", min_length=1, max_length=100
    )
    ollama: tuple[str, ...] = key("Its names in Ollama's library. Default none.", (), max_length=32)
    params_b: float = key("Parameters, billions. No default.", gt=0, le=100_000)
    active_b: float | None = key(
        "Parameters that a token takes, billions. Default: all.", None, gt=0, le=100_000
    )
    released: str | None = key(
        "The month it came out, such as 2025-04. Default: its family's.", None, pattern=_MONTH
    )
    coder: bool = key("Whether it was made for code. Default false.", False)
    modes: dict[Literal["on", "off"], KnownQuality] = key(
        "Its quality with thinking on and off. Default: told by the formula.", factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFamily:
    """What is known of other models of a family."""

    released: str | None = key("The month it came out. Default: not known.", None, pattern=_MONTH)
    offset: dict[TaskType, float] = key(
        "By how much its models are better than the formula says. Default 0.", factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndatedFormula:
    """Weights of the formula for a model of which no date is known; quality from 0 to 10."""

    base: float = key("What every model has. No default.")
    log_params: float = key("For the logarithm of its billions of parameters. No default.")
    log_active: float = key("For that of the active ones. No default.")
    thinking: float = key("If it thinks. No default.")
    coder: float = key("If it was made for code. No default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedFormula:
    """Weights of the formula for a model of which the date is known."""

    base: float = key("What every model has. No default.")
    log_params: float = key("For the logarithm of its billions of parameters. No default.")
    log_active: float = key("For that of the active ones. No default.")
    year: float = key("For each year after the middle of 2024. No default.")
    thinking: float = key("If it thinks. No default.")
    coder: float = key("If it was made for code. No default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """The regression of one task type."""

    last: float = key(
        "The year after which no more growth is assumed. No default.", ge=2020, le=2100
    )
    dated: DatedFormula = key("With a date. No default.")
    undated: UndatedFormula = key("Without one. No default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModels:
    """known_models.yaml: adds to the package's file of that name; models, families and formulas
    replace those of the same name."""

    version: Literal[1] = key("The version of this file's form. 1.", 1)
    sources: tuple[KnownSource, ...] = key("Whose scores are behind it. Default none.", ())
    formula: dict[TaskType, Formula] = key(
        "The regression, by task type. Default: the package's.", factory=dict
    )
    families: dict[str, KnownFamily] = key(
        "Families by name. Default: the package's.", factory=dict
    )
    models: tuple[KnownModel, ...] = key("The models. Default: the package's.", ())
