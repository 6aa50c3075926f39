"""Finds a model by the name that a person gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orch.config.spec import ModelSpec
from orch.errors import ModelNotFoundError, OrchError, UsageError
from orch.providers.kinds import is_server
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.text.model_names import comparison_key, full_name
from orch.text.requested_model import AUTO_NAMES

MOST_SUGGESTED = 5
"""Models that an ambiguous name may mean which its error lists."""


def find_model(name: str, states: Iterable[ModelState]) -> ModelState | None:
    """A model by id, by alias, by PROVIDER/ID or by display name, in that order: as it is spelled,
    else as Ollama compares names.

    Of several models with the same name of one kind, the first that is available, else the first;
    none if one provider has several other spellings of the name.
    """
    named = models_named(name, states)
    return next((state for state in named if not state.unavailable), named[0]) if named else None


def models_named(name: str, states: Iterable[ModelState]) -> list[ModelState]:
    """The models of which `find_model` returns one, in the given order."""
    states = tuple(states)
    for spelling in (full_name, comparison_key):
        wanted = spelling(name)
        for kind in range(_KINDS_OF_NAMES):
            named = [s for s in states if wanted in map(spelling, _names(s.spec)[kind])]
            if named and (spelling is full_name or _is_unambiguous(named)):
                return named
    return []


def _is_unambiguous(states: Sequence[ModelState]) -> bool:
    providers = [state.spec.provider for state in states]
    return len(set(providers)) == len(providers)


_KINDS_OF_NAMES = 4


def _names(spec: ModelSpec) -> tuple[tuple[str, ...], ...]:
    return (spec.id,), spec.aliases, (f"{spec.provider}/{spec.id}",), (spec.name,)


def resolve_model(inventory: Inventory, name: str) -> ModelState:
    """The model that `find_model` finds, also by an alias of models.yaml. Raises OrchError with
    what was probably meant, UsageError for a name that lets orch choose."""
    model = inventory.names.parse(name).model
    if model is None:
        raise UsageError(f"{name!r} lets orch choose a model", "name one; orch models lists them")
    state = find_model(model, inventory.states)
    if state is None:
        raise unknown_model_error(inventory, model)
    return state


# ---------------------------------------------------------------- an unknown name


def unknown_model_error(inventory: Inventory, name: str) -> OrchError:
    """The error for a name that no model has: `no_provider` if an unreachable provider may have
    it."""
    near = " or ".join(_spelled_alike(inventory, name)) or _nearest_name(inventory, name)
    suggestion = f"did you mean {near}?" if near else ""
    down = {
        provider: why
        for provider, why in inventory.unreachable.items()
        if _may_have(inventory, provider, name)
    }
    if not down:
        hint = f"orch models lists what is there; {_pull_command(inventory, name)} fetches it"
        return ModelNotFoundError(name, f"no model is called {name!r}", suggestion or hint)
    why = " and ".join(
        f"provider {provider}, which may have it, is down: {reason}"
        for provider, reason in down.items()
    )
    hints = [inventory.hints[each] for each in down if inventory.hints.get(each)]
    hint = hints[0] if hints else "orch health shows what is reachable"
    hint = f"{suggestion} Or {hint}" if suggestion else hint
    return OrchError(f"{name!r} is not in models.yaml, and {why}", hint, code="no_provider")


def _spelled_alike(inventory: Inventory, name: str) -> list[str]:
    """The ids of several models that a name may mean, which is spelled as none of them."""
    wanted = comparison_key(name)
    for kind in range(_KINDS_OF_NAMES):
        specs = [state.spec for state in inventory.states]
        ids = {each.id for each in specs if wanted in map(comparison_key, _names(each)[kind])}
        if len(ids) > 1:
            return sorted(ids)[:MOST_SUGGESTED]
    return []


def _nearest_name(inventory: Inventory, name: str) -> str:
    """The model, alias or name of `auto` that was probably meant; empty if none is near."""
    import difflib  # only for people who mistype

    ids = [state.spec.id for state in inventory.states]
    known = {each.lower(): each for each in (*AUTO_NAMES, *inventory.names.aliases, *ids)}
    for written in (name.lower(), name.lower().rpartition("/")[2]):
        if near := difflib.get_close_matches(written, known, n=1, cutoff=0.5):
            return known[near[0]]
    return ""


def _may_have(inventory: Inventory, provider: str, name: str) -> bool:
    """Whether a provider may have a model that models.yaml does not list; the models inside orch
    are all listed. `PROVIDER/ID` names one provider."""
    named = _provider_prefix(inventory, name)
    return is_server(inventory.provider_kinds.get(provider)) and named in ("", provider)


def _provider_prefix(inventory: Inventory, name: str) -> str:
    """The provider that a name begins with, if it does."""
    first, slash, _ = name.partition("/")
    return first if slash and first in inventory.provider_kinds else ""


def _pull_command(inventory: Inventory, name: str) -> str:
    provider = _provider_prefix(inventory, name)
    if not provider:
        return f"orch models pull {name}"
    return f"orch models pull {name.removeprefix(f'{provider}/')} --provider {provider}"
