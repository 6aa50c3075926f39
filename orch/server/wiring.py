"""Constructs a runtime for a server: one scheduler, a batched journal, a cached inventory, memory
that stays open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from orch.config.load import Config
from orch.config.spec import Memory, Models, ModelSpec, Provider
from orch.errors import ProviderError
from orch.execution.runtime import Runtime
from orch.memory.embedders import Embeds
from orch.memory.resident import WAIT_S, ResidentMemory
from orch.providers import ProviderClient
from orch.providers.kinds import KINDS, open_client
from orch.routing.lookup import find_model
from orch.routing.machine.admission import Admission, SlotRequest
from orch.routing.model_state import ModelState, required_memory
from orch.routing.priors import QualityPriors
from orch.routing.prompt_cache.prompt_caches import PromptCaches
from orch.routing.registry import Registry
from orch.routing.wording import reason_text
from orch.server.batched_journal import BatchedJournal, PendingRuns, RunCallback
from orch.server.cached_registry import CachedRegistry
from orch.server.worker_threads import WorkerThreads
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from orch.types import ModelKey
from orch.wiring import Wiring

_Settings = tuple[Provider, tuple[ModelSpec, ...]]


class ServerWiring(Wiring):
    """Builds a runtime for each configuration; a provider whose settings did not change is
    reused."""

    def __init__(self, admission: Admission, on_run: RunCallback) -> None:
        super().__init__(admission, PromptCaches())
        self._on_run, self._pending, self.threads = on_run, PendingRuns(), WorkerThreads()
        self.offload = self.threads
        self._clients: dict[str, tuple[_Settings, ProviderClient]] = {}

    def build(self, config: Config) -> Runtime:
        """The runtime for a configuration."""
        runtime = super().build(config)
        self._clients = {
            name: client
            for name, client in self._clients.items()
            if name in config.models.providers
        }
        return runtime

    def is_reused(self, client: ProviderClient) -> bool:
        """Whether a provider belongs to the current runtime."""
        return any(client is each for _, each in self._clients.values())

    def create_journal(self, path: Path, redactor: Redactor, mode: str, keep_s: int) -> Journal:
        """A journal that writes in batches."""
        return BatchedJournal(path, redactor, mode, keep_s, self._on_run, self._pending)

    def create_registry(
        self,
        models: Models,
        providers: Mapping[str, ProviderClient],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
    ) -> Registry:
        """A registry that caches its inventory."""
        return CachedRegistry(
            models, providers, journal, budget_gb, priors, self.admission, self.offload
        )

    def embedding_providers(
        self, providers: Mapping[str, ProviderClient], registry: Registry
    ) -> Mapping[str, Embeds]:
        """Embedding models whose requests are scheduled like a client's."""
        return {
            name: QueuedEmbedder(name, client, registry, self.admission)
            for name, client in providers.items()
        }

    def create_memory(
        self,
        rule: Memory,
        journal: Journal,
        providers: Mapping[str, Embeds],
        redactor: Redactor,
        cache: AnswerStore,
    ) -> ResidentMemory:
        """Memory that stays open, with a thread of its own."""
        return ResidentMemory(rule, journal, providers, redactor, cache)

    def create_provider(self, name: str, provider: Provider, models: Models) -> ProviderClient:
        """A provider's client for many concurrent requests; reused if its settings did not
        change."""
        is_embedded = not KINDS[provider.kind].is_server
        specs = (spec for spec in models.models if spec.provider == name)
        used = (provider, tuple(spec for spec in specs if is_embedded or spec.remote))
        before = self._clients.get(name)
        if before and before[0] == used:
            return before[1]
        client = open_client(name, provider, models, concurrent=True)
        self._clients[name] = (used, client)
        return client


class QueuedEmbedder:
    """A provider's embedding models for memory: each request is scheduled like a client's. A run
    holds no slot while it recalls."""

    def __init__(
        self, name: str, client: ProviderClient, registry: Registry, admission: Admission
    ) -> None:
        self._name, self._client = name, client
        self._registry, self._admission = registry, admission

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text. Raises ProviderError; `busy` at once if the model does not fit beside
        the loaded ones, where waiting would be in vain."""
        state = await self._installed(model)
        model = state.spec.id if state else model
        request = SlotRequest(
            f"memory {model}",
            ModelKey(self._name, model),
            required_memory(state, state.num_ctx) if state else 0,
            embeds=True,
            timeout_s=WAIT_S,
        )
        if reason := self._admission.wait_reason(request):
            raise ProviderError("busy", reason_text([reason]))
        async with self._admission.acquire(request):
            return await self._client.embed(model, texts)

    async def _installed(self, model: str) -> ModelState | None:
        """The model in the inventory; None for an unknown one, which its provider then reports."""
        inventory = await self._registry.snapshot(with_unlisted=True)
        return find_model(
            model, (state for state in inventory.states if state.spec.provider == self._name)
        )
