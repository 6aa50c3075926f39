"""Orders the ranked models: last resorts last, a named model first, then the session's model or a
loaded one where another is not better by a margin (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orch.config.spec import Routing
from orch.routing.lookup import find_model, unknown_model_error
from orch.routing.model_state import ModelState
from orch.routing.no_candidate import pinned_model_error
from orch.routing.registry import Inventory
from orch.routing.scoring.ranking import remote_reasons
from orch.routing.session_model import Order, move_to_front, prefer_session_model
from orch.routing.wording import add_reasons, reason_text, with_elimination, with_reasons
from orch.types import Candidate, Elimination, ModelKey, Reason

_OVERRIDABLE = ("memory", "quality_floor", "last_resort")
"""Codes of eliminations that do not count for a model that the user named."""

States = Mapping[ModelKey, ModelState]


# ---------------------------------------------------------------- last resorts


def last_resort_keys(states: States) -> frozenset[ModelKey]:
    """The models marked `last_resort` in models.yaml."""
    return frozenset(key for key, state in states.items() if state.spec.last_resort)


def place_last_resorts(
    candidates: Sequence[Candidate], resorts: frozenset[ModelKey], allowed: bool
) -> Order:
    """Puts last resorts behind all other models where they are allowed, else eliminates them. A
    quality floor does not eliminate them."""
    real = [c for c in candidates if c.key not in resorts]
    last = [_as_last_resort(c, allowed) for c in candidates if c.key in resorts]
    able = [c for c in (*real, *last) if not c.eliminated]
    return (*able, *(c for c in (*real, *last) if c.eliminated))


def _as_last_resort(candidate: Candidate, allowed: bool) -> Candidate:
    if candidate.eliminated_code not in ("", "quality_floor"):
        return candidate
    return with_elimination(candidate, None if allowed else Elimination("last_resort"))


# ---------------------------------------------------------------- a named model


def pin_model(
    name: str, candidates: Sequence[Candidate], states: States, inventory: Inventory
) -> tuple[Order, tuple[str, ...]]:
    """The model of that name first, then the models that may answer if it fails; and warnings.
    Raises OrchError for an unknown name and for a model that can't take the task."""
    by_key = {candidate.key: candidate for candidate in candidates}
    state = find_model(name, [states[key] for key in by_key])
    if state is None:
        raise unknown_model_error(inventory, name) from inventory.loading
    pinned, warnings = _pinned(by_key.pop(state.key), states, inventory)
    pinned = with_reasons(pinned, Reason("named"), *remote_reasons(pinned.remote_host))
    others = [candidate for candidate in by_key.values() if not candidate.eliminated]
    return (pinned, *(c for c in others if inventory.use_unlisted or not c.unlisted)), warnings


def pin_candidate(
    name: str, candidates: Sequence[Candidate], states: States, inventory: Inventory
) -> tuple[Order, tuple[str, ...]]:
    """The same where the only candidate is the one of that name, and tells that it was named."""
    pinned, warnings = _pinned(candidates[0], states, inventory)
    return (pinned,), warnings


def _pinned(
    candidate: Candidate, states: States, inventory: Inventory
) -> tuple[Candidate, tuple[str, ...]]:
    """The candidate that was named, without what does not count for it; and warnings. Raises
    OrchError if it can't take the task."""
    if not candidate.eliminated:
        return candidate, ()
    if candidate.eliminated_code not in _OVERRIDABLE:
        raise pinned_model_error(candidate, states, inventory)
    pinned = with_elimination(candidate, None)
    if candidate.eliminated_code != "memory":
        return pinned, ()
    why = f"{candidate.model_id}: {candidate.eliminated}"
    return pinned, (f"{why}; it is asked all the same, since it was named",)


# ---------------------------------------------------------------- the session, what is loaded


def apply_preferences(
    order: Order,
    resorts: frozenset[ModelKey],
    session_model: ModelKey | None,
    routing: Routing,
) -> Order:
    """The session's model first, then a loaded one, each unless another is better by its margin.
    A last resort never moves to the front for being loaded."""
    order = prefer_session_model(order, session_model, routing.session_margin)
    return prefer_loaded(order, routing.swap_margin, resorts)


def prefer_loaded(
    order: Order, margin: float, excluded: frozenset[ModelKey] = frozenset()
) -> Order:
    """A loaded model first, if the first one is slower and of no better quality, or if it evicts
    another model without a score that is better by the margin.

    Quality alone counts in the first case: a strength, or a place in `prefer`, does not excuse a
    slower model that is not better. `excluded` models never move to the front.
    """
    loaded = [c for c in order if c.resident and not c.eliminated and c.key not in excluded]
    first = order[0]
    while (better := _loaded_instead(first, loaded, margin)) is not None:
        first = better
    return order if first is order[0] else move_to_front(order, first)


def _loaded_instead(
    first: Candidate, loaded: Sequence[Candidate], margin: float
) -> Candidate | None:
    """The loaded model that should go before this one. Terminates: each step leads to a faster
    model that is not worse, or from an unloaded model to a loaded one."""
    for each in loaded:
        faster = each.expected_s < first.expected_s
        if each.key != first.key and faster and each.quality >= first.quality:
            return add_reasons(each, Reason("slower", {"model": first.model_name}))
    kept = next(iter(loaded), None)
    if kept is None or first.resident or not first.evicts or first.score >= kept.score + margin:
        return None
    return add_reasons(kept, Reason("swap", {"model": first.model_name, "margin": margin}))


def only_loaded(order: Order, states: States, *, required: bool) -> tuple[Order, tuple[str, ...]]:
    """The loaded models, last resorts apart; all models, with a warning, if none of the loaded
    ones can take the task. Unless it is `required`, the first load of all gives no warning."""
    resorts = last_resort_keys(states)
    loaded = tuple(c for c in order if c.resident and c.key not in resorts)
    if loaded:
        return loaded, ()
    if not required and not any(state.resident for state in states.values()):
        return order, ()
    first, none_loaded = order[0], Reason("none_loaded")
    warning = f"{reason_text([none_loaded])}; {first.model_name} is loaded for it"
    return (add_reasons(first, none_loaded), *order[1:]), (warning,)


def prefer_ready(order: Order, resorts: frozenset[ModelKey], wait_reason: Reason | None) -> Order:
    """A loaded model first, if the first one would have to wait for memory, which `wait_reason`
    then says."""
    ready = next((c for c in order[1:] if c.resident and c.key not in resorts), None)
    if wait_reason is None or ready is None:
        return order
    waits = Reason("waits", {"model": order[0].model_name})
    return move_to_front(order, add_reasons(ready, waits, wait_reason))


def find_swap(order: Sequence[Candidate]) -> tuple[Candidate, Candidate] | None:
    """The best loaded model and the chosen one, if choosing it evicts a loaded model."""
    chosen = order[0]
    loaded = next((c for c in order if c.resident and not c.eliminated), None)
    return (loaded, chosen) if loaded and chosen.evicts and not chosen.resident else None
