"""The queue: models do not thrash, no client and no kind of work starves, no place is lost, and memory is never asked for twice."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.config.load import Config, from_data
from orch.config.spec import ModelSpec
from orch.errors import BackendError
from orch.gate import Gate, Ticket
from orch.registry import Survey
from orch.router import ModelState
from orch.server.queue import COLD, IN_USE, LOADED, Place, Scene, choose, foretell
from orch.server.turns import ServerGate
from orch.types import ModelKey

SIZES = {"a:8b": 5, "b:8b": 6, "large:14b": 10, "embed:1": 1}
"""GB of each model."""


def config(parallel: int | None = 1, queue: int = 64, most_wait: str = "30s") -> Config:
    """One local Ollama, a second local provider, and a remote one."""
    providers: dict[str, Any] = {
        "ollama": {"kind": "ollama", "base_url": "http://127.0.0.1:1", "parallel": parallel},
        "here": {"kind": "llamacpp"},
        "far": {"kind": "openai", "base_url": "https://far.example/v1", "parallel": parallel},
    }
    loaded = from_data({"providers": providers}, None)
    serve = replace(loaded.routing.serve, queue=queue, most_wait=most_wait)
    return replace(loaded, routing=replace(loaded.routing, serve=serve))


def survey(*resident: str, budget: float | None = 12) -> Survey:
    """What is loaded at the Ollama; embed:1 only embeds."""
    states = [state(name, resident=name in resident) for name in SIZES]
    far = ModelState(ModelSpec(id="far", provider="far"), local=False)
    here = ModelState(ModelSpec(id="here", provider="here"))
    return Survey((*states, far, here), {}, None if budget is None else int(budget * 1e9))


def state(name: str, *, resident: bool = False, size: float = 0) -> ModelState:
    """A model of the Ollama as a survey tells it."""
    capabilities = frozenset({"embedding"} if name == "embed:1" else {"completion"})
    measured = int((size or SIZES[name]) * 1e9) if resident else 0
    return ModelState(ModelSpec(id=name), resident=resident, resident_bytes=measured, capabilities=capabilities)


class Hall:
    """A gate with a clock that is set by hand, and requests that stay inside until they are told to go."""

    def __init__(self, config: Config, seen: Survey | None = None) -> None:
        self.now = 0.0
        self.gate = ServerGate(config, clock=lambda: self.now)
        if seen:
            self.gate.saw(seen)
        self.order: list[str] = []
        self.inside: list[str] = []
        self.refused: dict[str, BackendError] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._done: dict[str, asyncio.Event] = {}

    def ask(self, name: str, model: str = "a:8b", provider: str = "ollama", **more: Any) -> None:
        """A request begins."""
        more.setdefault("footprint_bytes", int(SIZES.get(model, 0) * 1e9))
        ticket = Ticket(name, (provider, model), **more)
        self._done[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, ticket))

    async def _run(self, name: str, ticket: Ticket) -> None:
        try:
            await self._stay(name, ticket)
        except BackendError as error:
            self.refused[name] = error

    async def _stay(self, name: str, ticket: Ticket) -> None:
        async with self.gate.turn(ticket):
            self.order.append(name)
            self.inside.append(name)
            try:
                await self._done[name].wait()
            finally:
                self.inside.remove(name)

    async def asked(self, *names: str, **more: Any) -> None:
        """Requests whose first letter is their model's, one after the other."""
        for name in names:
            self.ask(name, model=next(model for model in SIZES if model.startswith(name[0].lower())), **more)
        await settle()

    def finish(self, name: str) -> None:
        """One that is inside goes."""
        self._done[name].set()

    async def drain(self, seconds: float = 0.0) -> list[str]:
        """Lets whoever is inside go, the first first, each after so many seconds, until nobody is; the order in which all got in."""
        while self.inside:
            self.now += seconds
            self.finish(self.inside[0])
            await settle()
        return self.order


async def settle() -> None:
    """Every task goes as far as it can."""
    for _ in range(4):
        await asyncio.sleep(0)


def gate_of(hall: Hall) -> Gate:
    """The type checker sees that a ServerGate is a Gate."""
    return hall.gate


# ---------------------------------------------------------------- who is next


async def test_requests_are_grouped_by_model() -> None:
    hall = Hall(config(), survey(budget=10))
    await hall.asked("A1", "B1", "A2", "B2", "A3", "B3")
    assert await hall.drain(1) == ["A1", "A2", "A3", "B1", "B2", "B3"]


async def test_requests_are_grouped_by_model_where_nobody_tells_what_is_loaded() -> None:
    hall = Hall(config())
    await hall.asked("A1", "B1", "A2", "B2", provider="far")
    assert await hall.drain(1) == ["A1", "A2", "B1", "B2"]


async def test_a_loaded_model_goes_before_a_cold_one() -> None:
    hall = Hall(config(), survey("b:8b", budget=20))
    await hall.asked("large1", "a1", "b1")
    # large:14b, a:8b and b:8b do not fit together: a:8b would put one out
    assert await hall.drain(1) == ["large1", "b1", "a1"]


async def test_most_wait_ends_the_grouping() -> None:
    hall = Hall(config(), survey(budget=10))
    await hall.asked("A0", "B1", "A1", "A2", "A3", "A4")
    assert await hall.drain(12) == ["A0", "A1", "A2", "B1", "A3", "A4"]


async def test_a_long_queue_does_not_thrash_once_all_of_it_waited_long() -> None:
    hall = Hall(config(), survey(budget=10))
    await hall.asked(*(f"{model}{n}" for n in range(30) for model in "AB"))
    order = await hall.drain(5)
    switches = sum(one[0] != other[0] for one, other in zip(order, order[1:], strict=False))
    assert switches <= 60 * 5 / 30


async def test_interactive_work_goes_before_batch() -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0", "A1", "A2", batch=True)
    await hall.asked("A3", "B4")
    assert await hall.drain(1) == ["A0", "A3", "B4", "A1", "A2"]


async def test_batch_gets_in_although_interactive_work_never_ends() -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0")
    await hall.asked("B", batch=True)
    for n in range(1, 100):
        await hall.asked(f"A{n}", client=f"new{n}")
        hall.now += 1
        hall.finish(hall.inside[0])
        await settle()
        if "B" in hall.order:
            break
    # most_wait_s later than interactive work would, and not later
    assert 30 <= hall.now <= 61


async def test_clients_take_turns_though_one_has_fifty_waiting() -> None:
    hall = Hall(config(), survey())
    await hall.asked(*(f"A{n}" for n in range(51)), client="greedy")
    await hall.asked("A-x", "A-y", "A-z", client="modest")
    assert (await hall.drain())[:8] == ["A0", "A1", "A-x", "A2", "A-y", "A3", "A-z", "A4"]


async def test_the_client_with_least_running_goes_first() -> None:
    hall = Hall(config(parallel=2), survey())
    await hall.asked("A0", "A1", "A2", client="one")
    await hall.asked("A3", client="two")
    hall.finish("A0")
    await settle()
    assert hall.order == ["A0", "A1", "A3"]


def test_the_preferences_are_in_this_order() -> None:
    def place(number: int, *, model: str = "cold", batch: bool = False, client: str = "new", since: float = 90.0) -> Place:
        return Place(Ticket(str(number), ("p", model), client=client, batch=batch), ("p", model), number, since)

    warmth, running = {("p", "used"): IN_USE, ("p", "there"): LOADED, ("p", "cold"): COLD}, {"busy": 1}
    scene = Scene(100.0, 30.0, warmth, running, {"served": 11})
    waiting = [
        place(1, since=69.0),
        place(2, since=70.0, batch=True),
        place(3, since=70.0),
        place(4, model="used", batch=True),
        place(5),
        place(6, model="there"),
        place(7, model="used", client="busy"),
        place(8, model="used", client="served"),
        place(9, model="used"),
        place(10, model="used"),
    ]
    chosen = []
    while waiting:
        best = choose(waiting, scene, lambda place: True)
        assert best
        waiting.remove(best)
        chosen.append(best.number)
    assert chosen == [1, 3, 2, 9, 10, 8, 7, 6, 5, 4]


PLACES = st.lists(
    st.builds(
        lambda model, client, batch, since: (Ticket("r", ("p", model), client=client, batch=batch), since),
        st.sampled_from("abc"),
        st.sampled_from("xyz"),
        st.booleans(),
        st.floats(0, 100),
    ),
    max_size=12,
).map(lambda pairs: [Place(ticket, ticket.model, number, since) for number, (ticket, since) in enumerate(sorted(pairs, key=lambda pair: pair[1]), 1)])
MODELS = st.sampled_from("abc").map(lambda name: ("p", name))
SCENES = st.builds(
    Scene,
    st.floats(100, 200),
    st.floats(0, 100),
    st.dictionaries(MODELS, st.sampled_from([IN_USE, LOADED])),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 4)),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 20)),
    st.dictionaries(st.tuples(MODELS, st.booleans()), st.floats(0, 200)),
)


@given(PLACES, SCENES, st.sets(MODELS))
def test_someone_is_chosen_whenever_someone_is_able(waiting: list[Place], scene: Scene, fits: set[ModelKey]) -> None:
    chosen = choose(waiting, scene, lambda place: place.model in fits)
    assert chosen in ([place for place in waiting if place.model in fits] or [None])


@given(PLACES, SCENES)
def test_the_first_of_the_line_that_is_foretold_is_the_one_that_is_chosen(waiting: list[Place], scene: Scene) -> None:
    line = foretell(waiting, scene)
    assert sorted(place.number for place in line) == [place.number for place in waiting]
    assert line[:1] == [place for place in [choose(waiting, scene, lambda place: True)] if place]


# ---------------------------------------------------------------- too many, and too long


async def test_beyond_the_bound_it_is_busy_and_says_when_to_come_back() -> None:
    hall = Hall(config(parallel=2), survey())
    await hall.asked("A-1", "A-2")
    hall.now = 4.0
    hall.finish("A-1")
    await hall.asked(*(f"A{n}" for n in range(66)))
    assert (hall.gate.running("ollama"), hall.gate.waiting("ollama")) == (2, 64)
    refused = hall.refused["A65"]
    assert (refused.code, refused.message, refused.retry_after_s) == ("busy", "64 requests wait for ollama already", 60.0)


async def test_the_time_to_come_back_follows_from_recent_times() -> None:
    hall = Hall(config(parallel=2, queue=2), survey())
    await hall.asked("A0", "A1")
    hall.now = 4.0
    hall.finish("A0")
    await hall.asked("A2", "A3", "A4", "A5")
    refused = hall.refused["A5"]
    assert refused.retry_after_s == 6.0


async def test_without_places_to_wait_a_free_place_is_still_taken() -> None:
    hall = Hall(config(queue=0), survey())
    await hall.asked("A0", "A1")
    refused = hall.refused["A1"]
    assert hall.inside == ["A0"]
    assert (refused.message, refused.retry_after_s) == ("ollama is at work, and none may wait for it", 1.0)


async def test_patience_ends() -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0", "A1", patience_s=0.01)
    await hall.tasks["A1"]
    refused = hall.refused["A1"]
    assert (refused.code, refused.message, refused.retry_after_s) == ("busy", "waited 0.01 s for ollama in vain", 1.0)
    assert hall.gate.waiting("ollama") == 0


async def test_a_provider_that_the_config_does_not_know_has_a_queue_too() -> None:
    hall = Hall(config(), survey())
    await hall.asked(*(f"A{n}" for n in range(6)), provider="gone")
    assert (hall.gate.running("gone"), hall.gate.waiting("gone")) == (4, 2)


# ---------------------------------------------------------------- cancelled


async def test_one_that_is_cancelled_while_it_waits_leaves_the_queue() -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0", "A1", "A2")
    hall.tasks["A1"].cancel()
    await settle()
    assert hall.gate.waiting("ollama") == 1
    assert await hall.drain() == ["A0", "A2"]


@pytest.mark.parametrize("called_first", [True, False])
async def test_one_that_is_cancelled_at_the_moment_it_is_called_hands_its_place_on(called_first: bool) -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0", "A1", "A2")
    place = next(iter(hall.gate._lanes["ollama"].running))
    deeds = [lambda: hall.gate.leave(place), lambda: hall.tasks["A1"].cancel()]
    for deed in deeds if called_first else reversed(deeds):
        deed()
    await settle()
    assert hall.tasks["A1"].cancelled()
    assert hall.inside == ["A0", "A2"]  # A0 gave its place up above, and is still in the room
    assert hall.gate.running("ollama") == 1


async def test_one_that_is_cancelled_at_the_moment_its_patience_ends_is_cancelled() -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0", "A1")
    place = next(iter(hall.gate._lanes["ollama"].waiting))
    hall.tasks["A1"].cancel()
    hall.gate._tire(place)
    hall.gate.configure(config())
    await settle()
    assert hall.tasks["A1"].cancelled()
    assert await hall.drain() == ["A0"]


async def test_an_error_inside_gives_the_place_free() -> None:
    hall = Hall(config(), survey())
    with pytest.raises(ZeroDivisionError):
        async with hall.gate.turn(Ticket("r", ("ollama", "a:8b"))):
            _ = 1 / 0
    assert hall.gate.running("ollama") == 0


# ---------------------------------------------------------------- memory


async def test_a_model_that_does_not_fit_beside_what_is_in_use_waits() -> None:
    hall = Hall(config(parallel=4), survey())
    await hall.asked("large", "a", "large2")
    assert hall.inside == ["large", "large2"]
    assert hall.gate.must_wait(Ticket("r", ("ollama", "a:8b"), 5 * 10**9)) == "needs 5.0 GB beside large:14b (10.0 GB, in use), there are 12.0 GB"
    hall.finish("large")
    await settle()
    assert hall.inside == ["large2"]
    hall.finish("large2")
    await settle()
    assert hall.inside == ["a"]
    # large:14b was put out
    assert hall.gate.must_wait(Ticket("r", ("ollama", "large:14b"), 10**10)) == "needs 10.0 GB beside a:8b (5.0 GB, in use), there are 12.0 GB"


async def test_models_that_fit_beside_each_other_run_together() -> None:
    hall = Hall(config(parallel=4), survey())
    await hall.asked("a", "b")
    assert hall.inside == ["a", "b"]
    assert gate_of(hall).must_wait(Ticket("r", ("ollama", "a:8b"), 5 * 10**9)) == ""


async def test_models_of_another_local_provider_count_and_those_far_away_do_not() -> None:
    hall = Hall(config(parallel=4), survey())
    hall.ask("h", "here", "here", footprint_bytes=8 * 10**9)
    hall.ask("f", "far", "far", footprint_bytes=500 * 10**9)
    await hall.asked("a")
    assert hall.inside == ["h", "f"]
    hall.finish("h")
    await settle()
    assert hall.inside == ["f", "a"]


async def test_what_was_measured_counts_and_not_what_was_expected() -> None:
    hall = Hall(config(parallel=4), survey())
    measured = replace(survey(), states=(state("b:8b", resident=True, size=8),))
    hall.gate.saw(measured)
    hall.gate.saw(survey())
    await hall.asked("a")
    assert hall.gate.must_wait(Ticket("r", ("ollama", "b:8b"), 6 * 10**9)).startswith("needs 8.0 GB beside")


async def test_one_model_under_two_spellings_is_one_model() -> None:
    seen = replace(survey(), states=(ModelState(ModelSpec(id="qwen3:latest"), resident=True, resident_bytes=10**10),))
    hall = Hall(config(parallel=4), seen)
    hall.ask("q", "qwen3:latest")
    await settle()
    assert hall.gate.must_wait(Ticket("r", ("ollama", "qwen3"), 10**10)) == ""


async def test_others_that_fit_may_pass_until_it_has_waited_too_long() -> None:
    hall = Hall(config(parallel=4), survey())
    await hall.asked("a1")
    await hall.asked("large")
    await hall.asked("a2", "b1")
    assert hall.inside == ["a1", "a2", "b1"]
    hall.now = 30.0
    await hall.asked("a3")
    hall.ask("h", "here", "here", footprint_bytes=5 * 10**9)
    for name in ("a1", "a2"):
        hall.finish(name)
        await settle()
    assert hall.inside == ["b1"]
    assert {place["run_id"]: place["reason"] for place in waiting_in(hall)}["a3"] == "large:14b was passed over for too long and goes first"
    hall.finish("b1")
    await settle()
    assert hall.inside == ["large"]
    assert sorted((await hall.drain())[-2:]) == ["a3", "h"]


async def test_those_that_made_room_go_on_when_the_one_they_made_it_for_gives_up() -> None:
    hall = Hall(config(parallel=4), survey())
    await hall.asked("a1", "large")
    hall.now = 30.0
    await hall.asked("a2")
    assert hall.inside == ["a1"]
    hall.tasks["large"].cancel()
    await settle()
    assert hall.inside == ["a1", "a2"]


@pytest.mark.parametrize(("first", "second", "why"), [("embed:1", "large:14b", "embedding"), ("large:14b", "embed:1", "chat")])
async def test_embedding_and_chat_do_not_put_out_each_other(first: str, second: str, why: str) -> None:
    hall = Hall(config(parallel=4), survey(first, budget=10.5))
    hall.ask("r", second, embeds=second == "embed:1")
    await settle()
    assert hall.inside == []
    assert f"beside {first} ({SIZES[first]}.0 GB, loaded for {why}), there are 10.5 GB" in waiting_in(hall)[0]["reason"]
    hall.gate.saw(survey(budget=10.5))  # its provider let it go, for idleness
    await settle()
    assert hall.inside == ["r"]


async def test_nobody_makes_room_for_one_that_would_not_fit_even_then() -> None:
    hall = Hall(config(parallel=4), survey("embed:1", budget=10.5))
    await hall.asked("a1", "large")
    hall.now = 31.0
    await hall.asked("a2")
    assert hall.inside == ["a1", "a2"]


async def test_an_idle_model_of_the_same_sort_is_put_out() -> None:
    hall = Hall(config(parallel=4), survey("a:8b"))
    await hall.asked("large")
    assert hall.inside == ["large"]


async def test_before_the_first_survey_everything_fits() -> None:
    hall = Hall(config(parallel=4))
    await hall.asked("a", "large", "b")
    assert hall.inside == ["a", "large", "b"]


async def test_without_a_known_limit_everything_fits() -> None:
    hall = Hall(config(parallel=4), survey(budget=None))
    await hall.asked("a", "large", "b")
    assert hall.inside == ["a", "large", "b"]
    assert hall.gate.status()["memory"]["budget_gb"] is None


# ---------------------------------------------------------------- settings, and what is shown


async def test_new_limits_count_at_once_and_who_waits_stays() -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0", "A1", "A2", "A3")
    hall.gate.configure(config(parallel=3, queue=0))
    await settle()
    assert hall.inside == ["A0", "A1", "A2"]
    assert hall.gate.waiting("ollama") == 1
    hall.gate.configure(config(parallel=1))
    assert await hall.drain() == ["A0", "A1", "A2", "A3"]


async def test_a_provider_that_is_gone_answers_whom_it_has() -> None:
    hall = Hall(config(), survey())
    await hall.asked("A0", "A1")
    without = config()
    providers = {name: provider for name, provider in without.models.providers.items() if name != "ollama"}
    hall.gate.configure(replace(without, models=replace(without.models, providers=providers)))
    assert await hall.drain() == ["A0", "A1"]
    hall.gate.configure(replace(without, models=replace(without.models, providers=providers)))
    assert sorted(hall.gate.status()["providers"]) == ["far", "here"]


def test_providers_have_the_places_of_their_kind() -> None:
    assert {name: lane["parallel"] for name, lane in ServerGate(config(parallel=None)).status()["providers"].items()} == {"far": 32, "here": 1, "ollama": 4}


def waiting_in(hall: Hall, provider: str = "ollama") -> list[dict[str, Any]]:
    """Who waits, as /orch/health shows it."""
    found: list[dict[str, Any]] = hall.gate.status()["providers"][provider]["waiting"]
    return found


async def test_health_shows_who_runs_who_waits_and_why() -> None:
    hall = Hall(config(), survey("embed:1"))
    await hall.asked("a1", client="me")
    await hall.asked("large", client="you", batch=True)
    await hall.asked("a2", client="you")
    hall.now = 2.5
    lane = hall.gate.status()["providers"]["ollama"]
    a2 = {"position": 1, "run_id": "a2", "model": "a:8b", "client": "you", "priority": "interactive", "waited_s": 2.5, "reason": "its place is taken"}
    reason = "needs 10.0 GB beside embed:1 (1.0 GB, loaded for embedding), a:8b (5.0 GB, in use), there are 12.0 GB"
    large = {"position": 2, "run_id": "large", "model": "large:14b", "client": "you", "priority": "batch", "waited_s": 2.5, "reason": reason}
    running = [{"run_id": "a1", "model": "a:8b", "client": "me", "for_s": 2.5}]
    assert lane == {"parallel": 1, "queue_bound": 64, "running": running, "waiting": [a2, large]}


async def test_health_shows_the_memory() -> None:
    hall = Hall(config(), survey("embed:1"))
    await hall.asked("a1")
    resident = [
        {"provider": "ollama", "model": "a:8b", "gb": 5.0, "in_use": True, "embeds": False},
        {"provider": "ollama", "model": "embed:1", "gb": 1.0, "in_use": False, "embeds": True},
    ]
    assert json.loads(json.dumps(hall.gate.status()))["memory"] == {"budget_gb": 12.0, "in_use_gb": 5.0, "resident": resident}


# ---------------------------------------------------------------- whatever happens


class Chaos:
    """Random requests, ends, cancellations, surveys and new limits, often several before any task can react."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.hall = Hall(config(parallel=2, queue=12), survey())
        self.parallel, self.asked = 2, 0

    async def run(self, steps: int) -> None:
        """So many deeds; what must hold is looked at after each."""
        for _ in range(steps):
            deed = self.random.choices([self.come, self.end, self.cancel, self.wait, self.look, self.reload], [10, 8, 3, 3, 2, 0.3])[0]
            deed()
            if self.random.random() < 0.6:
                await settle()
            self.check()

    def come(self) -> None:
        self.asked += 1
        provider, model = self.random.choice([("ollama", name) for name in SIZES] + [("far", "far"), ("far", "farther")])
        client, batch = self.random.choice("xyz"), self.random.random() < 0.3
        self.hall.ask(str(self.asked), model, provider, client=client, batch=batch, embeds=model == "embed:1")

    def end(self) -> None:
        if self.hall.inside:
            self.hall.finish(self.random.choice(self.hall.inside))

    def cancel(self) -> None:
        living = [task for task in self.hall.tasks.values() if not task.done()]
        if living:
            self.random.choice(living).cancel()

    def wait(self) -> None:
        self.hall.now += self.random.choice([0.1, 5, 40])

    def look(self) -> None:
        """A survey of what is there, but for idle models that were let go."""
        known = self.hall.gate.status()["memory"]["resident"]
        there = [model["model"] for model in known if model["in_use"] or self.random.random() < 0.7]
        self.hall.gate.saw(survey(*there))

    def reload(self) -> None:
        self.parallel = self.random.choice([1, 2, 4])
        self.hall.gate.configure(config_of(self.parallel))

    def check(self) -> None:
        """Places and memory suffice for those who are in, and whoever waits has a reason."""
        status = self.hall.gate.status()
        used = [model for model in status["memory"]["resident"] if model["in_use"]]
        assert status["memory"]["in_use_gb"] <= 12
        assert sum(model["gb"] for model in status["memory"]["resident"]) <= 12
        assert len({model["model"] for model in used}) == len(used)
        for lane in status["providers"].values():
            assert len(lane["running"]) <= max(4, self.parallel)
            assert all(place["reason"] != "it is about to start" for place in lane["waiting"])

    async def close(self) -> None:
        """All that are left get in, once idle models are let go now and then; then every place is free."""
        gate, left = self.hall.gate, {name for name, task in self.hall.tasks.items() if not task.done()}
        await settle()
        while self.hall.inside or gate.waiting("ollama") or gate.waiting("far"):
            await self.hall.drain(1)
            gate.saw(survey())
            await settle()
        cancelled = {name for name in left if self.hall.tasks[name].cancelled()}
        assert left - cancelled - self.hall.refused.keys() <= set(self.hall.order)
        assert (gate.running("ollama"), gate.running("far"), gate._calls) == (0, 0, {})
        before = len(self.hall.order)
        await self.hall.asked(*(f"a-{n}" for n in range(self.parallel)))
        assert len(self.hall.order) == before + self.parallel
        await self.hall.drain()


CONFIGS = {parallel: config(parallel=parallel, queue=12) for parallel in (1, 2, 4)}


def config_of(parallel: int) -> Config:
    """A config that is made once."""
    return CONFIGS[parallel]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_happens_no_place_is_lost_and_nobody_starves(seed: int) -> None:
    async def all_of_it() -> None:
        chaos = Chaos(seed)
        await chaos.run(250)
        await chaos.close()

    asyncio.run(all_of_it())
