"""Clients for model servers, one class a kind of API; they raise ProviderError alone and know
nothing of routing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from orch.providers.chat import ChatRequest, Delta
from orch.providers.installed_models import InstalledModel, ModelInfo

if TYPE_CHECKING:
    from orch.providers.ollama.management import OllamaManagement


class ProviderClient(Protocol):
    """What every provider can do. Each method raises ProviderError when the provider fails."""

    local: bool
    """Whether the models run on this machine and take its memory."""
    fixed_ctx: bool
    """Whether the server alone sets the context length, so that a request can't ask for one."""

    prefills: bool
    """Whether a last message of the assistant is the beginning of its answer, which it goes on
    with."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Streams an answer; only the last delta has `completion`. Closing the iterator stops
        generation at the server."""
        ...

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = ...
    ) -> list[list[float]]:
        """Returns one vector a text. `extra` fields are sent to the server unchanged."""
        ...

    async def installed(self) -> list[InstalledModel]:
        """Lists the models of the provider, each with whether it is loaded."""
        ...

    async def info(self, model: str) -> ModelInfo:
        """Returns the model's metadata."""
        ...

    async def health(self) -> str:
        """Returns the server's version, or another short text that shows it answers."""
        ...

    async def release(self) -> None:
        """Closes the connections of this event loop; models stay loaded."""
        ...

    async def aclose(self) -> None:
        """Closes the connections of this event loop and frees models that run inside orch."""
        ...


# ---------------------------------------------------------------- capabilities of some providers


@runtime_checkable
class Loads(Protocol):
    """A provider that loads and unloads a model on request."""

    async def load(
        self, model: str, num_ctx: int | None, keep_alive: str | float | None = None
    ) -> None:
        """Loads a model with that context length; None for a model that only embeds."""
        ...

    async def unload(self, model: str) -> None:
        """Frees the model's memory."""
        ...


@runtime_checkable
class KeepsModel(Protocol):
    """A provider whose server may have been started for one model alone."""

    keeps_model: bool
    """Whether it was: then it can't unload it."""


@runtime_checkable
class Pulls(Protocol):
    """A provider that downloads models."""

    def pull(self, model: str, *, insecure: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Yields the server's progress objects (status, digest, total and completed in bytes)."""
        ...


@runtime_checkable
class Manages(Protocol):
    """A provider whose models can be copied, deleted, created and pushed by Ollama's API."""

    def management(self) -> OllamaManagement:
        """What the server does with its models other than run them."""
        ...

    def addresses(self) -> list[dict[str, Any]]:
        """Returns the state of each address."""
        ...


@runtime_checkable
class Lists(Protocol):
    """A provider that speaks Ollama's API of models, whose entries are passed on unchanged."""

    async def list_raw(self, path: str) -> list[dict[str, Any]]:
        """Returns the entries of `/api/tags` or `/api/ps`."""
        ...

    async def show_raw(self, model: str, *, verbose: bool = False) -> dict[str, Any]:
        """Returns the response of `/api/show`; with every token and tensor if it is verbose."""
        ...

    async def health(self) -> str:
        """Returns `Ollama` and its version."""
        ...


@runtime_checkable
class LimitsLoaded(Protocol):
    """A provider that says how many models it keeps loaded."""

    @property
    def max_loaded(self) -> int | None:
        """The number of models; None for any number, and where it is not known."""
        ...


@runtime_checkable
class TellsVersion(Protocol):
    """A provider whose server tells its version."""

    async def version(self) -> str:
        """Returns the server's name and version, such as `ollama 0.32.15`."""
        ...


@runtime_checkable
class ListsOwner(Protocol):
    """A provider with OpenAI's API, whose list names an owner."""

    listed_owner: str
    """By which the server is recognised; empty before the first list."""


@runtime_checkable
class CountsTokens(Protocol):
    """A provider that counts the tokens of a prompt without answering it."""

    async def count_tokens(self, request: ChatRequest) -> int:
        """Returns the tokens of the request's messages and tools in the model's template."""
        ...


@runtime_checkable
class TakesSlots(Protocol):
    """A provider whose requests may name the slot that answers, since nobody else uses it.

    llama.cpp (b10488) puts the prompt of a request that names a busy slot in that slot's cache, and
    spoils both answers. So no slot is named at a server that others can reach.
    """

    own_slots: int
    """Slots of each model."""


@runtime_checkable
class BalancesLoad(Protocol):
    """A provider with one or several addresses."""

    def addresses(self) -> list[dict[str, Any]]:
        """Returns the state of each address."""
        ...
