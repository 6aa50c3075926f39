"""The recommendations for this machine, with what they rest on. Pulls nothing, and asks nobody but
the providers of models.yaml."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from orch.execution.recommending.machine import capacity_of, is_here, ollama_of, store_of
from orch.execution.recommending.model_store import ModelStore
from orch.execution.runtime import Runtime
from orch.routing.known_models.identity import Identity
from orch.routing.known_models.pullable import pullable_models
from orch.routing.priors import QualityPriors
from orch.routing.recommendations.capacity import MachineCapacity
from orch.routing.recommendations.installed import Estimates, InstalledQuality
from orch.routing.recommendations.recommend import (
    KnownQuality,
    Machine,
    Recommendations,
    Wishes,
    recommend,
)
from orch.routing.registry import Inventory
from orch.routing.scoring.expected_time import MachinePace
from orch.routing.scoring.policy import Policy
from orch.text.model_names import comparison_key
from orch.types import TaskType


@dataclass(frozen=True, slots=True)
class RecommendationReport:
    """What to pull and where to: `provider` is the Ollama of models.yaml (empty if there is none);
    `runs` and `is_here` say whether it answers, and whether it is on this machine."""

    wishes: Wishes
    found: Recommendations
    machine: Machine
    provider: str
    runs: bool
    is_here: bool
    store: ModelStore | None

    @property
    def capacity(self) -> MachineCapacity:
        """The memory for models."""
        return self.machine.capacity


async def make_report(runtime: Runtime, wishes: Wishes = Wishes()) -> RecommendationReport:
    """Recommends models for this machine."""
    inventory = await runtime.registry.snapshot(with_unlisted=True)
    capacity = await capacity_of(runtime, inventory)
    return await runtime.offload(report_on, runtime, inventory, capacity, wishes)


def report_on(
    runtime: Runtime,
    inventory: Inventory,
    capacity: MachineCapacity,
    wishes: Wishes,
    *,
    into_engine: bool = False,
) -> RecommendationReport:
    """Recommends models beside an inventory, for orch's own engine where there is no Ollama or
    `into_engine`. Reads the journal: not for an event loop."""
    provider = "" if into_engine else ollama_of(runtime)
    here = is_here(runtime, provider) if provider else True
    store = store_of(runtime, provider) if provider else None
    priors = runtime.registry.priors
    known = known_quality(priors)
    installed = InstalledQuality(
        learned(runtime, inventory),
        known.prior_of,
        priors.scale_shift(only_shipped=inventory.only_shipped),
    )
    if not here:
        capacity = MachineCapacity(None)
    models = pullable_models()
    if not provider:  # orch's own engine takes some files, and uses no GPU
        models = tuple(model for model in models if model.in_engine)
        capacity = replace(capacity, gpu_bytes=())
    available = [state for state in inventory.states if not state.unavailable]
    machine = Machine(
        capacity,
        installed.best(inventory.states),
        frozenset(comparison_key(each.spec.id) for each in inventory.states if each.is_installed),
        store.room_bytes if store else None,
        MachinePace.of(available),
    )
    routing = runtime.config.routing
    policy = Policy.from_routing(routing, asdict(routing.weights), None)
    return RecommendationReport(
        wishes,
        recommend(models, machine, known, policy, wishes),
        machine,
        provider,
        bool(provider) and provider not in inventory.unreachable,
        here,
        store,
    )


def known_quality(priors: QualityPriors) -> KnownQuality:
    """What is known of models by name."""
    return KnownQuality(priors.known_prior, lambda name: priors.sizes_b(Identity(name)))


def learned(runtime: Runtime, inventory: Inventory) -> Estimates:
    """The quality of the installed models as grades and feedback on this machine show it."""
    return {
        task_type: runtime.estimator.estimates("", {task_type: 1.0}, inventory.states)
        for task_type in TaskType
    }
