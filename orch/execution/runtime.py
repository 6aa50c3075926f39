"""Wires orch together: config, journal, backends, registry and classifier, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orch.classifier.classifier import Classifier
from orch.config import paths
from orch.config.load import Config, from_data, load
from orch.config.spec import Memory, Models, Provider, seconds
from orch.execution.answer_cache import Reuse
from orch.memory.on_demand import LazyMemory
from orch.providers import Backend
from orch.providers.remote_models import RemoteModels
from orch.quality.estimator import JudgedQuality
from orch.routing.admission import Gate, OpenGate
from orch.routing.priors import QualityPriors
from orch.routing.registry import Registry
from orch.storage.answers import Cache
from orch.storage.journal import Journal
from orch.storage.offload import Aside, at_once
from orch.text.redact import Redactor

if TYPE_CHECKING:
    from orch.config.spec import Routing
    from orch.memory.embedders import Embeds

JOURNAL_FILE, CACHE_FILE = "journal.sqlite3", "answers.sqlite3"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a run needs, made from one config."""

    config: Config
    journal: Journal
    backends: Mapping[str, Backend]
    registry: Registry
    classifier: Classifier
    judged: JudgedQuality
    memory: LazyMemory
    reuse: Reuse
    gate: Gate
    aside: Aside = at_once
    """Where it reads the journal and computes."""

    async def aclose(self) -> None:
        """Closes the connections of this event loop and the embedded engine; the journal too."""
        for backend in self.backends.values():
            await backend.aclose()
        self.reuse.cache.close()
        self.journal.close()


class Wiring:
    """Makes the parts of a Runtime, each once. A server puts parts of its own in their place."""

    many = False
    """Whether many requests run at once."""
    aside: Aside = staticmethod(at_once)

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate: Gate = gate or OpenGate()

    def open(self, config: Config) -> Runtime:
        """The parts for a config. Touches neither disk nor network."""
        routing = config.routing
        redactor = Redactor(
            routing.redaction.patterns, routing.redaction.allow, enabled=routing.redaction.enabled
        )
        journal = self.journal(
            paths.data_dir() / JOURNAL_FILE,
            redactor,
            routing.journal.mode,
            seconds(routing.journal.keep),
        )
        backends = {
            name: self.backend(name, provider, config.models)
            for name, provider in config.models.providers.items()
        }
        priors = QualityPriors(config.models.models, config.shipped_models, config.known_models)
        registry = self.registry(config.models, backends, journal, routing.memory_budget_gb, priors)
        cache = Cache(paths.cache_dir() / CACHE_FILE, seconds(routing.cache.ttl))
        memory = self.memory(
            routing.memory, journal, self.embedding(backends, registry), redactor, cache
        )
        reuse = Reuse(cache, config, backends, memory, redactor, self.aside)
        classifier = Classifier(config.own_rules)
        rated = [spec for spec in config.models.models if priors.is_rated(spec)]
        judged = JudgedQuality(
            journal.judgements, rated, lambda text: classifier.classify(text).scores
        )
        return Runtime(
            config,
            journal,
            backends,
            registry,
            classifier,
            judged,
            memory,
            reuse,
            self.gate,
            self.aside,
        )

    def journal(self, path: Path, redactor: Redactor, mode: str, keep_s: int) -> Journal:
        """Where runs are written down."""
        return Journal(path, redactor, mode, keep_s)

    def registry(
        self,
        models: Models,
        backends: Mapping[str, Backend],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
    ) -> Registry:
        """What tells which models there are."""
        return Registry(models, backends, journal, budget_gb, priors, self.aside)

    def embedding(
        self, backends: Mapping[str, Backend], registry: Registry
    ) -> Mapping[str, Embeds]:
        """What embeds for memory, by the provider's name."""
        return backends

    def memory(
        self,
        rule: Memory,
        journal: Journal,
        providers: Mapping[str, Embeds],
        redactor: Redactor,
        cache: Cache,
    ) -> LazyMemory:
        """What remembers; forgetting takes answers out of the cache too."""
        return LazyMemory(rule, journal, providers, redactor, cache)

    def backend(self, name: str, provider: Provider, models: Models) -> Backend:
        """What speaks to a provider. One kind is imported, not three."""
        if provider.kind == "ollama":
            from orch.providers.ollama import OllamaBackend

            return OllamaBackend(provider, RemoteModels(name, models))
        if provider.kind == "openai":
            from orch.providers.openai_compatible import OpenAIBackend

            return OpenAIBackend(provider, RemoteModels(name, models))
        from orch.providers.llamacpp import LlamaCppBackend

        return LlamaCppBackend([spec for spec in models.models if spec.provider == name])


ConfigLike = str | Path | dict[str, Any] | None


def config_from(models: ConfigLike | Models, routing: ConfigLike | Routing) -> Config:
    """A Config from paths or parsed data; None means the files that the command would find. Raises
    ConfigError."""
    if models is None and routing is None:
        return load()
    return from_data(_data("models", models), _data("routing", routing))


def _data(which: str, given: Any) -> dict[str, Any] | None:
    if given is None or isinstance(given, dict):
        return given
    if isinstance(given, (str, Path)):
        return _file_data(which, Path(given))
    from dataclasses import asdict

    return asdict(given)


def _file_data(which: str, path: Path) -> dict[str, Any]:
    from orch.config import files, schema, yaml_document
    from orch.config.discovery import FILES
    from orch.errors import ConfigError

    file = path / FILES[which] if path.is_dir() else path
    try:
        document = yaml_document.parse(
            str(file), files.read(file, yaml_document.MAX_BYTES).decode("utf-8-sig")
        )
    except files.TooLong:
        raise ConfigError(f"{file}: it has over {yaml_document.MAX_BYTES:,} bytes") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if document.problems:
        raise ConfigError(
            "\n".join(map(str, document.problems)),
            problems=[str(problem) for problem in document.problems],
        )
    data: dict[str, Any] = schema.normalise(which, document.data)
    return data
