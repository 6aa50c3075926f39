"""Where models fit and which have to go: twenty layouts of memory, and what holds for all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.config.spec import ModelSpec
from orch.hardware.device import Devices, MainMemory
from orch.routing.context_size import choose_num_ctx
from orch.routing.machine.admission import Room, SlotRequest, evictions_for
from orch.routing.machine.placement import (
    GPU_RESERVE_BYTES,
    MachineMemory,
    MemoryPart,
    ResidentModel,
    budget_memory,
    choose_evictions,
    has_room,
    machine_memory,
    needs_gpus,
)
from orch.routing.machine.reading import with_room
from orch.routing.model_state import ModelState, required_memory
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import eliminate
from orch.types import ModelKey, Need
from tests.routing.machine.memory_layouts import GB, LAYOUTS, Layout, Wish, card, loaded, shared

SIZES_GB = {"costly": 9.0, "cheap": 1.0, "idle": 3.0, "pinned": 0.1, "large": 50.0}
"""Which decide how long loading them again takes."""
STATES = {
    ModelKey("router", name): ModelState(
        ModelSpec(id=name, provider="router"), resident=True, size_bytes=int(gb * GB)
    )
    for name, gb in SIZES_GB.items()
}


def memory_of(layout: Layout) -> MachineMemory | None:
    """The machine's memory as an inventory has it."""
    if layout.budget is not None:
        memory = budget_memory(int(layout.budget * GB))
    else:
        total, free = (None if gb is None else int(gb * GB) for gb in layout.main)
        memory = machine_memory(Devices(MainMemory(total, free), layout.gpus), layout.resident)
    return memory and memory._replace(
        resident=layout.resident,
        self_evicting=frozenset({"ollama"}),
        unloading=frozenset({"ollama", "router"}),
    )


def state_of(wish: Wish) -> ModelState:
    """The model that is to be loaded. Its size is exact where the KV cache is told."""
    return ModelState(
        ModelSpec(id="wanted", provider=wish.provider, num_ctx=wish.num_ctx),
        size_bytes=int(wish.gb * GB),
        kv_bytes_per_token=wish.kv_bytes_per_token or 1,
        context_window=262_144,
    )


def request_of(wish: Wish, memory: MachineMemory | None) -> SlotRequest:
    state = state_of(wish)
    need = required_memory(state, wish.num_ctx)
    return SlotRequest("r", state.key, need, room=memory and Room(memory, STATES))


CASES = [(layout, wish) for layout in LAYOUTS for wish in layout.wishes]
IDS = [f"{layout.name}: {wish.gb:g} GB at {wish.provider}" for layout, wish in CASES]


def test_there_are_twenty_layouts() -> None:
    assert len({layout.name for layout in LAYOUTS}) == 20


@pytest.mark.parametrize(("layout", "wish"), CASES, ids=IDS)
def test_a_model_is_eliminated_where_it_can_not_fit(layout: Layout, wish: Wish) -> None:
    memory = memory_of(layout)
    policy = Policy({}, {}, memory.capacity_bytes if memory else None, memory=memory)
    out = eliminate(state_of(wish), Need(prompt_tokens=1), policy, wish.num_ctx)
    assert (out is None) == wish.fits
    assert out is None or out.code == "memory"


@pytest.mark.parametrize(("layout", "wish"), CASES, ids=IDS)
def test_what_stands_in_the_way_is_unloaded(layout: Layout, wish: Wish) -> None:
    if not wish.fits:
        return
    in_use = frozenset(ModelKey("router", name) for name in wish.in_use)
    evictions = evictions_for(request_of(wish, memory_of(layout)), in_use)
    assert tuple(sorted(each.model for each in evictions)) == tuple(sorted(wish.evicts))


@pytest.mark.parametrize(("layout", "wish"), CASES, ids=IDS)
@pytest.mark.parametrize("kv_bytes", [20_000, 400_000])
def test_the_room_that_an_agent_would_like_rules_no_model_out(
    layout: Layout, wish: Wish, kv_bytes: int
) -> None:
    memory = memory_of(layout)
    policy = Policy({}, {}, memory.capacity_bytes if memory else None, memory=memory)
    plain = Need(prompt_tokens=3_000)
    agent = plain._replace(capabilities=frozenset({"completion", "tools"}), begins=True)
    state = with_room(state_of(wish)._replace(kv_bytes_per_token=kv_bytes), memory)
    out = [
        eliminate(state, need, policy, choose_num_ctx(state, need)) is None
        for need in (plain, agent)
    ]
    assert out[0] == out[1]


def test_a_wish_keeps_a_model_on_the_gpus_and_leaves_what_stays() -> None:
    state = ModelState(
        ModelSpec(id="m", provider="ollama"),
        size_bytes=4 * GB,
        kv_bytes_per_token=100_000,
        context_window=262_144,
    )
    on_gpus = MachineMemory(40 * GB, MemoryPart(6 * GB))
    stays = on_gpus._replace(gpus=None, resident=(loaded("x", 30.0, provider="other"),))
    contexts = [with_room(state, each).memory_ctx for each in (on_gpus, stays, None)]
    assert contexts == [20_000, 60_000, None]
    small = MachineMemory(40 * GB, MemoryPart(3 * GB))
    assert with_room(state, small).memory_ctx == 360_000


def test_a_model_that_is_being_loaded_does_not_stand_in_its_own_way() -> None:
    wish = Wish(20)
    loading = loaded("wanted", 20, None, ours=False)._replace(busy=True)
    layout = Layout("loading", (16, 3), (card(24, 12),), (loading, loaded("small", 1, 1)), (wish,))
    memory = memory_of(layout)
    assert memory is not None
    policy = Policy({}, {}, memory=memory)
    assert eliminate(state_of(wish), Need(prompt_tokens=1), policy, wish.num_ctx) is None
    assert evictions_for(request_of(wish, memory), frozenset()) == []


# ---------------------------------------------------------------- what is read


def test_what_other_programs_hold_is_what_no_loaded_model_does() -> None:
    devices = Devices(MainMemory(64 * GB, 40 * GB), (card(24, 4), card(24, 20)))
    memory = machine_memory(devices, (loaded("a", 12, 10),))
    assert memory is not None
    assert memory.gpus is not None
    assert memory.main is not None
    assert (memory.gpus.models_bytes, memory.gpus.others_bytes) == (10 * GB, 14 * GB)
    assert (memory.main.models_bytes, memory.main.others_bytes) == (2 * GB, 22 * GB)
    assert memory.gpus.capacity_bytes == 34 * GB - 2 * GPU_RESERVE_BYTES


def test_a_model_whose_server_tells_no_place_is_on_the_gpus_as_far_as_they_are_used() -> None:
    devices = Devices(MainMemory(64 * GB, 40 * GB), (card(24, 20),))
    memory = machine_memory(devices, (loaded("a", 12, None),))
    assert memory is not None
    assert memory.gpus is not None
    assert (memory.gpus.models_bytes, memory.gpus.others_bytes) == (4 * GB, 0)


def test_an_overhead_is_left_free_on_each_gpu() -> None:
    devices = Devices(MainMemory(64 * GB, 40 * GB), (card(24, 20), card(8, 1)))
    plain, less = (machine_memory(devices, (), overhead) for overhead in (0, GB))
    assert plain is not None
    assert less is not None
    assert plain.capacity_bytes - less.capacity_bytes == GB + (GB - GPU_RESERVE_BYTES)


def test_loaded_models_give_back_no_more_than_there_is() -> None:
    memory = machine_memory(Devices(MainMemory(16 * GB, 14 * GB)), (loaded("mapped", 10),))
    assert memory is not None
    assert memory.capacity_bytes == 16 * GB


def test_the_share_on_the_gpus_is_known_where_they_were_read() -> None:
    devices = Devices(MainMemory(64 * GB, 40 * GB), (card(24, 20),))
    memory = machine_memory(devices, ())
    assert memory is not None
    assert memory.gpus is not None
    assert memory.on_gpus(2 * memory.gpus.capacity_bytes) == 0.5
    assert memory.on_gpus(GB) == 1.0
    assert MachineMemory(GB).on_gpus(5 * GB) == 1.0


@pytest.mark.parametrize(
    ("resident", "needs", "asked"),
    [
        ((), [], False),
        ((), [5], False),
        ((), [5, 20], True),
        ((loaded("a", 1, 0),), [5], False),
        ((loaded("a", 1, 1),), [5], True),
        ((loaded("a", 1, None),), [5], True),
        ((loaded("a", 1, 1),), [], False),
    ],
)
def test_gpus_are_asked_only_where_they_matter(
    resident: tuple[ResidentModel, ...], needs: list[int], asked: bool
) -> None:
    assert needs_gpus(10, resident, needs) == asked
    assert not needs_gpus(None, resident, needs)


# ---------------------------------------------------------------- for all machines

SIZES = st.integers(0, 40)


@st.composite
def machines(draw: st.DrawFn) -> tuple[MachineMemory, list[ResidentModel]]:
    """A machine with models that are loaded in it."""
    gpus = tuple(
        card(total, draw(st.integers(0, total)), f"card{at}")
        for at, total in enumerate(draw(st.lists(st.integers(1, 48), max_size=3)))
    )
    gpus += (shared(),) * draw(st.integers(0, 1))
    total = draw(st.integers(1, 96))
    main = MainMemory(total * GB, draw(st.integers(0, total)) * GB)
    models = [
        loaded(f"m{at}", size, draw(st.one_of(st.none(), st.integers(0, size))))
        for at, size in enumerate(draw(st.lists(st.integers(1, 30), max_size=4)))
    ]
    memory = machine_memory(Devices(main, gpus), models)
    assert memory is not None
    return memory, models


@settings(deadline=None)
@given(machines(), SIZES, st.integers(0, 15))
def test_after_the_evictions_there_is_room_and_none_was_in_vain(
    machine: tuple[MachineMemory, list[ResidentModel]], size: int, mask: int
) -> None:
    memory, models = machine
    leaving = [each for at, each in enumerate(models) if mask >> at & 1]
    chosen = choose_evictions(size * GB, memory, models, leaving, {})
    left = [each for each in models if each not in chosen]
    staying = [each for each in models if each not in leaving]
    assert set(chosen) <= set(leaving)
    if has_room(size * GB, memory, staying, staying):
        assert has_room(size * GB, memory, left, staying)
        assert not any(has_room(size * GB, memory, [*left, each], staying) for each in chosen)
    else:
        assert chosen == ()


@settings(deadline=None)
@given(machines())
def test_no_part_has_more_than_its_devices(
    machine: tuple[MachineMemory, list[ResidentModel]],
) -> None:
    memory, _ = machine
    assert memory.main is not None
    assert 0 <= memory.main.capacity_bytes <= (memory.devices[0].total_bytes or 0)
    assert memory.capacity_bytes == memory.main.capacity_bytes + (
        memory.gpus.capacity_bytes if memory.gpus else 0
    )


def refuses(need: int, frees: list[int], main: int) -> bool:
    """Whether a server fails to load a model of that size: it fills each GPU as far as its driver
    leaves room, and needs main memory for the rest."""
    for free in frees:
        need -= min(need, max(free - GPU_RESERVE_BYTES, 0))
    return need > main


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 48), st.integers(0, 48)), max_size=3),
    st.integers(0, 64),
    st.integers(0, 130),
)
def test_no_load_is_tried_that_a_server_refuses_and_none_that_fits_is_ruled_out(
    gpus: list[tuple[int, int]], main: int, size: int
) -> None:
    cards = tuple(card(total, min(free, total)) for total, free in gpus)
    memory = machine_memory(Devices(MainMemory(64 * GB, main * GB), cards), ())
    frees = [gpu.free_bytes or 0 for gpu in cards]
    policy = Policy({}, {}, memory=memory)
    wish = Wish(size, num_ctx=256)
    need = required_memory(state_of(wish), 256)
    out = eliminate(state_of(wish), Need(prompt_tokens=1), policy, 256)
    assert (out is not None) == refuses(need, frees, main * GB)


def test_a_gpu_that_only_a_server_reports_makes_no_model_leave() -> None:
    on_gpu = ResidentModel(ModelKey("ollama", "a"), 5 * GB, 5 * GB, ours=True)
    idle = ResidentModel(ModelKey("router", "idle"), 4 * GB, ours=True)
    memory = machine_memory(Devices(MainMemory(64 * GB, 60 * GB)), (on_gpu, idle))
    assert memory is not None
    assert choose_evictions(3 * GB, memory, [on_gpu, idle], [on_gpu, idle], {}) == ()
    assert has_room(3 * GB, memory, [on_gpu], [])
    assert memory.on_gpus(10 * GB) == 1
    assert choose_evictions(66 * GB, memory, [on_gpu, idle], [on_gpu, idle], {}) != ()
