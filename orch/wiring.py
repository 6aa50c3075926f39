"""Constructs the parts of a runtime, each once; only the faces import it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orch.classifier.classifier import Classifier
from orch.config import paths
from orch.config.durations import duration_seconds
from orch.config.load import Config
from orch.config.spec import Memory, Models, Provider
from orch.errors import ProviderError
from orch.execution.answer_cache import AnswerCache
from orch.execution.context_loads import ContextLoads
from orch.execution.lifecycle import ModelLoader
from orch.execution.room import RoomMaker
from orch.execution.runtime import Runtime
from orch.memory.on_demand import OnDemandMemory
from orch.providers import ProviderClient
from orch.providers.kinds import open_client
from orch.quality.estimator import QualityEstimator
from orch.routing.feedback_recorder import FeedbackRecorder
from orch.routing.lookup import find_model
from orch.routing.machine.admission import Admission, NoQueue
from orch.routing.priors import QualityPriors
from orch.routing.registry import Registry
from orch.routing.router import Router
from orch.routing.task_types import TaskTypes
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.storage.offload import Offload, run_inline
from orch.text.redact import Redactor

if TYPE_CHECKING:
    from orch.memory.embedders import Embeds
    from orch.routing.prompt_cache.prompt_caches import PromptCaches

JOURNAL_FILE, CACHE_FILE = "journal.sqlite3", "answers.sqlite3"


class Wiring:
    """Builds a Runtime from a Config. A server overrides the parts that it needs differently."""

    offload: Offload = staticmethod(run_inline)

    def __init__(
        self, admission: Admission | None = None, prompt_caches: PromptCaches | None = None
    ) -> None:
        self.admission: Admission = admission or NoQueue()
        self._prompt_caches = prompt_caches

    def build(self, config: Config) -> Runtime:
        """The parts for a configuration. Touches neither disk nor network."""
        models, routing = config.models, config.routing
        redactor = Redactor(
            routing.redaction.patterns, routing.redaction.allow, enabled=routing.redaction.enabled
        )
        journal = self.create_journal(
            paths.data_dir() / JOURNAL_FILE,
            redactor,
            routing.journal.mode,
            duration_seconds(routing.journal.keep),
        )
        providers = {
            name: self.create_provider(name, provider, models)
            for name, provider in models.providers.items()
        }
        priors = QualityPriors(models.models, config.shipped_models, config.known_models)
        registry = self.create_registry(
            models, providers, journal, routing.memory_budget_gb, priors
        )
        store = AnswerStore(paths.cache_dir() / CACHE_FILE, duration_seconds(routing.cache.ttl))
        embedding_providers = self.embedding_providers(providers, registry)
        memory = self.create_memory(routing.memory, journal, embedding_providers, redactor, store)
        classifier = Classifier(config.own_rules)
        estimator = _estimator(models, journal, priors, classifier)
        router = Router(
            routing,
            models,
            registry,
            TaskTypes(classifier, journal.feedback, journal),
            estimator,
            journal.feedback,
            self.admission,
            journal=journal,
            config_hash=config.hash,
            shipped_prefer=config.shipped_prefer,
            offload=self.offload,
            prompt_caches=self._prompt_caches,
        )
        room = RoomMaker(registry, providers)
        return Runtime(
            config=config,
            journal=journal,
            providers=providers,
            registry=registry,
            classifier=classifier,
            estimator=estimator,
            memory=memory,
            answer_cache=AnswerCache(store, config, providers, memory, redactor, self.offload),
            admission=self.admission,
            loader=ModelLoader(registry, providers, self.admission, room),
            room=room,
            loads=ContextLoads(registry),
            router=router,
            feedback=FeedbackRecorder(router, registry, estimator, journal, store, self.offload),
            offload=self.offload,
        )

    def create_journal(self, path: Path, redactor: Redactor, mode: str, keep_s: int) -> Journal:
        """The journal of runs."""
        return Journal(path, redactor, mode, keep_s)

    def create_registry(
        self,
        models: Models,
        providers: Mapping[str, ProviderClient],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
    ) -> Registry:
        """The inventory of models."""
        return Registry(models, providers, journal, budget_gb, priors, self.offload)

    def embedding_providers(
        self, providers: Mapping[str, ProviderClient], registry: Registry
    ) -> Mapping[str, Embeds]:
        """The providers by name, as memory calls their embedding models."""
        return {name: NamedEmbedder(client, registry, name) for name, client in providers.items()}

    def create_memory(
        self,
        rule: Memory,
        journal: Journal,
        providers: Mapping[str, Embeds],
        redactor: Redactor,
        store: AnswerStore,
    ) -> OnDemandMemory:
        """Memory; forgetting also deletes cached answers."""
        return OnDemandMemory(rule, journal, providers, redactor, store)

    def create_provider(self, name: str, provider: Provider, models: Models) -> ProviderClient:
        """The client of a provider."""
        return open_client(name, provider, models)


class NamedEmbedder:
    """A provider's embedding models for memory, by any name that a person may give them."""

    def __init__(self, client: ProviderClient, registry: Registry, provider: str) -> None:
        self._client, self._registry, self._provider = client, registry, provider
        self._names: dict[str, str] = {}

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text. Raises ProviderError."""
        if model not in self._names:
            self._names[model] = await self._find(model)
        return await self._client.embed(self._names[model], texts)

    async def _find(self, model: str) -> str:
        """The provider's own name of a model; the same one where it lists none."""
        try:
            state = find_model(model, await self._registry.named_models(self._provider))
        except ProviderError:
            return model
        if state is None:
            return model
        await self._client.info(state.spec.id)  # which also tells where it runs
        return state.spec.id


def _estimator(
    models: Models, journal: Journal, priors: QualityPriors, classifier: Classifier
) -> QualityEstimator:
    rated = [spec for spec in models.models if priors.is_rated(spec)]
    return QualityEstimator(journal.feedback, rated, lambda text: classifier.classify(text).scores)
