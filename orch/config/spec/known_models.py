"""The keys of known_models.yaml, each explained once: benchmark scores of models, and the formula
for models without scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from orch.config.spec.keys import key
from orch.types import TaskType

_MONTH = r"^20\d\d-(0[1-9]|1[0-2])$"


def _quality(task_type: str) -> Any:
    return key(f"At {task_type}, 0 to 10. No default.", ge=0, le=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSource:
    """Where scores come from."""

    name: str = key("Who measured. No default.", max_length=200)
    url: str = key("URL of the figures. No default.", max_length=500)
    newest: str = key("The month of the figures. No default.", pattern=_MONTH)
    licence: str = key("Licence and its conditions. Default: none stated.", "", max_length=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownQuality:
    """The quality of a model at each task type, on the scale of the other known models (llama3.1:8b
    has 5.0 at coding, gpt-oss:20b 7.9)."""

    scores: int | None = key(
        "Number of benchmark scores that it is based on. Default: unknown.", None, ge=1
    )
    newest: str | None = key("Month of the newest score. Default: unknown.", None, pattern=_MONTH)
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
    """One model. Without `modes`, the formula estimates its quality from size and date."""

    name: str = key(
        "Name without the vendor, such as qwen3-8b. No default.", min_length=1, max_length=200
    )
    family: str = key("Family, such as qwen3. No default.", min_length=1, max_length=100)
    ollama: tuple[str, ...] = key("Its names in Ollama's library. Default none.", (), max_length=32)
    params_b: float = key("Parameters, billions. No default.", gt=0, le=100_000)
    active_b: float | None = key(
        "Active parameters, billions. Default: all.", None, gt=0, le=100_000
    )
    released: str | None = key(
        "Release month, such as 2025-04. Default: its family's.", None, pattern=_MONTH
    )
    coder: bool = key("Whether it is a coding model. Default false.", False)
    modes: dict[Literal["on", "off"], KnownQuality] = key(
        "Its quality with thinking on and off. Default: estimated by the formula.", factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFamily:
    """What is known about the other models of a family."""

    released: str | None = key("Release month. Default: unknown.", None, pattern=_MONTH)
    offset: dict[TaskType, float] = key(
        "How much better its models are than the formula estimates. Default 0.", factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndatedFormula:
    """Weights of the formula for a model without a known date; quality from 0 to 10."""

    base: float = key("Constant term. No default.")
    log_params: float = key("Weight of the logarithm of its billions of parameters. No default.")
    log_active: float = key(
        "Weight of the logarithm of its billions of active parameters. No default."
    )
    thinking: float = key("Added if it thinks. No default.")
    coder: float = key("Added for a coding model. No default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedFormula:
    """Weights of the formula for a model with a known date."""

    base: float = key("Constant term. No default.")
    log_params: float = key("Weight of the logarithm of its billions of parameters. No default.")
    log_active: float = key(
        "Weight of the logarithm of its billions of active parameters. No default."
    )
    year: float = key("Weight of each year after the middle of 2024. No default.")
    thinking: float = key("Added if it thinks. No default.")
    coder: float = key("Added for a coding model. No default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """The regression of one task type."""

    last: float = key("The year after which no growth is assumed. No default.", ge=2020, le=2100)
    dated: DatedFormula = key("For models with a date. No default.")
    undated: UndatedFormula = key("For models without a date. No default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModels:
    """known_models.yaml: extends the package's file of that name; models, families and formulas
    replace those of the same name."""

    version: Literal[1] = key("Format version. 1.", 1)
    sources: tuple[KnownSource, ...] = key("Where its scores come from. Default none.", ())
    formula: dict[TaskType, Formula] = key(
        "The regression, by task type. Default: the package's.", factory=dict
    )
    families: dict[str, KnownFamily] = key(
        "Families by name. Default: the package's.", factory=dict
    )
    models: tuple[KnownModel, ...] = key("The models. Default: the package's.", ())
