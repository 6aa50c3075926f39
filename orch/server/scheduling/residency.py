"""Tracks which models are in memory, whether another fits and which have to go for it: from
inventories, and from admissions between two of them; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orch.routing.machine.admission import Evictions, SlotRequest
from orch.routing.machine.placement import (
    MachineMemory,
    ResidentModel,
    choose_evictions,
    has_room,
)
from orch.routing.model_state import ModelState, required_memory
from orch.routing.registry import Inventory
from orch.text.model_names import full_name
from orch.types import ModelKey, Reason


class Residency:
    """Counts local models only. A model in use is never evicted, and embedding and chat models
    never evict each other."""

    def __init__(self) -> None:
        self._memory: MachineMemory | None = None
        self._inventory: Inventory | None = None
        self._local: frozenset[str] = frozenset()
        # to the number of requests that use it; idle ones are in order, the longest idle first
        self._loaded: dict[ModelKey, int] = {}
        # for models with several names, to the one that they are counted under
        self._names: dict[ModelKey, ModelKey] = {}
        # back from that one to the names that the providers use
        self._keys: dict[ModelKey, set[ModelKey]] = {}
        self._embeds: dict[ModelKey, bool] = {}
        self._measured: dict[ModelKey, int] = {}
        self._estimated: dict[ModelKey, int] = {}
        # as the last inventory found it, under the name that its provider uses
        self._held: dict[ModelKey, ResidentModel] = {}
        # that orch unloads for a request which goes on
        self._leaving: set[ModelKey] = set()
        self.in_turn: frozenset[ModelKey] = frozenset()
        """Models that hold the prompt of a turn in progress: a chore does not unload them."""

    @property
    def budget_bytes(self) -> int | None:
        """What models can have if none is loaded; None if unknown."""
        return None if self._memory is None else self._memory.capacity_bytes

    # ---------------------------------------------------------------- updates

    def observe(self, inventory: Inventory) -> bool:
        """Updates the loaded models from an inventory; models in use stay loaded. Returns False if
        the inventory is the last one again."""
        if inventory is self._inventory:
            return False
        self._inventory, self._memory = inventory, inventory.room
        local = [state for state in inventory.states if state.local]
        # the inventory may lack the models of a provider that is unreachable now
        self._local = frozenset(state.spec.provider for state in local) | (
            self._local & frozenset(inventory.unreachable)
        )
        self._names = self._canonical_names(local)
        for state in inventory.states:
            self._keys.setdefault(self.canonical_key(state.key), set()).add(state.key)
        self._embeds |= {
            self.canonical_key(state.key): "completion" not in state.capabilities
            for state in local
            if state.capabilities is not None
        }
        resident = inventory.memory.resident if inventory.memory else ()
        self._held |= {self.canonical_key(each.key): each for each in resident}
        there = {
            key: state
            for state in local
            if state.resident and (key := self.canonical_key(state.key)) not in self._leaving
        }
        for model, state in there.items():
            self._record_size(model, state)
        known = {model: users for model, users in self._loaded.items() if users or model in there}
        self._loaded = known | {model: 0 for model in there if model not in known}
        for model in known:
            if model not in there:  # being loaded: what it evicts may still be listed
                self._remove_self_evicted(model)
        return True

    def _canonical_names(self, states: Iterable[ModelState]) -> dict[ModelKey, ModelKey]:
        """For each name of a model with several names, the one that it is counted under: one that
        counts as loaded already, if any does."""
        groups: dict[tuple[str, str], list[ModelKey]] = {}
        for state in states:
            groups.setdefault(state.identity, []).append(_full(state.key))
        shared = [names for names in groups.values() if len(names) > 1]
        return {
            name: next((each for each in names if each in self._loaded), min(names))
            for names in shared
            for name in names
        }

    def canonical_key(self, model: ModelKey) -> ModelKey:
        """The key that a model is counted under: one for all names that share a digest or differ by
        `:latest` only."""
        return self._names.get(_full(model), _full(model))

    def _record_size(self, model: ModelKey, state: ModelState) -> None:
        if state.resident_bytes:
            self._measured[model] = max(self._measured.get(model, 0), state.resident_bytes)
        else:
            self._estimated[model] = required_memory(state, state.resident_ctx or state.num_ctx)

    def acquire(self, model: ModelKey, request: SlotRequest) -> Evictions:
        """A request starts to use its model, which is loaded if it was not. Returns the models
        that have to be unloaded for it before."""
        users = self._loaded.get(model)
        self._loaded[model] = (users or 0) + 1
        held = self._held.get(model)
        if held is None or not held.ours:
            self._held[model] = (held or ResidentModel(request.model, 0))._replace(ours=True)
        if users is not None:
            return ()
        self._embeds.setdefault(model, request.embeds)
        self._estimated[model] = request.footprint_bytes
        evicted = self._evicted(model, request)
        self._leaving |= evicted.keys()
        for other in evicted:
            del self._loaded[other]
        self._remove_self_evicted(model)
        return list(evicted.values())

    def _evicted(self, model: ModelKey, request: SlotRequest) -> dict[ModelKey, ModelKey]:
        """The idle models that orch has to unload for this one, with the names that their
        providers use."""
        memory, need = self._memory, self.footprint(model)
        if memory is None or not self.is_local(model[0]) or request.room is None:
            return {}
        idle = [each for each in self._idle(model) if not self._is_kept(each, request)]
        own = {key for key in idle if memory.evicts_itself(self._as_resident(key), model[0])}
        beside = self._residents(key for key in self._loaded if key not in own and key != model)
        leaving = self._residents(key for key in idle if key not in own)
        chosen = choose_evictions(need, memory, beside, leaving, request.room.costs())
        return {self.canonical_key(each.key): each.key for each in chosen}

    def _remove_self_evicted(self, model: ModelKey) -> None:
        """Removes the idle models that the provider evicts to load this one: presumably the longest
        idle first."""
        if self._memory is None or not self.is_local(model[0]):
            return
        for other in self._idle(model):
            beside = self._residents(key for key in self._loaded if key != model)
            if has_room(self.footprint(model), self._memory, beside, ()):
                return
            if other[0] == model[0]:
                del self._loaded[other]

    def release(self, model: ModelKey, evicted: Evictions = ()) -> None:
        """A request is done with its model, which stays loaded until the memory is needed."""
        self._leaving.difference_update(map(self.canonical_key, evicted))
        users = self._loaded.pop(model) - 1
        if users or self.is_local(model[0]):
            self._loaded[model] = users

    # ---------------------------------------------------------------- queries

    def is_local(self, provider: str) -> bool:
        """Whether the provider's models use this machine's memory; False before the first
        inventory."""
        return provider in self._local

    def _is_embedder(self, model: ModelKey) -> bool:
        return self._embeds.get(model, False)

    def footprint(self, model: ModelKey) -> int:
        """Bytes: the maximum measured, else the last request's estimate."""
        return self._measured.get(model) or self._estimated.get(model, 0)

    def in_use(self) -> frozenset[ModelKey]:
        """The models that requests use, by every name that their providers use."""
        return self.keys_of(model for model, users in self._loaded.items() if users)

    def keys_of(self, models: Iterable[ModelKey]) -> frozenset[ModelKey]:
        """The models by every name that their providers use."""
        return frozenset(key for model in models for key in self._keys.get(model, (model,)))

    def loaded(self) -> Iterator[ModelKey]:
        """The models that are in memory or being loaded."""
        return iter(self._loaded)

    def fits(self, model: ModelKey, request: SlotRequest) -> bool:
        """Whether the model can be used without evicting what must stay."""
        if self._memory is None or model in self._loaded or model[0] not in self._local:
            return True
        return self._has_room(model, request, self._staying(model, request))

    def is_blocked(self, model: ModelKey, request: SlotRequest) -> bool:
        """Whether it does not fit now but will once the models in use are released."""
        return not self.fits(model, request) and self._has_room(
            model, request, self._always_staying(model, request)
        )

    def shortage(self, model: ModelKey, request: SlotRequest) -> Reason | None:
        """Why it does not fit, if it does not."""
        if self.fits(model, request):
            return None
        embeds = self._embeds.get(model, request.embeds)
        staying = [
            {
                "model": _name(other),
                "gb": self.footprint(other) / 1e9,
                "state": self._use(other, embeds),
            }
            for other in self._staying(model, request)
        ]
        needed, budget = self._need(model, request), self.budget_bytes or 0
        return Reason(
            "cannot_load",
            {"needed_gb": needed / 1e9, "models": staying, "available_gb": budget / 1e9},
        )

    def _use(self, model: ModelKey, embeds: bool) -> str:
        """Why a loaded model stays, by its word in `routing.wording.LOAD_STATES`."""
        if self._loaded[model]:
            return "in_use"
        if self._is_embedder(model) != embeds:
            return "chat" if embeds else "embedding"
        return "not_ours"

    def _need(self, model: ModelKey, request: SlotRequest) -> int:
        return self._measured.get(model) or request.footprint_bytes

    def _has_room(self, model: ModelKey, request: SlotRequest, stay: list[ModelKey]) -> bool:
        """Whether there is room beside the models that must stay. If none must, the provider makes
        room: a model larger than all memory was eliminated before."""
        if not stay or self._memory is None:
            return True
        always = self._residents(self._always_staying(model, request))
        need = self._need(model, request)
        return has_room(need, self._memory, self._residents(stay), always)

    def _staying(self, model: ModelKey, request: SlotRequest) -> list[ModelKey]:
        """The other models that must stay: those in use, those of the other sort (chat or
        embedding), and those that another program loaded."""
        always = self._always_staying(model, request)
        return [
            other
            for other, users in self._loaded.items()
            if other in always
            or (
                (users or self._is_kept(other, request))
                and other != model
                and self.is_local(other[0])
            )
        ]

    def _is_kept(self, other: ModelKey, request: SlotRequest) -> bool:
        """Whether a chore leaves an idle model alone."""
        return request.chore and other in self.in_turn

    def _always_staying(self, model: ModelKey, request: SlotRequest) -> list[ModelKey]:
        """Those that stay although nobody uses them."""
        embeds = self._embeds.get(model, request.embeds)
        return [
            other
            for other in self._loaded
            if self.is_local(other[0])
            and (self._is_embedder(other) != embeds or not self._may_leave(other, model))
        ]

    def _may_leave(self, other: ModelKey, model: ModelKey) -> bool:
        memory = self._memory
        # of a machine of which only a sum is known, each server sees to its own
        if memory is None or memory.main is None or other == model:
            return True
        return memory.may_leave(self._as_resident(other), model[0])

    def _idle(self, model: ModelKey) -> list[ModelKey]:
        """The models of this machine that may go for this one, the longest idle first."""
        embeds = self._is_embedder(model)
        return [
            other
            for other, users in self._loaded.items()
            if not users
            and other != model
            and self.is_local(other[0])
            and self._is_embedder(other) == embeds
            and self._may_leave(other, model)
        ]

    def _residents(self, models: Iterable[ModelKey]) -> list[ResidentModel]:
        return [self._as_resident(each) for each in models if self.is_local(each[0])]

    def _as_resident(self, model: ModelKey) -> ResidentModel:
        """What is known of a model that is in memory or being loaded."""
        held = self._held.get(model) or ResidentModel(model, 0)
        return held._replace(size_bytes=self.footprint(model))

    def status(self) -> dict[str, Any]:
        """JSON-able: the budget, the memory in use, and every local model in memory."""
        local = {model: users for model, users in self._loaded.items() if self.is_local(model[0])}
        resident = [
            {
                "provider": model[0],
                "model": _name(model),
                "gb": _rounded(self.footprint(model)),
                "in_use": bool(users),
                "embeds": self._is_embedder(model),
            }
            for model, users in sorted(local.items())
        ]
        in_use = sum(self.footprint(model) for model, users in local.items() if users)
        budget = None if self.budget_bytes is None else _rounded(self.budget_bytes)
        return {"budget_gb": budget, "in_use_gb": _rounded(in_use), "resident": resident}


def _full(model: ModelKey) -> ModelKey:
    return ModelKey(model.provider, full_name(model.model))


def _name(model: ModelKey) -> str:
    return model[1].removesuffix(":latest")


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _rounded(size: int) -> float:
    return round(size / 1e9, 2)
