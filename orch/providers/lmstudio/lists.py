"""Parses LM Studio's lists of models: `/api/v1/models` (LM Studio 0.4), `/api/v0/models` of older
ones (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orch.providers.installed_models import InstalledModel
from orch.providers.model_lists.abilities import parse_abilities
from orch.providers.model_lists.entries import parse_entry
from orch.providers.model_lists.values import (
    MOST_BYTES,
    MOST_SLOTS,
    MOST_TOKENS,
    billions,
    whole,
)
from orch.providers.read_limits import metadata_word, model_entries
from orch.text.lines import is_valid_name

MOST_INSTANCES = 100
"""Of one model."""


class Instance(NamedTuple):
    """A model in memory: the name that requests give, its context in tokens and the requests that
    it answers at once, None if unknown."""

    id: str
    context: int | None = None
    slots: int | None = None

    def is_foreign(self, model: str) -> bool:
        """Whether another program named it. LM Studio calls instances of a model by its key, the
        second one `KEY:2`, unless it is told otherwise, and orch never tells."""
        number = self.id.removeprefix(f"{model}:")
        return self.id != model and not (number != self.id and number.isdecimal())


class ListedModel(NamedTuple):
    """A model with its instances, the one with the longest context first."""

    item: InstalledModel
    instances: tuple[Instance, ...] = ()


def parse_v1(answer: Mapping[str, Any]) -> list[ListedModel]:
    """The models of `/api/v1/models`. Raises TypeError if there is no list."""
    return [_parse_model(entry) for entry in _entries(answer, "models", "key")]


def parse_v0(answer: Mapping[str, Any]) -> list[ListedModel]:
    """The models of `/api/v0/models`, which names no instances. Raises TypeError if there is no
    list."""
    items = [parse_entry(entry) for entry in _entries(answer, "data", "id")]
    return [
        ListedModel(item, (Instance(item.name, item.resident_ctx),) if item.resident else ())
        for item in items
    ]


def _entries(answer: Mapping[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    if not isinstance(answer.get(key), list):
        raise TypeError(f"no list of {key}")
    return [entry for entry in model_entries(answer[key], name) if entry.get(name)]


def _parse_model(entry: Mapping[str, Any]) -> ListedModel:
    loaded = entry.get("loaded_instances")
    instances = parse_instances(loaded)
    size_bytes = whole(entry.get("size_bytes"), MOST_BYTES) or 0
    abilities = parse_abilities(entry)
    parameters_b, active_b = billions(entry.get("params_string"))
    window = whole(entry.get("max_context_length"), MOST_TOKENS)
    foreign = is_all_foreign(entry["key"], instances)
    if foreign and instances[0].context:  # it can't be loaded with another
        window = instances[0].context
    item = InstalledModel(
        name=entry["key"],
        size_bytes=size_bytes,
        family=metadata_word(entry.get("architecture")),
        quantization=_quantization(entry.get("quantization")),
        resident=bool(instances) if isinstance(loaded, list) else None,
        resident_ctx=instances[0].context if instances else None,
        # it does not tell the memory; unloading frees the weights at least
        resident_bytes=size_bytes if instances else 0,
        capabilities=abilities.capabilities,
        untold=abilities.untold,
        context_window=window,
        parameters_b=parameters_b,
        active_b=active_b,
        slots=instances[0].slots if instances else None,
        status="" if not isinstance(loaded, list) else "loaded" if instances else "unloaded",
        foreign=foreign,
    )
    return ListedModel(item, instances)


def parse_instances(value: Any) -> tuple[Instance, ...]:
    """The instances of `loaded_instances`; empty for a value of another type."""
    entries = value[:MOST_INSTANCES] if isinstance(value, list) else []
    parsed = [
        _parse_instance(entry)
        for entry in entries
        if isinstance(entry, dict) and is_valid_name(entry.get("id"))
    ]
    return tuple(sorted(parsed, key=lambda each: -(each.context or 0)))


def _parse_instance(entry: Mapping[str, Any]) -> Instance:
    config = entry.get("config")
    settings: Mapping[str, Any] = config if isinstance(config, dict) else {}
    return Instance(
        entry["id"],
        whole(settings.get("context_length"), MOST_TOKENS),
        whole(settings.get("parallel"), MOST_SLOTS),
    )


def is_all_foreign(model: str, instances: Sequence[Instance]) -> bool:
    """Whether a model is loaded, and only by other programs under names of their own."""
    return bool(instances) and all(each.is_foreign(model) for each in instances)


def _quantization(value: Any) -> str:
    return metadata_word(value.get("name")) if isinstance(value, dict) else ""


def instance_for(name: str, instances: Sequence[Instance], num_ctx: int | None) -> Instance | None:
    """The instance that takes a request with that context: the one of the model's own name, else
    the longest; None if none is long enough. An unknown context counts as long enough."""
    able = [
        each
        for each in instances
        if num_ctx is None or each.context is None or each.context >= num_ctx
    ]
    return next((each for each in able if each.id == name), able[0] if able else None)
