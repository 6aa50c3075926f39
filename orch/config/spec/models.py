"""The keys of models.yaml, each explained once: meaning, default, allowed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from orch.config.spec.keys import build, key

DEFAULT_OLLAMA_URL = "http://127.0.0.1:11434"
DEFAULT_LM_STUDIO_URL = "http://127.0.0.1:1234"
DEFAULT_RATING = 6.0
"""The quality and speed rating of a model without one, 0 to 10."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A model server, or the engine inside orch."""

    kind: Literal["ollama", "openai", "llama-server", "lmstudio", "llamacpp"] = key(
        "The API of the server. No default. ollama: native API; openai: any "
        "OpenAI-compatible server; llama-server: llama.cpp's server, also as a router, and "
        "llama-swap; lmstudio: LM Studio; llamacpp: inside orch."
    )
    base_url: str | None = key(
        "The server's URL. Required unless base_urls is given, but for llamacpp; that of lmstudio "
        "is http://127.0.0.1:1234 by default. http:// or https://.",
        None,
    )
    base_urls: tuple[str, ...] = key(
        "Several URLs that serve the same models; each request goes to the least busy "
        "one. Default none.",
        (),
        max_length=32,
    )
    api_key: str | None = key(
        'API key, preferably "${NAME}" from the environment. Default none.', None
    )
    headers: dict[str, str] = key(
        'HTTP headers of every request, such as {X-Token: "${NAME}"}. Their values are secrets. '
        "Default none.",
        factory=dict,
        max_length=50,
    )
    verify: str | bool | None = key(
        "What an https server's certificate is checked by: a file or folder of certificates (PEM), "
        "or true for SSL_CERT_FILE, else the usual authorities. Default true. There is no false.",
        None,
    )
    parallel: int | None = key(
        "Requests that it answers at once; `orch serve` queues the others. Default: what a "
        "llama-server tells, else 4; 4 for ollama and lmstudio, 1 for llamacpp, 32 for openai.",
        None,
        ge=1,
        le=100_000,
    )
    keep_alive: str | int | None = key(
        "How long Ollama keeps a model loaded after a run. Default: the server's. 5m, 1h30m, 300 "
        "(seconds), 0 (unloads it at once), -1 (for good).",
        None,
    )
    remote: Literal["deny", "allow"] = key(
        "Whether models that the server runs on other machines (Ollama's cloud models) "
        "may be used: texts are sent there. Default deny.",
        "deny",
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """Every URL, the preferred one first."""
        default = DEFAULT_LM_STUDIO_URL if self.kind == "lmstudio" else None
        one = self.base_url or default
        return self.base_urls or ((one,) if one else ())

    @property
    def verify_path(self) -> str | None:
        """The file or folder of certificates of its own."""
        return self.verify if isinstance(self.verify, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model. `id` alone is enough; the provider supplies the rest where it can."""

    id: str = key("The model's name at its provider. No default.", min_length=1, max_length=300)
    name: str = key("Display name. Default: the id.", "", max_length=200)
    aliases: tuple[str, ...] = key("Short names for -m. Default none.", (), max_length=32)
    provider: str = key("One of the keys of `providers`. Default: ollama.", "ollama")
    strengths: tuple[str, ...] = key(
        "What it is good at: task types count for fit, other words appear in the reason. "
        "Default none.",
        (),
    )
    weaknesses: tuple[str, ...] = key("What it is bad at, in the same form. Default none.", ())
    context_window: int | None = key(
        "Maximum context in tokens. Default: as its provider reports, else 8192.", None, ge=256
    )
    num_ctx: int | None = key(
        "Context in tokens that it is loaded with, unless it is loaded already or a task "
        "needs more. Default: its Modelfile's, else 8192, at most context_window.",
        None,
        ge=256,
    )
    max_tokens: int | None = key(
        "Maximum tokens of an answer. Default: what is left of the context.", None, ge=1
    )
    speed_rating: float | None = key(
        "How fast it is, 0 to 10; a prior until measured. Default: from its active size, else 6.",
        None,
        ge=0,
        le=10,
    )
    quality_rating: float | None = key(
        "How good you know it to be, 0 to 10, at every task type; a prior until measured. Default:"
        " from benchmarks, else from its size and date.",
        None,
        ge=0,
        le=10,
    )
    memory_gb: float | None = key(
        "Memory it takes when loaded, GB. Default: its file's size.", None, ge=0
    )
    options: dict[str, Any] = key("Sampling options for every request. Default none.", factory=dict)
    system: str | None = key("System prompt for tasks without one. Default none.", None)
    gguf: str | None = key("llamacpp only: its file, or package:NAME/FILE. Default none.", None)
    last_resort: bool = key(
        "Answers only where nothing else can (see fallback.last_resort). Default false.", False
    )
    remote: Literal["deny", "allow"] | None = key(
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

    version: Literal[1] = key("Format version. 1.", 1)
    unlisted: Literal["use", "ignore"] = key(
        "Whether installed models that are not listed here are used. Default use.", "use"
    )
    providers: dict[str, Provider] = key(
        "The servers, each under a name that you choose. No default.", max_length=100
    )
    models: tuple[ModelSpec, ...] = key("The models. Default none.", ())
    aliases: dict[str, str] = key(
        "Names that clients insist on, such as {gpt-4o: auto}. Each stands for a model, auto, or a "
        "variant of auto such as auto:coding; case does not matter. Default none.",
        factory=dict,
        max_length=1_000,
    )


def build_models(data: dict[str, Any]) -> Models:
    """Models from data that `schema` has validated."""
    return Models(
        version=1,
        unlisted=data.get("unlisted", "use"),
        providers={name: build(Provider, entry) for name, entry in data["providers"].items()},
        models=tuple(build_model(entry) for entry in data.get("models", ())),
        aliases=dict(data.get("aliases", {})),
    )


def build_model(data: dict[str, Any]) -> ModelSpec:
    """One model from data that `schema` has validated."""
    model: ModelSpec = build(ModelSpec, data)
    return model
