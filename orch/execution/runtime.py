"""Wires orch together: config, journal, backends, registry and classifier, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orch.classifier.classifier import Classifier
from orch.config import paths
from orch.config.load import Config, config_from_data, load_config
from orch.config.spec import Memory, Models, Provider, duration_seconds
from orch.execution.answer_cache import AnswerCache
from orch.memory.on_demand import OnDemandMemory
from orch.providers import ProviderClient
from orch.providers.kinds import open_client
from orch.quality.estimator import QualityEstimator
from orch.routing.admission import Admission, NoQueue
from orch.routing.priors import QualityPriors
from orch.routing.registry import Registry
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.storage.offload import Offload, run_inline
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
    providers: Mapping[str, ProviderClient]
    registry: Registry
    classifier: Classifier
    estimator: QualityEstimator
    memory: OnDemandMemory
    answer_cache: AnswerCache
    admission: Admission
    offload: Offload = run_inline
    """Where it reads the journal and computes."""

    async def aclose(self) -> None:
        """Closes the connections of this event loop and the embedded engine; the journal too."""
        for backend in self.providers.values():
            await backend.aclose()
        self.answer_cache.store.close()
        self.journal.close()


class Wiring:
    """Makes the parts of a Runtime, each once. A server puts parts of its own in their place."""

    many = False
    """Whether many requests run at once."""
    aside: Offload = staticmethod(run_inline)

    def __init__(self, gate: Admission | None = None) -> None:
        self.gate: Admission = gate or NoQueue()

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
            duration_seconds(routing.journal.keep),
        )
        backends = {
            name: self.backend(name, provider, config.models)
            for name, provider in config.models.providers.items()
        }
        priors = QualityPriors(config.models.models, config.shipped_models, config.known_models)
        registry = self.registry(config.models, backends, journal, routing.memory_budget_gb, priors)
        cache = AnswerStore(paths.cache_dir() / CACHE_FILE, duration_seconds(routing.cache.ttl))
        memory = self.memory(
            routing.memory, journal, self.embedding(backends, registry), redactor, cache
        )
        reuse = AnswerCache(cache, config, backends, memory, redactor, self.aside)
        classifier = Classifier(config.own_rules)
        rated = [spec for spec in config.models.models if priors.is_rated(spec)]
        judged = QualityEstimator(
            journal.feedback, rated, lambda text: classifier.classify(text).scores
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
        backends: Mapping[str, ProviderClient],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
    ) -> Registry:
        """What tells which models there are."""
        return Registry(models, backends, journal, budget_gb, priors, self.aside)

    def embedding(
        self, backends: Mapping[str, ProviderClient], registry: Registry
    ) -> Mapping[str, Embeds]:
        """What embeds for memory, by the provider's name."""
        return backends

    def memory(
        self,
        rule: Memory,
        journal: Journal,
        providers: Mapping[str, Embeds],
        redactor: Redactor,
        cache: AnswerStore,
    ) -> OnDemandMemory:
        """What remembers; forgetting takes answers out of the cache too."""
        return OnDemandMemory(rule, journal, providers, redactor, cache)

    def backend(self, name: str, provider: Provider, models: Models) -> ProviderClient:
        """The client of a provider."""
        return open_client(name, provider, models)


ConfigSource = str | Path | dict[str, Any] | None


def config_from(models: ConfigSource | Models, routing: ConfigSource | Routing) -> Config:
    """A Config from paths or parsed data; None means the files that the command would find. Raises
    ConfigError."""
    if models is None and routing is None:
        return load_config()
    return config_from_data(_data("models", models), _data("routing", routing))


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
        document = yaml_document.parse_yaml(
            str(file), files.read_bounded(file, yaml_document.MAX_BYTES).decode("utf-8-sig")
        )
    except files.FileTooLongError:
        raise ConfigError(f"{file}: it has over {yaml_document.MAX_BYTES:,} bytes") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if document.problems:
        raise ConfigError(
            "\n".join(map(str, document.problems)),
            problems=[str(problem) for problem in document.problems],
        )
    data: dict[str, Any] = schema.expand_short_forms(which, document.data)
    return data
