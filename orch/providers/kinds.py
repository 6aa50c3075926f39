"""The table of provider kinds: the client class of each, its default number of slots, and what
starts its server."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from orch.config.spec import Models, Provider
    from orch.providers import ProviderClient


class ProviderKind(NamedTuple):
    """One value of `kind` in models.yaml."""

    module: str
    client: str
    """The class in `module`; its `from_config` makes a client."""
    label: str
    """What people call a provider of this kind."""
    slots: int
    """Requests that run at once, unless `parallel` is set in models.yaml."""
    is_server: bool
    """Whether it is reached at addresses of models.yaml; False for the engine inside orch."""
    start_command: str = ""
    """What starts its server on this machine; empty where orch can't know."""
    max_loaded_variable: str = ""
    """The environment variable that limits how many models it keeps loaded."""
    list_owners: tuple[str, ...] = ()
    """The owners that its list of OpenAI's form names, by which it is recognised."""
    evicts_by_memory: bool = False
    """Whether its server unloads idle models by itself where it lacks memory for another."""


KINDS: Mapping[str, ProviderKind] = {
    "ollama": ProviderKind(
        module="orch.providers.ollama.client",
        client="OllamaClient",
        label="Ollama",
        slots=4,
        is_server=True,
        start_command="ollama serve",
        max_loaded_variable="OLLAMA_MAX_LOADED_MODELS",
        list_owners=("library",),
        evicts_by_memory=True,
    ),
    "openai": ProviderKind(
        module="orch.providers.openai_compatible",
        client="OpenAIClient",
        label="a server",
        slots=32,
        is_server=True,
    ),
    "llama-server": ProviderKind(
        module="orch.providers.llama_server.client",
        client="LlamaServerClient",
        label="llama.cpp's server",
        slots=4,
        is_server=True,
        start_command="llama-server --models-dir FOLDER --port {port}",
        list_owners=("llamacpp", "llama-swap"),
    ),
    "lmstudio": ProviderKind(
        module="orch.providers.lmstudio.client",
        client="LMStudioClient",
        label="LM Studio",
        slots=4,
        is_server=True,
        start_command="lms server start --port {port}",
        list_owners=("organization_owner",),
    ),
    "llamacpp": ProviderKind(
        module="orch.providers.llamacpp",
        client="LlamaCppClient",
        label="orch's own engine",
        slots=1,
        is_server=False,
    ),
}


def better_kind(kind: str, list_owner: str) -> str:
    """The kind that knows more of a server than the provider's own, by the owner that its list
    names; else empty."""
    if not list_owner:
        return ""
    own = (name for name, each in KINDS.items() if list_owner in each.list_owners)
    return next((name for name in own if name != kind), "")


def is_server(kind: str | None) -> bool:
    """Whether a provider of that kind is a server; also for an unknown kind."""
    return kind is None or kind not in KINDS or KINDS[kind].is_server


def open_client(
    name: str, provider: Provider, models: Models, *, concurrent: bool = False
) -> ProviderClient:
    """Makes the client of a provider; imports only the module of its kind. `concurrent` picks a
    transport for many requests at once."""
    kind = KINDS[provider.kind]
    client_class: Any = getattr(import_module(kind.module), kind.client)
    client: ProviderClient = client_class.from_config(name, provider, models, concurrent=concurrent)
    return client
