"""Admission control: every model call acquires a slot first. A command never waits; the server
queues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import NamedTuple, Protocol

from orch.routing.context_size import choose_num_ctx
from orch.routing.machine.placement import MachineMemory, choose_evictions
from orch.routing.model_state import ModelState, required_memory
from orch.routing.registry import Inventory
from orch.routing.scoring.expected_time import reload_seconds
from orch.text.prompt import Task
from orch.types import FIRST_TOKEN_TIMEOUT_S, ModelKey, Need, Reason

CHORE_TIMEOUT_S = 30.0
"""How long a chore that nobody waits for may wait for a slot, in seconds."""
Evictions = Sequence[ModelKey]
"""Models to unload before a call, since its server does not do that by itself."""


class Room(NamedTuple):
    """What making room for a model depends on: the memory, and the models by key. `loads`: whether
    the inventory says that the model is not loaded; a server knows better what is."""

    memory: MachineMemory
    states: Mapping[ModelKey, ModelState]
    loads: bool = True

    def costs(self) -> dict[ModelKey, float]:
        """The expected seconds that unloading each loaded model costs: its reload times the
        probability that it is wanted next."""
        keys = (each.key for each in self.memory.resident)
        loaded = (self.states[key] for key in keys if key in self.states)
        return {each.key: reload_seconds(each) * each.next_use_probability for each in loaded}


class SlotRequest(NamedTuple):
    """A request for a slot at a model's provider. `footprint_bytes` is the memory that the model
    takes when it is loaded; slots are shared fairly among clients."""

    run_id: str
    model: ModelKey
    footprint_bytes: int = 0
    client: str = ""
    batch: bool = False
    chore: bool = False
    """Whether nobody waits for the answer of a client's own request: people go first, and the
    models of turns in progress stay as they are."""
    session: str = ""
    """The session, or the conversation within it, whose turn this is a step of."""
    slots: int | None = None
    """How many requests the model answers at once; None if its server does not say."""
    embeds: bool = False
    timeout_s: float = FIRST_TOKEN_TIMEOUT_S
    room: Room | None = None
    """Only for a model of this machine."""


def slot_request(
    state: ModelState,
    need: Need,
    task: Task,
    run_id: str = "",
    *,
    memory: MachineMemory | None = None,
    states: Mapping[ModelKey, ModelState] = {},
) -> SlotRequest:
    """The request for a slot to ask this model for this task. `memory` is that of the inventory of
    these states: without it no room is made."""
    room, timeout_s = None, task.timeout_s or FIRST_TOKEN_TIMEOUT_S
    if memory is not None and state.local and state.resident is not None:
        room = Room(memory, states, loads=not state.resident)
    return SlotRequest(
        run_id,
        state.key,
        required_memory(state, choose_num_ctx(state, need)),
        client=task.client,
        batch=task.batch,
        chore=task.chore_waits,
        session=turn_of(task),
        slots=state.slots,
        timeout_s=CHORE_TIMEOUT_S if task.chore_waits else timeout_s,
        room=room,
    )


def turn_of(task: Task) -> str:
    """What a turn is kept by: its session, and its conversation where an agent's helpers have the
    same one. Empty for a chore and where there is none."""
    if task.chore:
        return ""
    session = task.session or task.affinity
    return f"{session}\0{task.turn}" if task.turn else session


class Admission(Protocol):
    """Grants slots for model calls."""

    def observe(self, inventory: Inventory) -> None:
        """Takes over which models are loaded, and how much memory there is."""
        ...

    def acquire(self, request: SlotRequest) -> AbstractAsyncContextManager[Evictions]:
        """Waits for a slot; leaving the context releases it. Gives the models that have to be
        unloaded before the call.

        Raises ProviderError `busy`, with `retry_after_s`, if the queue is full or the request's
        timeout ends.
        """
        ...

    def wait_reason(self, request: SlotRequest) -> Reason | None:
        """Why the model can't be loaded now beside the models in use, if it can't."""
        ...

    def in_use(self) -> frozenset[ModelKey]:
        """The models that requests use: loaded, or being loaded."""
        ...

    def in_turn(self) -> frozenset[ModelKey]:
        """The models that hold the prompt of a session's turn: its step runs, or its tools do."""
        ...


class NoQueue:
    """Grants every slot at once: a process of its own has few other requests. Of these it counts
    which models they use, which are not unloaded."""

    def __init__(self) -> None:
        self._users = Counter[ModelKey]()

    def observe(self, inventory: Inventory) -> None:
        """Does nothing."""

    def acquire(self, request: SlotRequest) -> AbstractAsyncContextManager[Evictions]:
        """A slot, at once."""
        return _Use(self._users, request)

    def wait_reason(self, request: SlotRequest) -> Reason | None:
        """None: nothing waits."""
        return None

    def in_use(self) -> frozenset[ModelKey]:
        """The models of this process's calls."""
        return frozenset(+self._users)

    def in_turn(self) -> frozenset[ModelKey]:
        """None: a process of its own has no sessions of clients."""
        return frozenset()


class _Use:
    """One request that uses its model."""

    __slots__ = ("_request", "_users")

    def __init__(self, users: Counter[ModelKey], request: SlotRequest) -> None:
        self._users, self._request = users, request

    async def __aenter__(self) -> Evictions:
        self._users[self._request.model] += 1
        return evictions_for(self._request, frozenset(+self._users)) if self._request.room else ()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._users[self._request.model] -= 1


def evictions_for(request: SlotRequest, in_use: frozenset[ModelKey]) -> Evictions:
    """The models to unload for a request, as far as its inventory tells what is loaded. What the
    model's own server unloads by itself is not among them."""
    if request.room is None or not request.room.loads:
        return ()
    memory, need = request.room.memory, request.footprint_bytes
    provider = request.model.provider
    resident = [
        each
        for each in memory.resident
        if each.key != request.model
        and (each.key in in_use or not memory.evicts_itself(each, provider))
    ]
    leaving = [
        each for each in resident if each.key not in in_use and memory.may_leave(each, provider)
    ]
    chosen = choose_evictions(need, memory, resident, leaving, request.room.costs())
    return [each.key for each in chosen]
