"""Which Ollama a request about its models is for: the one that has the model, or the only one.
Where several could be meant, none is asked (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from orch.errors import ModelNotFoundError, OrchError
from orch.text.model_names import comparison_key

NO_OLLAMA = "models.yaml has no Ollama, and orch manages the models of no other kind of server"
PROVIDER_HEADER = "x-orch-provider"
"""Names the Ollama that is meant, in place of `PROVIDER/MODEL`."""


class Target(NamedTuple):
    """An Ollama, and the name of the model there."""

    provider: str
    model: str


class OllamaStores(NamedTuple):
    """The names of the models of each Ollama, in the order of models.yaml; why the others can't be
    asked; and the provider that the request names in a header, else nothing."""

    names: Mapping[str, Sequence[str]]
    unreachable: Mapping[str, str]
    named: str = ""

    def existing(self, name: str) -> Target:
        """Where an installed model is. Raises OrchError if it is nowhere, or at several."""
        _refuse_auto(name)
        holders, (provider, model) = self._holders(name), self._split(name)
        if provider and all(each.provider != provider for each in holders):
            holders += [each for each in self._holders(model) if each.provider == provider]
        if not holders:
            raise self._missing(name)
        return _only(holders, name)

    def new(self, name: str, *, source: str = "") -> Target:
        """Where a model is to be made: at the provider that its name begins with, else where it or
        its source is, else at the only Ollama. Raises OrchError if that can't be told."""
        provider, model = self._split(name)
        _refuse_auto(model)
        if provider and not self._holders(name):
            if self.named not in ("", provider):
                raise OrchError(
                    f"{name} is for {provider}, and {PROVIDER_HEADER} names {self.named}",
                    "name one of them",
                    code="bad_input",
                )
            return Target(provider, model)
        holders = self._holders(name) or (self._holders(source) if source else [])
        providers = [each.provider for each in holders] or self._candidates()
        return _only([Target(each, name) for each in dict.fromkeys(providers)], name)

    def only(self) -> str:
        """The only Ollama, or the one that the header names. Raises OrchError."""
        return _only([Target(each, "") for each in self._candidates()], "").provider

    def beside(self, name: str, provider: str) -> str:
        """A name in a request to that provider, without the provider before it. Raises OrchError if
        it begins with another one, since no Ollama reads the models of another."""
        if name in self.names.get(provider, ()):
            return name
        other, model = self._split(name)
        if other and other != provider:
            raise OrchError(
                f"{name} is of {other}, and the request is for {provider}: models are copied and"
                " made within one Ollama",
                f"orch models pull {model} --provider {provider} fetches it there",
                code="bad_input",
            )
        return model

    def _candidates(self) -> list[str]:
        providers = [*self.names, *self.unreachable]
        if self.named:
            return [self._known(self.named)]
        if not providers:
            raise OrchError(NO_OLLAMA, "orch setup says how to start one", code="unable")
        return providers

    def _known(self, provider: str) -> str:
        known = (*self.names, *self.unreachable)
        if provider not in known:
            raise OrchError(
                f"{PROVIDER_HEADER}: models.yaml has no Ollama {provider!r}",
                f"one of: {', '.join(known) or 'none'}",
                code="bad_input",
            )
        return provider

    def _holders(self, name: str) -> list[Target]:
        """Where a model of that name is installed, as it is spelled there."""
        asked = [self._known(self.named)] if self.named else [*self.names]
        spelled = ((each, self._spelling(each, name)) for each in asked)
        return [Target(provider, spelling) for provider, spelling in spelled if spelling]

    def _spelling(self, provider: str, name: str) -> str:
        """The name that a provider has for a model; empty if it has none."""
        key, names = comparison_key(name), self.names.get(provider, ())
        if name in names:
            return name
        return next((each for each in names if comparison_key(each) == key), "")

    def _split(self, name: str) -> Target:
        """The provider that a name begins with, if it does, and the rest."""
        first, slash, rest = name.partition("/")
        is_provider = slash and rest and first in (*self.names, *self.unreachable)
        return Target(first, rest) if is_provider else Target("", name)

    def _missing(self, name: str) -> OrchError:
        if not self.names and not self.unreachable:
            return OrchError(NO_OLLAMA, "orch setup says how to start one", code="unable")
        if self.unreachable:
            why = "; ".join(f"{each}: {reason}" for each, reason in self.unreachable.items())
            return OrchError(
                f"no Ollama that can be reached has {name!r} ({why})",
                "orch health shows what is reachable",
                code="no_provider",
            )
        return ModelNotFoundError(name, f"no Ollama has {name!r}")


def _only(targets: Iterable[Target], name: str) -> Target:
    found = list(targets)
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{each.provider}/{each.model}" if name else each.provider for each in found)
    how = f"name one of: {names}" if name else f"name one of {names} in the header"
    header = f"{PROVIDER_HEADER}: {found[0].provider}"
    raise OrchError(
        f"several Ollamas could be meant, and none was asked: {names}",
        f"{how} ({header})" if not name else f"{how}; or send the header {header}",
        code="bad_input",
    )


def _refuse_auto(name: str) -> None:
    if not name.strip():
        raise OrchError("model is required", code="bad_input")
    if comparison_key(name).startswith("auto:"):
        raise OrchError(
            f"{name} is not a model of an Ollama: it lets orch choose one",
            "name a model that orch models lists",
            code="bad_input",
        )
