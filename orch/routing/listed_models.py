"""Pairs the models that models.yaml lists with those that the providers have, whatever spelling of
a name each uses (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from orch.config.spec import ModelSpec
from orch.providers.installed_models import InstalledModel
from orch.text.model_names import InstalledNames, full_name
from orch.types import ModelKey

Reports = Mapping[str, Mapping[str, InstalledModel]]
"""What each provider that answered has, by the name that it uses."""


class PairedModel(NamedTuple):
    """A model of models.yaml, or an unlisted one, and what its provider has of it.

    The id of an installed model is the provider's spelling (up to `:latest`), so that requests,
    measurements and feedback have one name, however models.yaml writes it.
    """

    spec: ModelSpec
    installed: InstalledModel | None
    is_listed: bool = True


def pair_models(
    specs: Sequence[ModelSpec], reports: Reports, kinds: Mapping[str, str]
) -> list[PairedModel]:
    """The listed models in their order, then the unlisted ones by provider and name."""
    names = {
        provider: InstalledNames(items, ignores_case=kinds.get(provider) == "ollama")
        for provider, items in reports.items()
    }
    found = _found_names(specs, names)
    pairs = [_pair(spec, name, reports) for spec, name in zip(specs, found, strict=True)]
    taken = {ModelKey(s.provider, n) for s, n in zip(specs, found, strict=True) if n is not None}
    return [*pairs, *_unlisted(reports, taken)]


def _found_names(
    specs: Sequence[ModelSpec], names: Mapping[str, InstalledNames]
) -> list[str | None]:
    """The installed name of each listed model. A name counts for one model: first for the one that
    spells it as the provider does."""
    found = [
        names[spec.provider].find(spec.id) if spec.provider in names else None for spec in specs
    ]
    exact = {
        ModelKey(spec.provider, name)
        for spec, name in zip(specs, found, strict=True)
        if name is not None and full_name(name) == full_name(spec.id)
    }
    taken = set[ModelKey]()
    for at, (spec, name) in enumerate(zip(specs, found, strict=True)):
        if name is None or full_name(name) == full_name(spec.id):
            continue
        key = ModelKey(spec.provider, name)
        if key in exact or key in taken:
            found[at] = None
        taken.add(key)
    return found


def _pair(spec: ModelSpec, name: str | None, reports: Reports) -> PairedModel:
    if name is None:
        return PairedModel(spec, None)
    if full_name(name) != full_name(spec.id):
        spec = replace(spec, id=name)
    return PairedModel(spec, reports[spec.provider][name])


def _unlisted(reports: Reports, taken: set[ModelKey]) -> Iterator[PairedModel]:
    for provider, items in sorted(reports.items()):
        for name, item in sorted(items.items()):
            if ModelKey(provider, name) not in taken:
                yield PairedModel(ModelSpec(id=name, provider=provider), item, is_listed=False)
