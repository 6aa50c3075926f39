"""The parts that a run works with; `orch.wiring` constructs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from orch.classifier.classifier import Classifier
from orch.config.load import Config
from orch.execution.answer_cache import AnswerCache
from orch.execution.context_loads import ContextLoads
from orch.execution.lifecycle import ModelLoader
from orch.execution.room import RoomMaker
from orch.memory.on_demand import OnDemandMemory
from orch.providers import ProviderClient
from orch.quality.estimator import QualityEstimator
from orch.routing.feedback_recorder import FeedbackRecorder
from orch.routing.machine.admission import Admission
from orch.routing.registry import Registry
from orch.routing.router import Router
from orch.storage.journal import Journal
from orch.storage.offload import Offload, run_inline


class Runtime(NamedTuple):
    """Every part, made from one configuration."""

    config: Config
    journal: Journal
    providers: Mapping[str, ProviderClient]
    registry: Registry
    classifier: Classifier
    estimator: QualityEstimator
    memory: OnDemandMemory
    answer_cache: AnswerCache
    admission: Admission
    loader: ModelLoader
    room: RoomMaker
    loads: ContextLoads
    router: Router
    feedback: FeedbackRecorder
    offload: Offload = run_inline
    """Runs what blocks: reads of the journal, long computations."""

    async def aclose(self) -> None:
        """Closes this event loop's connections, the embedded engine, the cache and the journal."""
        for provider in self.providers.values():
            await provider.aclose()
        self.answer_cache.store.close()
        self.journal.close()
