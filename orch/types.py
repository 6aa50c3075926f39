"""The nouns of orch: frozen values that every other module speaks in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Message = dict[str, Any]
"""One chat message as the OpenAI and Ollama APIs know it: `role`, `content`, and what else the
client sent."""

ModelKey = tuple[str, str]
"""Provider and model id: two providers may have a model of the same name."""


def display_names(keys: Iterable[ModelKey]) -> dict[ModelKey, str]:
    """What each model is called beside the others: its id, as PROVIDER/ID where several have that
    id."""
    asked = dict.fromkeys(keys)
    often = Counter(model for _, model in asked)
    return {key: "/".join(key) if often[key[1]] > 1 else key[1] for key in asked}


class TaskType(StrEnum):
    """The eight kinds of work a task can ask for."""

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
    """One thing in the text that spoke for a task type. `kind` is keyword, pattern, learned,
    opening, correction, turn or forced; `weight` is in logits."""

    task_type: TaskType
    kind: str
    feature: str
    weight: float


@dataclass(frozen=True, slots=True)
class Classification:
    """What kind of task a text is. `scores` holds a probability for every type and sums to 1;
    `language` is en, es or empty.

    `confidence` is the probability that the type is the right one or a defensible second; `second`
    is offered where it is close,
    and `unsure` says that the confidence is too low to trust a specialist.
    """

    task_type: TaskType
    confidence: float
    scores: dict[TaskType, float]
    evidence: tuple[Evidence, ...] = ()
    language: str = ""
    second: TaskType | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """How good a model's answer would be, 0 to 1; `sd` is the mean's own uncertainty, `n` the
    graded answers to texts like this."""

    mean: float
    sd: float
    n: int
    source: str


@dataclass(frozen=True, slots=True)
class Prior:
    """How good a model is believed to be before anything was graded here: 0 to 1 by task type.
    `source` says from what.

    `floor_gap`, 0 to 10, is how far its scale lies below that of ratings, on which floors are.
    """

    quality: dict[TaskType, float]
    source: str
    floor_gap: float = 0.0

    @property
    def mean(self) -> float:
        """Over the types."""
        return math.fsum(self.quality.values()) / len(self.quality)


@dataclass(frozen=True, slots=True)
class Need:
    """What a task asks of any model: tokens of prompt and of answer room, and capabilities (vision,
    tools)."""

    prompt_tokens: int
    max_tokens: int | None = None
    capabilities: frozenset[str] = frozenset({"completion"})
    num_ctx: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model as the router saw it. `terms` are already weighted and sum to `score`; `eliminated`
    says why it is out."""

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
    resident: bool = False
    unlisted: bool = False
    num_ctx: int | None = None
    remote_host: str = ""
    """The machine to which its server sends the text, empty where the server runs the model
    itself."""
    quality: float = 0.0
    """How good its answer would be, 0 to 1, over the types that the task may be of."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What its seconds are spent on: load, prefill, decode (these are `expected_s`), and eviction,
    the expected reload of what it unloads."""
    evicts: int = 0
    """How many loaded models are unloaded to load it, as far as is known."""

    @property
    def key(self) -> ModelKey:
        """Provider and id."""
        return self.provider, self.model_id


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model takes a task, and every candidate that was weighed, best first, the eliminated
    ones last."""

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

    @property
    def key(self) -> ModelKey:
        """Provider and id of the chosen model."""
        return self.provider, self.model_id


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a run, as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: to the first visible token, in all, and of loading the model (0 when it was
    resident)."""

    ttft_s: float | None = None
    total_s: float = 0.0
    load_s: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One model that was asked. `outcome` is ok, failed or partial; `offset` is how many characters
    the caller had seen before it."""

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

    @property
    def key(self) -> ModelKey:
        """Provider and id of the model that was asked."""
        return self.provider, self.model


@dataclass(frozen=True, slots=True)
class Response:
    """What the model said."""

    content: str
    usage: Usage = Usage()
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: str = "stop"
    logprobs: tuple[dict[str, Any], ...] = ()
    """Of each token, as the server told them where it was asked to; Ollama's and OpenAI's form are
    the same."""
    cut: bool = False
    """Whether it ended at a limit that the caller did not set: the context was full, or max_tokens
    of models.yaml was reached."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: the answer, how it was decided, and every model that was asked on the way."""

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
class Completion:
    """The end of a model's stream: why it ended, tokens, and the provider's own timings in seconds
    (None where it gives none)."""

    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    load_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a model's stream; `done` is set on the last one only."""

    content: str = ""
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    completion: Completion | None = None
    logprobs: tuple[dict[str, Any], ...] = ()
    ignored_fields: str = ""
    """What of the request the model did not take, in words; it was asked without."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a backend is asked. Times are seconds of silence that are allowed before the first token
    and between two."""

    model: str
    messages: list[Message]
    options: dict[str, Any] = field(default_factory=dict)
    num_ctx: int | None = None
    max_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """What the client sent beside these: handed on as it is, at the top of the body."""
    affinity: str = ""
    """What the requests of one conversation share: of several addresses the one that has its prompt
    cached is asked."""
    first_token_timeout_s: float = 300.0
    token_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model that a provider has. Sizes in bytes; `resident_ctx` is the context length it is
    loaded with, None when it is not loaded."""

    name: str
    digest: str = ""
    size_bytes: int = 0
    family: str = ""
    parameter_size: str = ""
    resident: bool = False
    resident_ctx: int | None = None
    resident_bytes: int = 0
    capabilities: tuple[str, ...] | None = None
    """Where a provider without digests, and so without `info` that could be kept, says them."""
    remote_host: str = ""
    """The machine on which its server runs it, where that is another one."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a provider knows about a model. `capabilities` is None where the provider does not
    say."""

    capabilities: tuple[str, ...] | None = None
    context_window: int | None = None
    parameters_b: float | None = None
    kv_bytes_per_token: int | None = None
    family: str = ""
    num_ctx: int | None = None
    """The context that its maker loads it with (a Modelfile's `PARAMETER num_ctx`), None where that
    is left to the server."""
    remote_host: str = ""
    basename: str = ""
    """What the GGUF says that it is (`general.basename` and its like); empty where it does not."""
    size_label: str = ""
    finetune: str = ""
    version: str = ""
    architecture: str = ""
    base_model: str = ""
    quantization: str = ""
    active_b: float | None = None
    """Billions of parameters that a token takes, of a mixture of experts."""
    adapted: bool = False
    """Whether an adapter changes its weights."""


@dataclass(frozen=True, slots=True)
class SpeedStats:
    """What this machine measured of a model: seconds of a cold load, tokens per second of prefill
    and decode, each None until seen."""

    n: int
    last_at: float
    load_s: float | None = None
    prefill_tps: float | None = None
    decode_tps: float | None = None
    token_ratio: float | None = None
    answers: dict[TaskType, tuple[int, float]] = field(default_factory=dict)
    """By task type: how many answers of late, and their mean length in tokens, thinking
    included."""
    recounts: tuple[tuple[int, int], ...] = ()
    """Prompts that proved longer than estimated, the newest first: tokens as estimated and as
    counted."""


def decision_to_dict(decision: Decision) -> dict[str, Any]:
    """A decision as JSON-able values: what dataclasses.asdict gives, at a tenth of its cost."""
    values = {name: getattr(decision, name) for name in Decision.__slots__}
    values["candidates"] = [
        {name: getattr(candidate, name) for name in Candidate.__slots__}
        for candidate in decision.candidates
    ]
    return values
