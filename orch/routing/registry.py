"""The inventory of models: what models.yaml lists and what the providers have, with what is loaded
and what was measured."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from orch.config.spec import Models, ModelSpec
from orch.errors import ProviderError
from orch.providers import ProviderClient
from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.providers.loaded_limits import most_loaded
from orch.providers.remote_models import best_known_host, display_host, is_allowed
from orch.routing.known_models.identity import Identity
from orch.routing.known_models.provider_facts import capabilities_of, identity_of, window_of
from orch.routing.listed_models import PairedModel, pair_models
from orch.routing.machine.placement import MachineMemory, budget_memory
from orch.routing.machine.reading import Machine, with_room
from orch.routing.model_state import DEFAULT_NUM_CTX, ModelState
from orch.routing.priors import QualityPriors
from orch.storage.journal import Journal
from orch.storage.offload import Offload, run_inline
from orch.text.requested_model import ModelNames
from orch.types import Elimination, ModelKey, SpeedStats

_SHOWS_AT_ONCE = 8
UNKNOWN_SPEED = 6.0


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every model, the unreachable providers (name to reason), and the memory for models in
    bytes."""

    states: tuple[ModelState, ...]
    unreachable: Mapping[str, str]
    memory_bytes: int | None
    use_unlisted: bool = True
    """Whether an unlisted model may be chosen; a named one always may."""
    provider_kinds: Mapping[str, str] = field(default_factory=dict)
    """The kind of every provider, also of those without models."""
    max_loaded: Mapping[str, int] = field(default_factory=dict)
    """How many models a provider keeps loaded at once, if that is known."""
    only_shipped: bool = False
    """Whether every available model is on the shipped list with the shipped values."""
    failures: Mapping[str, ProviderError] = field(default_factory=dict)
    """The error of each unreachable provider."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to do about each unreachable server."""
    names: ModelNames = field(default_factory=ModelNames)
    """Reads names by the aliases of models.yaml."""
    memory: MachineMemory | None = None
    """The memory for models by device; None if only the sum is known."""

    @property
    def room(self) -> MachineMemory | None:
        """The memory for models; None if it is unknown."""
        return self.memory or budget_memory(self.memory_bytes)

    @property
    def loading(self) -> ProviderError | None:
        """The error of a server that can't list its models because it still loads them."""
        errors = self.failures.values()
        return next((each for each in errors if each.code in ("loading", "busy")), None)

    @property
    def start_hint(self) -> str:
        """What to do so that the unreachable servers answer; empty if there are none."""
        return "\nor ".join(dict.fromkeys(filter(None, self.hints.values())))


class Registry:
    """Asks the providers and the journal; caches nothing itself."""

    def __init__(
        self,
        models: Models,
        backends: Mapping[str, ProviderClient],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
        aside: Offload = run_inline,
    ) -> None:
        self._models, self._backends, self._journal = models, backends, journal
        self.priors, self._aside = priors, aside
        self._kinds = {name: provider.kind for name, provider in models.providers.items()}
        self._machine = Machine(backends, self._kinds, budget_gb, aside)
        self.names = ModelNames(models.aliases, models.providers)

    async def snapshot(self, *, with_unlisted: bool | None = None) -> Inventory:
        """Every listed model with its state, and the installed unlisted ones (as models.yaml says,
        unless `with_unlisted` is given)."""
        use_unlisted = self._models.unlisted == "use" if with_unlisted is None else with_unlisted
        names, used = list(self._backends), self.in_use()
        asked = await asyncio.gather(*(self._ask(name) for name in names))
        answers = dict(zip(names, asked, strict=True))
        had = {name: answer for name, answer in answers.items() if isinstance(answer, dict)}
        failures = {
            name: answer for name, answer in answers.items() if isinstance(answer, ProviderError)
        }
        down = {name: failure.message for name, failure in failures.items()}
        every = pair_models(self._models.models, had, self._kinds)
        pairs = [pair for pair in every if use_unlisted or pair.is_listed]
        infos = await self._infos(
            [
                (spec.provider, item)
                for spec, item, _ in pairs
                if item and not self._is_out(spec, item.remote_host)
            ]
        )
        measured = await self._aside(
            self._journal.timings.speed_stats,
            [ModelKey(spec.provider, spec.id) for spec, item, _ in pairs if item],
        )
        take_part = self._models.unlisted == "use"
        identities = {
            at: identity_of(item, infos.get(item.digest, ModelInfo()))
            for at, (spec, item, _) in enumerate(pairs)
            if item
        }
        states = [self._state(pair, down, infos, measured) for pair in pairs]
        with_priors = self.priors.with_priors(states, identities, take_part)
        models = tuple(
            self._with_speed(state, identities.get(at), with_priors.only_shipped)
            for at, state in enumerate(with_priors.states)
        )
        # an unlisted model takes memory also where it takes no part
        hidden = [pair for pair in every if not (use_unlisted or pair.is_listed)]
        others = [self._state(pair, down, infos, measured) for pair in hidden]
        memory = await self._memory((*models, *others), (*pairs, *hidden), used)
        room = memory.capacity_bytes if memory else None
        return Inventory(
            tuple(with_room(each, memory) for each in models),
            down,
            room,
            take_part,
            self._kinds,
            most_loaded(self._models.providers, self._backends, os.environ),
            with_priors.only_shipped,
            failures,
            self._hints(failures),
            self.names,
            memory,
        )

    async def named_models(self, provider: str) -> list[ModelState]:
        """The models that one provider has, with their names alone. Raises ProviderError."""
        items = {item.name: item for item in await self._backends[provider].installed()}
        pairs = pair_models(self._models.models, {provider: items}, self._kinds)
        return [ModelState(spec) for spec, item, _ in pairs if item]

    def _hints(self, failures: Mapping[str, ProviderError]) -> dict[str, str]:
        if not failures:
            return {}
        from orch.providers.hints import provider_hint  # only where something failed

        providers = self._models.providers
        return {name: provider_hint(providers[name], failures[name]) for name in failures}

    def note_loaded(self, model: ModelKey, num_ctx: int | None) -> None:
        """Called when a model has answered with that context. Does nothing: the next snapshot asks
        the providers."""

    def invalidate(self) -> None:
        """Called when models were loaded or unloaded: the next snapshot reads all again."""
        self._machine.forget()

    async def devices(self, inventory: Inventory) -> MachineMemory | None:
        """All devices of this machine with what the inventory's models hold; None if not even main
        memory is known."""
        return await self._machine.devices(inventory.memory.resident if inventory.memory else ())

    def in_use(self) -> frozenset[ModelKey]:
        """The models that calls use now, as far as this process knows: one that is being loaded
        holds memory, and its provider may not say so yet."""
        return frozenset()

    async def _ask(self, provider: str) -> dict[str, InstalledModel] | ProviderError:
        try:
            return {item.name: item for item in await self._backends[provider].installed()}
        except ProviderError as error:
            listed = [spec.id for spec in self._models.models if spec.provider == provider]
            is_up = error.code in ("loading", "busy") and self._backends[provider].fixed_ctx
            if not is_up or not listed:
                return error
            # it works, and can't list its models yet: they are there as models.yaml says
            return {name: InstalledModel(name) for name in listed}

    async def _infos(self, items: list[tuple[str, InstalledModel]]) -> dict[str, ModelInfo]:
        """The providers' details by digest: asked once per digest, then read from the journal."""
        wanted = {item.digest: (provider, item.name) for provider, item in items if item.needs_info}
        known = await self._aside(self._journal.model_info, list(wanted))
        gate = asyncio.Semaphore(_SHOWS_AT_ONCE)

        async def ask(digest: str, provider: str, name: str) -> None:
            async with gate:
                try:
                    info = await self._backends[provider].info(name)
                except ProviderError:
                    return  # asked again next time; the model's own facts do until then
            known[digest] = info
            await self._aside(self._journal.save_model_info, digest, info)

        await asyncio.gather(
            *(ask(digest, *place) for digest, place in wanted.items() if digest not in known)
        )
        return known

    def _is_out(self, spec: ModelSpec, host: str) -> bool:
        """Whether the model runs on another machine and is not allowed to."""
        return bool(host) and not is_allowed(self._models, spec.provider, spec.id)

    def note_remote(self, state: ModelState, host: str) -> None:
        """Records that a model runs on another machine although its provider had not said so."""
        if state.digest:
            info = self._journal.model_info([state.digest]).get(state.digest, ModelInfo())
            self._journal.save_model_info(state.digest, info._replace(remote_host=host))

    def _state(
        self,
        pair: PairedModel,
        down: Mapping[str, str],
        infos: Mapping[str, ModelInfo],
        measured: Mapping[ModelKey, SpeedStats],
    ) -> ModelState:
        spec, item, is_listed = pair
        backend = self._backends[spec.provider]
        if item is None:
            return ModelState(
                spec,
                _absence(spec.provider, down),
                local=backend.local,
                context_window=spec.context_window or DEFAULT_NUM_CTX,
            )
        info = infos.get(item.digest, ModelInfo())
        host = best_known_host(item.remote_host, info.remote_host)
        window = window_of(spec, item, info, None if backend.fixed_ctx or host else DEFAULT_NUM_CTX)
        capabilities = capabilities_of(spec, item, info)
        return ModelState(
            spec=spec,
            unavailable=Elimination("remote", {"host": display_host(host)})
            if self._is_out(spec, host)
            else None,
            local=backend.local and not host,
            resident=item.resident,
            resident_ctx=item.resident_ctx,
            resident_bytes=item.resident_bytes,
            vram_bytes=item.vram_bytes,
            size_bytes=item.size_bytes,
            digest=item.digest,
            capabilities=capabilities,
            untold=frozenset(item.untold if "completion" in (capabilities or ()) else ()),
            context_window=window,
            kv_bytes_per_token=item.kv_bytes_per_token
            if info.kv_bytes_per_token is None
            else info.kv_bytes_per_token,
            kv_window_bytes=info.kv_window_bytes,
            kv_window_tokens=info.kv_window_tokens,
            modelfile_ctx=info.num_ctx,
            measured=measured.get(ModelKey(spec.provider, spec.id)),
            unlisted=not is_listed,
            fixed_ctx=backend.fixed_ctx,
            closes_answers=info.closes_answers,
            remote_host=host,
            status=item.status,
            slots=item.slots,
        )

    def _with_speed(
        self, state: ModelState, identity: Identity | None, only_shipped: bool
    ) -> ModelState:
        """The model with its parameters, and with a guessed speed if it is not rated."""
        if identity is None:
            return state
        if self.priors.has_speed(state.spec, only_shipped=only_shipped):
            return state._replace(parameters_b=identity.params_b, active_b=identity.active_b)
        size_b, active_b = self.priors.sizes_b(identity)
        read = (
            int(state.size_bytes * min(active_b / size_b, 1.0))
            if size_b and active_b
            else state.size_bytes
        )
        return state._replace(
            spec=replace(state.spec, speed_rating=guess_speed_rating(active_b)),
            bytes_per_token=read,
            speed_guessed=True,
            parameters_b=size_b,
            active_b=active_b,
            parameters_guessed=identity.params_b is None and size_b is not None,
        )

    async def _memory(
        self,
        states: tuple[ModelState, ...],
        pairs: Sequence[PairedModel],
        used: frozenset[ModelKey],
    ) -> MachineMemory | None:
        """`used` were in use when the providers were asked: one that was loaded since is not in
        what they said."""
        items = {
            state.key: pair.installed
            for state, pair in zip(states, pairs, strict=True)
            if pair.installed
        }
        counts = self._journal.timings.recent_answer_counts
        return await self._machine.memory(states, items, counts, lambda: used | self.in_use())


def _absence(provider: str, unreachable: Mapping[str, str]) -> Elimination:
    """Why a listed model is not there."""
    if provider in unreachable:
        return Elimination("provider_down", {"provider": provider, "why": unreachable[provider]})
    return Elimination("not_installed")


# ---------------------------------------------------------------- what is guessed


def guess_speed_rating(active_b: float | None) -> float:
    """A rating from 0 to 10 by the billions of parameters that a token takes; 6 if unknown.

    The curve passes through the ratings of the shipped models: 8B gives 8, 14B 6.6.
    """
    return (
        round(min(max(12.2 - 2.1 * math.log(active_b), 1.0), 9.5), 1) if active_b else UNKNOWN_SPEED
    )
