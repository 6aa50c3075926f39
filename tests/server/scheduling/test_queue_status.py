"""The status of a queue: who runs, who waits in which order, and why."""

from __future__ import annotations

from typing import Any

from tests.support.scheduler_harness import SchedulerHarness, config, inventory, waiting_in


def reason_codes(harness: SchedulerHarness, provider: str = "ollama") -> list[str]:
    return [entry["reasons"][0]["code"] for entry in waiting_in(harness, provider)]


async def test_running_and_waiting_requests_are_listed_without_their_prompts() -> None:
    harness = SchedulerHarness(config(), inventory(budget=20))
    await harness.submit_all("A1", client="laptop")
    harness.now = 2.0
    await harness.submit_all("A2", batch=True, client="ci")
    harness.now = 5.0
    status: dict[str, Any] = harness.scheduler.status()["providers"]["ollama"]
    assert (status["parallel"], status["queue_bound"]) == (1, 64)
    assert status["running"] == [
        {"run_id": "A1", "model": "a:8b", "client": "laptop", "for_s": 5.0}
    ]
    (waiting,) = status["waiting"]
    assert {name: waiting[name] for name in ("run_id", "client", "priority", "waited_s")} == {
        "run_id": "A2",
        "client": "ci",
        "priority": "batch",
        "waited_s": 3.0,
    }
    await harness.drain()


async def test_waiting_requests_are_listed_in_their_predicted_order() -> None:
    harness = SchedulerHarness(config(), inventory(budget=10))
    await harness.submit_all("A1", "B1", "A2")
    assert [(entry["position"], entry["run_id"]) for entry in waiting_in(harness)] == [
        (1, "A2"),
        (2, "B1"),
    ]
    await harness.drain()


async def test_a_request_waits_for_a_slot_or_for_one_of_several() -> None:
    for parallel, code in ((1, "slot_in_use"), (2, "slots_in_use")):
        harness = SchedulerHarness(config(parallel), inventory(budget=20))
        await harness.submit_all("A1", "A2", "A3")
        assert set(reason_codes(harness)) == {code}
        assert waiting_in(harness)[0]["reason"]
        await harness.drain()


async def test_a_request_that_does_not_fit_waits_for_memory() -> None:
    harness = SchedulerHarness(config(2), inventory(budget=10))
    await harness.submit_all("A1", "B1")
    assert reason_codes(harness) == ["cannot_load"]
    await harness.drain()


async def test_a_request_that_fits_waits_for_an_overdue_one() -> None:
    harness = SchedulerHarness(config(3), inventory("a:8b", budget=12))
    await harness.submit_all("A1", "large1")
    harness.now = 31.0
    await harness.submit_all("A2")
    (overtaken,) = (entry for entry in waiting_in(harness) if entry["run_id"] == "A2")
    assert overtaken["reasons"] == [{"code": "overtaken", "params": {"model": "large:14b"}}]
    await harness.drain()
