"""Client for llama.cpp's `llama-server`, alone and as a router of models, and for llama-swap: chat
as OpenAI's API has it, with what these servers tell and do beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest, Delta
from orch.providers.client import QUICK_TIMEOUT_S
from orch.providers.installed_models import InstalledModel
from orch.providers.kinds import KINDS
from orch.providers.llama_server.facts import root_url
from orch.providers.llama_server.listing import READY
from orch.providers.llama_server.llama_swap import unload_path
from orch.providers.llama_server.loading import RouterLoads
from orch.providers.llama_server.own_slots import NO_OWN_SLOT, names_slot, without_own_slot
from orch.providers.llama_server.report import describe_server
from orch.providers.model_lists.entries import owner_of
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.read_limits import model_entries
from orch.providers.remote_models import RemotePolicy
from orch.providers.streams.values import validating

LOAD_TIMEOUT_S, UNLOAD_TIMEOUT_S = 600.0, 30.0
MOST_SLOT_QUESTIONS = 8
"""Loaded models whose slots `health` asks for."""
_ASLEEP = ("unloaded", "downloaded", "loading", "downloading", "failed")
"""States in which a router has to load a model before it answers; it wakes a sleeping one
itself."""


class LlamaServerClient(OpenAIClient):
    """One llama-server or llama-swap, at one or several addresses, with or without `/v1`."""

    def __init__(
        self, provider: Provider, remote: RemotePolicy | None = None, *, concurrent: bool = False
    ) -> None:
        super().__init__(provider, remote, concurrent=concurrent)
        self._loads = RouterLoads(self._http)
        self._announced: set[str] = set()

    @staticmethod
    def api_url(url: str) -> str:
        """The address of OpenAI's API: that of the server, with `/v1` behind it."""
        return f"{url.rstrip('/').removesuffix('/v1')}/v1"

    @property
    def keeps_model(self) -> bool:
        """Whether the server has one model, which it can't unload; as far as it was asked."""
        return not (self._facts.is_router or self._facts.is_swap)

    @property
    def max_loaded(self) -> int | None:
        """How many models a router keeps loaded at once; None for any number, and where it is not
        known."""
        return self._facts.server.max_loaded if self._facts.is_router else None

    async def installed(self) -> list[InstalledModel]:
        """Reads the list of models and, at the same time, the properties of the server."""
        answer, _ = await asyncio.gather(self._http.json("GET", "models"), self._facts.ask_server())
        entries = self._entries(answer)
        return self._remote.update_list(await self._facts.installed(entries))

    def _entries(self, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The entries of a list. Raises ProviderError for that of an Ollama: which of its models
        run elsewhere is not told there."""
        with validating():
            entries = model_entries(answer.get("data"), "id")
        self.listed_owner = next(filter(None, map(owner_of, entries)), "")
        if any(owner_of(entry) in KINDS["ollama"].list_owners for entry in entries):
            raise ProviderError("bad_response", "an Ollama answers there, not a llama-server")
        return entries

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Streams an answer. A model that its router has not loaded is loaded first: `loading` is
        raised once, so that the wait is reported, and the next call waits for the load."""
        self._remote.check(request.model)
        load_s, notice = 0.0, NO_OWN_SLOT if names_slot(request) else ""
        request = without_own_slot(request)
        if self._has_to_load(request.model):
            if request.model not in self._announced:
                self._announced.add(request.model)
                message = f"{request.model} is being loaded"
                raise ProviderError("loading", message, retry_after_s=0.001)
            load_s = await self._load_first(request)
            left_s = max(request.first_token_timeout_s - load_s, 1.0)
            request = replace(request, first_token_timeout_s=left_s)
        async with aclosing(super().chat(request)) as deltas:
            async for delta in deltas:
                if notice:  # not before: an error without any event is a load that is waited for
                    yield Delta(ignored_fields=notice)
                    notice = ""
                if load_s and delta.completion is not None:
                    delta = delta._replace(completion=delta.completion._replace(load_s=load_s))
                yield delta

    def _has_to_load(self, model: str) -> bool:
        return self._facts.is_router and self._facts.status_of(model) in _ASLEEP

    async def _load_first(self, request: ChatRequest) -> float:
        """Loads the model of a request; returns the seconds that took."""
        started = time.perf_counter()
        try:
            await self._loads.load(request.model, request.first_token_timeout_s)
        finally:
            self._announced.discard(request.model)
        self._facts.note_status(request.model, READY)
        return time.perf_counter() - started

    async def count_tokens(self, request: ChatRequest) -> int:
        """Counts a prompt as the model's template makes it. Raises ProviderError for a model that
        is not loaded, which is not loaded for it."""
        self._remote.check(request.model)
        if self._facts.is_swap or self._has_to_load(request.model):
            message = f"{request.model} is not loaded, or its server does not count tokens"
            raise ProviderError("rejected", message)
        return await self.input_tokens(request)

    # ---------------------------------------------------------------- loads

    async def load(
        self, model: str, num_ctx: int | None, keep_alive: str | float | None = None
    ) -> None:
        """Loads a model with the context of its preset, and waits for it."""
        self._remote.check(model)
        await self._know_the_server()
        if self._facts.is_swap:
            path = f"/props?model={quote(model, safe='')}"
            await self._facts.ask(path, LOAD_TIMEOUT_S)  # any question loads it
        elif self._facts.is_router:
            await self._loads.load(model, LOAD_TIMEOUT_S)
        elif self._facts.status_of(model) != READY:
            raise _one_model_error()
        self._facts.note_status(model, READY)

    async def unload(self, model: str) -> None:
        """Ends the model's process at every address, and waits until its memory is free."""
        await self._know_the_server()
        if self._facts.is_swap:
            for url in self._http.urls:
                await self._unload_at_swap(url, model)
        elif self._facts.is_router:
            await self._loads.unload(model, UNLOAD_TIMEOUT_S)
        else:
            raise _one_model_error()
        self._facts.note_status(model, "unloaded")

    async def _unload_at_swap(self, url: str, model: str) -> None:
        path = root_url(url, unload_path(model))
        async with self._http.stream("POST", path, {}, timeout_s=UNLOAD_TIMEOUT_S, at=[url]):
            pass

    async def _know_the_server(self) -> None:
        """Reads the list where no inventory was taken before."""
        if not self._facts.listed:
            await self.installed()

    # ---------------------------------------------------------------- health

    async def health(self) -> str:
        """The server's version, its models by state, and how many slots are busy."""
        answer, _ = await asyncio.gather(
            self._http.json("GET", "models", timeout_s=QUICK_TIMEOUT_S), self._facts.ask_server()
        )
        entries = self._entries(answer)
        models = await self._facts.installed(entries)
        # a question about the slots of a sleeping model would wake it
        awake = [each.name for each in models if each.status == READY][:MOST_SLOT_QUESTIONS]
        names = awake if self._facts.is_router else [""] * len(awake[:1])
        uses = await asyncio.gather(
            *map(self._facts.slots, names if not self._facts.is_swap else ())
        )
        return describe_server(self._facts, models, [use for use in uses if use])


def _one_model_error() -> ProviderError:
    return ProviderError(
        "rejected",
        "this llama-server has one model, from its start to its end; started without -m it is a"
        " router, which loads and unloads models",
    )
