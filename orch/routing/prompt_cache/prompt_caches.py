"""Remembers which prompts the servers of all models hold, so that a prompt costs what is new in it;
chooses the address that has most of it, and the slot of the engine inside orch."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from orch.providers import ProviderClient, TakesSlots
from orch.routing.model_state import ModelState
from orch.routing.prompt_cache.held_prompts import HeldPrompts, Match, NewPrompt
from orch.routing.prompt_cache.sent_prompt import SentPrompt
from orch.routing.prompt_cache.slots import choose_slot
from orch.storage.timings import COLD_LOAD_S
from orch.text.prompt import PreparedTask
from orch.text.prompt_chain import prompt_chain
from orch.types import ModelKey

MAX_MODELS, MAX_ADDRESSES = 64, 64
"""Models, and addresses of each, of which prompts are remembered."""


class PromptUse:
    """One prompt on its way. `slot` and `address` are where it should go; None and empty leave that
    to the server and to the load balancer. `end` must be called."""

    __slots__ = ("_caches", "address", "matches", "new", "slot", "state")

    def __init__(
        self,
        caches: PromptCaches,
        state: ModelState,
        new: NewPrompt | None,
        matches: Mapping[str, Match],
    ) -> None:
        self._caches, self.state, self.new = caches, state, new
        self.matches = matches
        """By address: the held prompt that it has most in common with."""
        best = max(matches, key=lambda each: matches[each].shared, default="")
        self.address = best
        self.slot: int | None = None

    def end(self, sent: SentPrompt | None) -> None:
        """Frees the slot and notes what the server holds now; None where no answer began."""
        self._caches.end(self, sent)


class PromptCaches:
    """What every server holds. Belongs to one event loop; `cached_states` may be called on other
    threads. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._servers: OrderedDict[ModelKey, dict[str, HeldPrompts]] = OrderedDict()

    # ---------------------------------------------------------------- before the choice

    def with_chain(self, prepared: PreparedTask) -> PreparedTask:
        """The task with the chain of its prompt."""
        return prepared._replace(chain=prompt_chain(prepared))

    def cached_states(
        self, states: Mapping[ModelKey, ModelState], prepared: PreparedTask
    ) -> dict[ModelKey, ModelState]:
        """Those of the models whose servers are expected to hold the beginning of this prompt, with
        how much of it."""
        found: dict[ModelKey, ModelState] = {}
        if prepared.chain is None:
            return found
        new = _new_prompt(prepared)
        for key in states.keys() & self._servers.keys():
            state = states[key]
            shared = self._trusted(key, new) if state.resident is not False else 0
            if shared:
                tokens = state.corrected_tokens(prepared.need.prompt_tokens)
                cached = int(tokens * shared / max(new.chain.size, 1))
                found[key] = state._replace(cached_tokens=cached)
        return found

    def _trusted(self, key: ModelKey, new: NewPrompt) -> int:
        best = (each.best(new, trusted=True) for each in list(self._servers[key].values()))
        return max((match.shared for match in best if match), default=0)

    # ---------------------------------------------------------------- a call

    async def begin(
        self, state: ModelState, prepared: PreparedTask, provider: ProviderClient
    ) -> PromptUse:
        """A prompt that is sent to this model now. Takes a slot where the provider lets a request
        name one, and waits for one there."""
        servers = self._servers_of(state)
        if state.resident is False:
            _clear(servers.values())
        new = _new_prompt(prepared) if prepared.chain is not None else None
        matches = {
            address: match
            for address, held in servers.items()
            if new is not None and (match := held.best(new, trusted=False))
        }
        use = PromptUse(self, state, new, matches)
        if (state.slots or 0) > 1 and isinstance(provider, TakesSlots):
            use.slot = await self._slot_for(servers[""], new, provider.own_slots)
        return use

    async def _slot_for(self, held: HeldPrompts, new: NewPrompt | None, slots: int) -> int:
        """Takes a slot, as soon as one is idle: a request that named none would take one that
        another is about to name."""
        is_chore = new is not None and new.is_chore
        while True:
            idle = held.idle_slots(new, range(slots), self._clock())
            slot = choose_slot(idle, is_chore=is_chore)
            if slot is not None:
                held.busy.add(slot)
                return slot
            await held.wait_for_end()

    def _servers_of(self, state: ModelState) -> dict[str, HeldPrompts]:
        """By address; the one of a provider that has no other is empty."""
        servers = self._servers.get(state.key)
        if servers is None:
            servers = self._servers[state.key] = {"": HeldPrompts(state.slots or 1)}
            if len(self._servers) > MAX_MODELS:
                self._forget_oldest()
        self._servers.move_to_end(state.key)
        return servers

    def _forget_oldest(self) -> None:
        """Forgets the model that was not asked for the longest time, unless it answers now."""
        for key, servers in self._servers.items():
            if not any(each.busy for each in servers.values()):
                del self._servers[key]
                return

    def end(self, use: PromptUse, sent: SentPrompt | None) -> None:
        """Frees the slot of a prompt and notes what its server holds now."""
        servers = self._servers_of(use.state)
        if use.slot is not None:
            servers[""].free(use.slot)
        if sent is None or use.new is None:
            self._note_failure(servers[""], use)
            return
        address = sent.completion.address
        if address not in servers and len(servers) < MAX_ADDRESSES:
            servers[address] = HeldPrompts(use.state.slots or 1)
        held, match = servers.get(address), use.matches.get(address)
        if held is None:
            return
        if sent.load_s > COLD_LOAD_S:
            held.clear()
        elif match is not None:
            held.learn(match, sent.read_share(use.state))
        is_moved = match is None or match.held.slot not in (None, use.slot)
        replaced = match.held if match and match.continues and not is_moved else None
        added = sent.held_prompt(use.new, use.slot, self._clock())
        if added.is_chore and replaced is not None and not replaced.is_chore:
            # a summary of the conversation, which goes on where it was
            added = replaced._replace(used_at=added.used_at)
        held.add(added, replaced)

    def _note_failure(self, held: HeldPrompts, use: PromptUse) -> None:
        """What a call left in its slot is not known, unless it went on with what was there."""
        match = use.matches.get("")
        is_same = match is not None and match.continues and match.held.slot == use.slot
        if use.slot is not None and not is_same:
            held.empty(use.slot)


def _new_prompt(prepared: PreparedTask) -> NewPrompt:
    assert prepared.chain is not None
    task = prepared.task
    # one with a prompt of its own is no step of its session; a summary is the next one
    is_chore = bool(task.chore) and not task.chore_joins
    session = "" if is_chore else task.affinity or task.session or ""
    return NewPrompt(prepared.chain, prepared.messages, session, is_chore)


def _clear(servers: Iterable[HeldPrompts]) -> None:
    """Forgets what a model held that is not loaded any more, unless it answers just now."""
    for each in servers:
        if not each.busy:
            each.clear()
