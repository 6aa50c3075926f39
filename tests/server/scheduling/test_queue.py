"""The queue: models do not thrash, no client or kind of work starves, limits are reported, and no
slot is lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.config.load import Config
from orch.routing.machine.admission import SlotRequest
from orch.server.scheduling.queue import (
    COLD,
    IN_USE,
    LOADED,
    QueueEntry,
    QueueSnapshot,
    choose_next,
    predict_order,
)
from orch.server.scheduling.scheduler import Scheduler
from orch.types import ModelKey
from tests.support.scheduler_harness import SchedulerHarness, config, inventory, settle, waiting_in

# ---------------------------------------------------------------- who is next


async def test_requests_are_grouped_by_model() -> None:
    harness = SchedulerHarness(config(), inventory(budget=10))
    await harness.submit_all("A1", "B1", "A2", "B2", "A3", "B3")
    assert await harness.drain(1) == ["A1", "A2", "A3", "B1", "B2", "B3"]


async def test_requests_are_grouped_by_model_without_an_inventory() -> None:
    harness = SchedulerHarness(config())
    await harness.submit_all("A1", "B1", "A2", "B2", provider="far")
    assert await harness.drain(1) == ["A1", "A2", "B1", "B2"]


async def test_a_loaded_model_goes_before_a_cold_one() -> None:
    harness = SchedulerHarness(config(), inventory("b:8b", budget=20))
    await harness.submit_all("large1", "a1", "b1")
    # large:14b, a:8b and b:8b do not fit together: a:8b would put one out
    assert await harness.drain(1) == ["large1", "b1", "a1"]


async def test_most_wait_limits_the_grouping() -> None:
    harness = SchedulerHarness(config(), inventory(budget=10))
    await harness.submit_all("A0", "B1", "A1", "A2", "A3", "A4")
    assert await harness.drain(12) == ["A0", "A1", "A2", "B1", "A3", "A4"]


async def test_a_long_overdue_queue_does_not_thrash() -> None:
    harness = SchedulerHarness(config(), inventory(budget=10))
    await harness.submit_all(*(f"{model}{n}" for n in range(30) for model in "AB"))
    order = await harness.drain(5)
    # 30 s after the last of a kind that is passed over, which was let in 5 s before the switch
    assert sum(one[0] != other[0] for one, other in pairwise(order)) <= 60 * 5 / (30 - 5)


async def test_interactive_work_goes_before_batch() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", "A1", "A2", batch=True)
    await harness.submit_all("A3", "B4")
    assert await harness.drain(1) == ["A0", "A3", "B4", "A1", "A2"]


async def test_batch_work_is_admitted_under_constant_interactive_load() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0")
    await harness.submit_all("B", batch=True)
    for n in range(1, 100):
        await harness.submit_all(f"A{n}", client=f"new{n}")
        harness.now += 1
        harness.finish(harness.admitted[0])
        await settle()
        if "B" in harness.order:
            break
    # most_wait_s later than interactive work would, and not later
    assert 30 <= harness.now <= 61


async def test_clients_take_turns_if_one_has_fifty_waiting() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all(*(f"A{n}" for n in range(51)), client="greedy")
    await harness.submit_all("A-x", "A-y", "A-z", client="modest")
    assert (await harness.drain())[:8] == ["A0", "A1", "A-x", "A2", "A-y", "A3", "A-z", "A4"]


async def test_new_clients_do_not_overtake_one_that_waits_longer() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", "A1", "A2", client="old")
    harness.finish("A0")
    await settle()
    await harness.submit_all("A3", client="new")
    assert await harness.drain() == ["A0", "A1", "A2", "A3"]
    assert (
        harness.scheduler._queues["ollama"]._served == {}
    )  # clients are forgotten once nobody waits


async def test_positions_predict_the_order_of_admission() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", client="other")
    await harness.submit_all("A1", "A2", "A3", client="greedy")
    await harness.submit_all("B4", client="other", batch=True)
    await harness.submit_all("A5", "A6", client="modest")
    foretold = [place["run_id"] for place in waiting_in(harness)]
    assert (await harness.drain())[1:] == foretold == ["A1", "A5", "A2", "A6", "A3", "B4"]


async def test_the_client_with_least_running_goes_first() -> None:
    harness = SchedulerHarness(config(parallel=2), inventory())
    await harness.submit_all("A0", "A1", "A2", client="one")
    await harness.submit_all("A3", client="two")
    harness.finish("A0")
    await settle()
    assert harness.order == ["A0", "A1", "A3"]


def test_entries_are_chosen_in_the_documented_order() -> None:
    def place(
        number: int,
        *,
        model: str = "cold",
        batch: bool = False,
        client: str = "new",
        since: float = 90.0,
    ) -> QueueEntry:
        return QueueEntry(
            SlotRequest(str(number), ModelKey("p", model), client=client, batch=batch),
            ModelKey("p", model),
            number,
            since,
        )

    warmth, running = (
        {
            ModelKey("p", "used"): IN_USE,
            ModelKey("p", "there"): LOADED,
            ModelKey("p", "cold"): COLD,
        },
        {"busy": 1},
    )
    scene = QueueSnapshot(100.0, 30.0, warmth, running, {"served": 11})
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
        best = choose_next(waiting, scene, lambda place: True)
        assert best
        waiting.remove(best)
        chosen.append(best.number)
    assert chosen == [1, 3, 2, 9, 10, 8, 7, 6, 5, 4]


PLACES = st.lists(
    st.builds(
        lambda model, client, batch, since: (
            SlotRequest("r", ModelKey("p", model), client=client, batch=batch),
            since,
        ),
        st.sampled_from("abc"),
        st.sampled_from("xyz"),
        st.booleans(),
        st.floats(0, 100),
    ),
    max_size=12,
).map(
    lambda pairs: [
        QueueEntry(ticket, ticket.model, number, since)
        for number, (ticket, since) in enumerate(sorted(pairs, key=lambda pair: pair[1]), 1)
    ]
)
MODELS = st.sampled_from("abc").map(lambda name: ("p", name))
SCENES = st.builds(
    QueueSnapshot,
    st.floats(100, 200),
    st.floats(0, 100),
    st.dictionaries(MODELS, st.sampled_from([IN_USE, LOADED])),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 4)),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 20)),
    st.dictionaries(st.tuples(MODELS, st.booleans()), st.floats(0, 200)),
)


@given(PLACES, SCENES, st.sets(MODELS))
def test_an_entry_is_chosen_if_any_can_start(
    waiting: list[QueueEntry], scene: QueueSnapshot, fits: set[ModelKey]
) -> None:
    chosen = choose_next(waiting, scene, lambda place: place.model in fits)
    able = [place for place in waiting if place.model in fits]
    assert chosen in able if able else chosen is None


@given(PLACES, SCENES)
def test_the_first_of_the_predicted_order_is_chosen(
    waiting: list[QueueEntry], scene: QueueSnapshot
) -> None:
    line = predict_order(waiting, scene)
    assert sorted(place.number for place in line) == [place.number for place in waiting]
    assert line[:1] == [
        place for place in [choose_next(waiting, scene, lambda place: True)] if place
    ]


# ---------------------------------------------------------------- too many, and too long


async def test_a_full_queue_is_busy_and_says_when_to_retry() -> None:
    harness = SchedulerHarness(config(parallel=2), inventory())
    await harness.submit_all("A-1", "A-2")
    harness.now = 4.0
    harness.finish("A-1")
    await harness.submit_all(*(f"A{n}" for n in range(66)))
    assert (
        harness.scheduler.running_count("ollama"),
        harness.scheduler.waiting_count("ollama"),
    ) == (
        2,
        64,
    )
    refused = harness.refused["A65"]
    assert (refused.code, refused.message, refused.retry_after_s) == (
        "busy",
        "64 requests are waiting for ollama already",
        60.0,
    )


async def test_the_retry_time_follows_from_recent_service_times() -> None:
    harness = SchedulerHarness(config(parallel=2, queue=2), inventory())
    await harness.submit_all("A0", "A1")
    harness.now = 4.0
    harness.finish("A0")
    await harness.submit_all("A2", "A3", "A4", "A5")
    refused = harness.refused["A5"]
    assert refused.retry_after_s == 6.0


async def test_without_a_queue_a_free_slot_is_still_used() -> None:
    harness = SchedulerHarness(config(queue=0), inventory())
    await harness.submit_all("A0", "A1")
    refused = harness.refused["A1"]
    assert harness.admitted == ["A0"]
    assert (refused.message, refused.retry_after_s) == (
        "ollama is busy, and its queue takes no requests",
        1.0,
    )


async def test_waiting_times_out() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", "A1", timeout_s=0.01)
    await harness.tasks["A1"]
    refused = harness.refused["A1"]
    assert (refused.code, refused.message, refused.retry_after_s) == (
        "busy",
        "waited 0.01 s for ollama without getting a slot",
        1.0,
    )
    assert harness.scheduler.waiting_count("ollama") == 0


async def test_an_unknown_provider_has_a_queue_too() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all(*(f"A{n}" for n in range(6)), provider="gone")
    assert (harness.scheduler.running_count("gone"), harness.scheduler.waiting_count("gone")) == (
        4,
        2,
    )


# ---------------------------------------------------------------- cancelled


async def test_a_request_cancelled_while_waiting_leaves_the_queue() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", "A1", "A2")
    harness.tasks["A1"].cancel()
    await settle()
    assert harness.scheduler.waiting_count("ollama") == 1
    assert await harness.drain() == ["A0", "A2"]


@pytest.mark.parametrize("called_first", [True, False])
async def test_a_request_cancelled_at_its_admission_passes_its_slot_on(
    called_first: bool,
) -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", "A1", "A2")
    place = next(iter(harness.scheduler._queues["ollama"].running))
    if called_first:
        harness.scheduler.release(place)
    harness.tasks["A1"].cancel()
    if not called_first:
        harness.scheduler.release(place)
    await settle()
    assert harness.tasks["A1"].cancelled()
    assert harness.admitted == ["A0", "A2"]  # A0 gave its place up above, and is still in the room
    assert harness.scheduler.running_count("ollama") == 1


async def test_a_request_cancelled_at_its_timeout_is_cancelled() -> None:
    harness = SchedulerHarness(config(), inventory("embed:1", budget=10.5))
    await harness.submit_all("large")
    place = next(iter(harness.scheduler._queues["ollama"].waiting))
    harness.tasks["large"].cancel()
    harness.scheduler._time_out(place)
    harness.scheduler.configure(without_ollama())
    await settle()
    assert harness.tasks["large"].cancelled()
    assert harness.scheduler._waiters == {}


async def test_an_error_releases_the_slot() -> None:
    harness = SchedulerHarness(config(), inventory())
    with pytest.raises(ZeroDivisionError):
        async with harness.scheduler.acquire(SlotRequest("r", ModelKey("ollama", "a:8b"))):
            _ = 1 / 0
    assert harness.scheduler.running_count("ollama") == 0


def without_ollama() -> Config:
    """The configuration without its Ollama."""
    whole = config()
    providers = {
        name: provider for name, provider in whole.models.providers.items() if name != "ollama"
    }
    return replace(whole, models=replace(whole.models, providers=providers))


# ---------------------------------------------------------------- settings, and what is shown


async def test_new_limits_apply_at_once_and_waiting_requests_stay() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", "A1", "A2", "A3")
    harness.scheduler.configure(config(parallel=3, queue=0))
    await settle()
    assert harness.admitted == ["A0", "A1", "A2"]
    assert harness.scheduler.waiting_count("ollama") == 1
    harness.scheduler.configure(config(parallel=1))
    assert await harness.drain() == ["A0", "A1", "A2", "A3"]


async def test_a_removed_provider_finishes_its_requests() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0", "A1")
    harness.scheduler.configure(without_ollama())
    assert await harness.drain() == ["A0", "A1"]
    harness.scheduler.configure(without_ollama())
    assert sorted(harness.scheduler.status()["providers"]) == ["far", "here"]


def test_providers_have_the_slots_of_their_kind() -> None:
    assert {
        name: lane["parallel"]
        for name, lane in Scheduler(config(parallel=None)).status()["providers"].items()
    } == {"far": 32, "here": 1, "ollama": 4}


async def test_health_shows_running_and_waiting_requests_with_reasons() -> None:
    harness = SchedulerHarness(config(), inventory("embed:1"))
    await harness.submit_all("a1", client="me")
    await harness.submit_all("large", client="you", batch=True)
    await harness.submit_all("a2", client="you")
    harness.now = 2.5
    lane = harness.scheduler.status()["providers"]["ollama"]
    a2 = {
        "position": 1,
        "run_id": "a2",
        "model": "a:8b",
        "client": "you",
        "priority": "interactive",
        "waited_s": 2.5,
        "reason": "its slot is in use",
        "reasons": [{"code": "slot_in_use", "params": {}}],
    }
    reason = (
        "needs 10.0 GB beside embed:1 (1.0 GB, loaded for embedding), a:8b (5.0 GB, in use), there"
        " are 12.0 GB"
    )
    params = {
        "needed_gb": 10.0,
        "models": [
            {"model": "embed:1", "gb": 1.0, "state": "embedding"},
            {"model": "a:8b", "gb": 5.0, "state": "in_use"},
        ],
        "available_gb": 12.0,
    }
    large = {
        "position": 2,
        "run_id": "large",
        "model": "large:14b",
        "client": "you",
        "priority": "batch",
        "waited_s": 2.5,
        "reason": reason,
        "reasons": [{"code": "cannot_load", "params": params}],
    }
    running = [{"run_id": "a1", "model": "a:8b", "client": "me", "for_s": 2.5}]
    assert lane == {"parallel": 1, "queue_bound": 64, "running": running, "waiting": [a2, large]}
