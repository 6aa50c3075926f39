"""The nouns of orch: frozen values that every other module uses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

Message = dict[str, Any]
"""One chat message of the OpenAI and Ollama APIs: `role`, `content`, and the client's other
fields."""


class ModelKey(NamedTuple):
    """A model's provider and id: two providers may have a model of the same id."""

    provider: str
    model: str


def display_names(keys: Iterable[ModelKey]) -> dict[ModelKey, str]:
    """A name that tells each model from the others: its id, or PROVIDER/ID if several share it."""
    unique = dict.fromkeys(keys)
    counts = Counter(model for _, model in unique)
    return {key: "/".join(key) if counts[key[1]] > 1 else key[1] for key in unique}


FIRST_TOKEN_TIMEOUT_S, TOKEN_TIMEOUT_S = 300.0, 60.0
"""Seconds of silence before the first token, and between two, unless the task has a
`timeout_s`."""


class TaskType(StrEnum):
    """The eight kinds of work."""

    CODING = "coding"
    REASONING = "reasoning"
    EXPLORATION = "exploration"
    WRITING = "writing"
    SIMPLE = "simple"
    ANALYSIS = "analysis"
    CREATIVE = "creative"
    RESEARCH = "research"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One feature of a text that supports a task type. `kind` is keyword, pattern, learned,
    opening, correction, turn or forced; `weight` is in logits."""

    task_type: TaskType
    kind: str
    feature: str
    weight: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The type of a task. `scores` holds a probability for every type and sums to 1; `language`
    is en, es or empty.

    `confidence` is the probability that the type is the right one or a defensible second. `second`
    is set if it is close; `unsure` means that the confidence is too low to trust a specialist.
    """

    task_type: TaskType
    confidence: float
    scores: dict[TaskType, float]
    evidence: tuple[Evidence, ...] = ()
    language: str = ""
    second: TaskType | None = None
    unsure: bool = False


class EstimateBasis(StrEnum):
    """What an estimate of quality is based on: a prior, graded answers, or few graded answers and a
    prior of some kind."""

    ASSUMED = "assumed"
    RATED = "rated"
    MEASURED_ELSEWHERE = "measured on other kinds"
    MEASURED = "measured"
    MEASURED_AND_RATED = "measured and rated"
    MEASURED_AND_BENCHMARKED = "measured and benchmarked"
    MEASURED_AND_GUESSED = "measured and guessed"


class Estimate(NamedTuple):
    """The expected quality of a model's answer, 0 to 1; `sd` is the uncertainty of the mean, `n`
    the number of graded answers to similar texts."""

    mean: float
    sd: float
    n: int
    basis: EstimateBasis

    @property
    def source(self) -> str:
        """The basis in English: `measured and rated (n=3)`."""
        without_grades = self.basis in (EstimateBasis.ASSUMED, EstimateBasis.RATED)
        return str(self.basis) if without_grades else f"{self.basis} (n={self.n})"


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of why a model was chosen: a code of `routing.wording.REASONS` and its values."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elimination:
    """Why a model can't take a task: a code of `routing.wording.ELIMINATIONS` and its values."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prior:
    """A model's expected quality by task type, 0 to 1, before any grade of this machine; `source`
    names its origin.

    `floor_gap`, 0 to 10, is how far its scale lies below that of ratings, which floors refer to.
    """

    quality: dict[TaskType, float]
    source: str
    floor_gap: float = 0.0
    origin: tuple[Reason, ...] = ()
    """What `source` says in English."""

    @property
    def mean(self) -> float:
        """The mean over all types."""
        return math.fsum(self.quality.values()) / len(self.quality)


class Need(NamedTuple):
    """What a task requires of a model: context for prompt and answer, and capabilities (vision,
    tools)."""

    prompt_tokens: int
    max_tokens: int | None = None
    capabilities: frozenset[str] = frozenset({"completion"})
    num_ctx: int | None = None
    token_parts: tuple[float, ...] = ()
    """The estimate of the prompt by kinds of text, as `text.prompt.token_parts`, and what is no
    text."""
    begins: bool = False
    """Whether it is the first question of its conversation."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model as the router scored it. `terms` are weighted and sum to `score`; `eliminated`
    says why it can't take the task."""

    model_id: str
    model_name: str
    provider: str
    score: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)
    eliminated: str | None = None
    eliminated_code: str = ""
    reason: str = ""
    expected_s: float = 0.0
    provenance: dict[str, str] = field(default_factory=dict)
    resident: bool | None = False
    unlisted: bool = False
    num_ctx: int | None = None
    remote_host: str = ""
    """The machine to which its server sends the text; empty if the server runs the model
    itself."""
    quality: float = 0.0
    """Its expected quality, 0 to 1, over the likely types of the task."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Expected seconds by phase: load, prefill, decode (together `expected_s`), and eviction, the
    expected reload of what it unloads."""
    reasons: tuple[Reason, ...] = ()
    """What `reason` says in English."""
    elimination: Elimination | None = None
    """What `eliminated` says in English."""
    evicts: int = 0
    """How many loaded models must be unloaded to load it, as far as is known."""

    @property
    def key(self) -> ModelKey:
        """Provider and id."""
        return ModelKey(self.provider, self.model_id)


@dataclass(frozen=True, slots=True)
class Decision:
    """The model that takes a task, and every candidate: best first, eliminated ones last."""

    model_id: str
    model_name: str
    provider: str
    task_type: TaskType
    confidence: float
    reason: str
    candidates: tuple[Candidate, ...]
    profile: str
    weights: dict[str, float]
    prompt_tokens: int
    config_hash: str
    pinned: bool = False
    degraded: bool = False
    remote_host: str = ""
    reasons: tuple[Reason, ...] = ()
    """What `reason` says in English."""
    type_forced: bool = False
    """Whether the caller named the task type."""

    @property
    def key(self) -> ModelKey:
        """Provider and id of the chosen model."""
        return ModelKey(self.provider, self.model_id)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a run, as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    """Of the prompt, what the server had in its cache; None if it does not say."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds to the first visible token, in total, and of loading the model (0 if it was
    resident)."""

    ttft_s: float | None = None
    total_s: float = 0.0
    load_s: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a model. `outcome` is ok, failed or partial; `offset` is how many characters the
    caller had seen before."""

    model: str
    provider: str
    outcome: str
    code: str = ""
    message: str = ""
    offset: int = 0
    total_s: float = 0.0
    ttft_s: float | None = None
    load_s: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prefill_s: float | None = None
    decode_s: float | None = None
    estimated_tokens: int = 0
    cached_tokens: int | None = None
    """Of the prompt, those that the server had in its cache; None if it does not say."""
    draft_tokens: int | None = None
    """What a draft proposed, of which `draft_accepted` tokens stand in the answer."""
    draft_accepted: int | None = None
    repairs: tuple[str, ...] = ()
    """What was repaired of its tool calls."""

    @property
    def key(self) -> ModelKey:
        """Provider and id of the model."""
        return ModelKey(self.provider, self.model)


@dataclass(frozen=True, slots=True)
class Response:
    """A model's answer."""

    content: str
    usage: Usage = Usage()
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: str = "stop"
    logprobs: tuple[dict[str, Any], ...] = ()
    """One entry a token, as the server sent them on request; the form of Ollama and OpenAI is the
    same."""
    cut: bool = False
    """Whether it ended at a limit that the caller did not set: a full context, or max_tokens of
    models.yaml."""
    stop_sequence: str = ""
    """The stop sequence that ended it, where the server says so."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: the answer, the decision, and every attempt on the way."""

    decision: Decision
    task_type: TaskType
    confidence: float
    response: Response
    timing: Timing
    attempts: tuple[Attempt, ...]
    warnings: tuple[str, ...]
    run_id: str
    recalled: tuple[dict[str, Any], ...] = ()
    degraded: bool = False
    source: str = "model"

    @property
    def cut(self) -> bool:
        """Whether the answer ended at a limit that the caller did not set."""
        return self.response.cut


@dataclass(frozen=True, slots=True)
class SpeedStats:
    """A model's speed, measured on this machine: seconds of a cold load, tokens per second of
    prefill and decode; None until measured."""

    n: int
    last_at: float
    load_s: float | None = None
    prefill_tps: float | None = None
    decode_tps: float | None = None
    token_ratio: float | None = None
    answers: dict[TaskType, tuple[int, float]] = field(default_factory=dict)
    """By task type: the number of recent answers and their mean length in tokens, with
    thinking."""
    draft_acceptance: float | None = None
    """The share of a draft's tokens that stood in the answers, 0 to 1; None without a draft."""
    recounts: tuple[tuple[int, int], ...] = ()
    """Prompts that were longer than estimated, newest first: tokens estimated and counted."""
