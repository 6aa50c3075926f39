"""Says in one line what a llama-server or llama-swap is and has, for `orch health` (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from orch.providers.installed_models import InstalledModel, models_text
from orch.providers.llama_server.listing import READY, ListedModel
from orch.providers.llama_server.properties import ServerProps, SlotUse

MOST_NAMED = 3
"""Models that the line names for one reason."""
_STATES = ("loading", "sleeping", "downloading")
"""States that are counted beside the loaded models."""


class _Facts(Protocol):
    server: ServerProps
    listed: dict[str, ListedModel]
    is_router: bool
    is_swap: bool


def describe_server(
    facts: _Facts, models: Sequence[InstalledModel], uses: Sequence[SlotUse]
) -> str:
    """Version, models by state, busy slots, and the loads that failed."""
    version = f" {facts.server.version}" if facts.server.version else ""
    if facts.is_swap:
        head = f"llama-swap, {_models(models)}"
    elif facts.is_router:
        head = f"llama-server{version}, a router of {_models(models)}"
    else:
        asleep = ", sleeping" if facts.server.is_sleeping else ""
        head = f"llama-server{version}, {models_text(len(models))}{asleep}"
    return ", ".join((head, *_slots(uses))) + "".join(_failures(facts.listed))


def _models(models: Sequence[InstalledModel]) -> str:
    loaded = sum(each.status == READY for each in models)
    counts = {word: sum(each.status == word for each in models) for word in _STATES}
    others = [f"{count} {word}" for word, count in counts.items() if count]
    return f"{models_text(len(models))} ({', '.join((f'{loaded} loaded', *others))})"


def _slots(uses: Sequence[SlotUse]) -> Iterator[str]:
    total, busy = sum(use.total for use in uses), sum(use.busy for use in uses)
    if total:
        yield f"{busy} of {'1 slot' if total == 1 else f'{total} slots'} busy"


def _failures(listed: Mapping[str, ListedModel]) -> Iterator[str]:
    failed = [
        (name, each.exit_code) for name, each in listed.items() if each.model.status == "failed"
    ]
    for name, code in failed[:MOST_NAMED]:
        yield f"; {name} failed to load" + (f" (exit code {code})" if code is not None else "")
    if len(failed) > MOST_NAMED:
        yield f"; {len(failed) - MOST_NAMED} more failed to load"
