"""The other names of each model, and of `auto`, as the Models view shows them (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from orch.routing.lookup import find_model
from orch.routing.registry import Inventory
from orch.text.model_names import comparison_key
from orch.types import ModelKey

MOST_SHOWN = 30
"""Names that one line shows: models.yaml may have 1,000."""


def aliases_by_model(inventory: Inventory) -> Mapping[ModelKey | None, Sequence[str]]:
    """The aliases by model, those of its own entry first; those that let orch choose under None,
    each with the variant of `auto` that it stands for."""
    names = defaultdict[ModelKey | None, list[str]](list)
    for state in inventory.states:
        names[state.key] += state.spec.aliases
    for key, alias in _top_level(inventory):
        names[key].append(alias)
    return {key: [*_shortened(each)] for key, each in names.items() if each}


def _top_level(inventory: Inventory) -> Iterator[tuple[ModelKey | None, str]]:
    for alias, target in inventory.names.aliases.items():
        model = inventory.names.parse(alias).model
        if model is None:
            is_plain = comparison_key(target) == comparison_key("auto")
            yield None, alias if is_plain else f"{alias} ({target})"
        elif state := find_model(model, inventory.states):
            yield state.key, alias


def _shortened(names: Sequence[str]) -> Iterator[str]:
    yield from islice(names, MOST_SHOWN)
    if len(names) > MOST_SHOWN:
        yield "…"
