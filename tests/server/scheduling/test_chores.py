"""Chores in the queue: behind people, before batch, never in the place of a turn in progress."""

from __future__ import annotations

import pytest

from orch.routing.machine.admission import SlotRequest
from orch.types import ModelKey
from tests.support.scheduler_harness import SchedulerHarness, config, inventory, settle, waiting_in


async def test_people_go_before_chores_and_these_before_batch() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("A0")
    await harness.submit_all("A1", batch=True)
    await harness.submit_all("A2", chore=True)
    await harness.submit_all("A3")
    assert await harness.drain(1) == ["A0", "A3", "A2", "A1"]


async def test_a_chore_never_becomes_overdue() -> None:
    harness = SchedulerHarness(config(most_wait="30s"), inventory())
    await harness.submit_all("A0")
    await harness.submit_all("A1", chore=True)
    harness.now = 1_000
    await harness.submit_all("A2")
    assert await harness.drain(1) == ["A0", "A2", "A1"]


async def test_a_chore_waits_between_the_steps_of_a_turn_for_its_end() -> None:
    harness = SchedulerHarness(config(), inventory("a:8b"))
    await harness.submit_all("A1", session="agent")
    harness.scheduler.end_step("agent", goes_on=True)
    harness.finish("A1")
    await settle()
    await harness.submit_all("A2", chore=True)
    assert (harness.admitted, waiting_in(harness)[0]["priority"]) == ([], "chore")
    assert waiting_in(harness)[0]["reasons"] == [{"code": "turn_in_progress", "params": {}}]
    await harness.submit_all("A3", session="agent")
    assert harness.admitted == ["A3"]
    harness.finish("A3")
    await settle()
    assert harness.admitted == []  # the turn's end is told behind its slot's
    harness.scheduler.end_step("agent", goes_on=False)
    await settle()
    assert harness.admitted == ["A2"]


async def test_a_person_waits_for_no_turn_and_a_chore_of_another_model_neither() -> None:
    harness = SchedulerHarness(config(), inventory("a:8b", "b:8b"))
    await _in_turn(harness)
    await harness.submit_all("A2")
    harness.finish("A2")
    await settle()
    await harness.submit_all("B3", chore=True)
    assert harness.order == ["A1", "A2", "B3"]


@pytest.mark.parametrize(("parallel", "slots"), [(2, None), (1, 2)])
async def test_where_there_are_two_slots_a_chore_takes_the_other_one(
    parallel: int, slots: int | None
) -> None:
    harness = SchedulerHarness(config(parallel), inventory("a:8b"))
    await _in_turn(harness)
    await harness.submit_all("A2", chore=True, slots=slots)
    assert harness.admitted == ["A2"]


async def test_after_its_time_a_chore_is_told_to_come_back() -> None:
    harness = SchedulerHarness(config(), inventory("a:8b"))
    await _in_turn(harness)
    await harness.submit_all("A2", chore=True, timeout_s=0.01)
    await harness.tasks["A2"]
    refused = harness.refused["A2"]
    assert (refused.code, refused.retry_after_s) == ("turn_in_progress", 1.0)
    assert "a:8b is in the middle of a turn" in refused.message


async def test_a_chore_that_found_every_slot_busy_is_told_so() -> None:
    harness = SchedulerHarness(config(), inventory("a:8b"))
    await harness.submit_all("A1")
    await harness.submit_all("A2", chore=True, timeout_s=0.01)
    await harness.tasks["A2"]
    message = harness.refused["A2"].message
    assert message == "a client's chore waited 0.01 s for ollama without getting a slot"


async def test_a_turn_that_was_forgotten_meanwhile_lets_the_chore_start() -> None:
    harness = SchedulerHarness(config(), inventory("a:8b"))
    await _in_turn(harness)
    await harness.submit_all("A2", chore=True, timeout_s=0.01)
    harness.now = 121
    while harness.tasks["A2"] and not harness.admitted:
        await settle()
        assert not harness.tasks["A2"].done()
    assert harness.admitted == ["A2"]


async def test_chores_leave_no_person_without_a_place_in_the_queue() -> None:
    harness = SchedulerHarness(config(queue=2), inventory())
    await harness.submit_all("A0")
    await harness.submit_all("A1", "A2", "A3", chore=True)
    assert harness.refused["A3"].code == "turn_in_progress"
    assert "2 requests are waiting" in harness.refused["A3"].message
    await harness.submit_all("A4", "A5", "A6")
    assert sorted(harness.refused) == ["A1", "A2", "A3", "A6"]
    assert harness.refused["A6"].code == "busy"
    assert "a person's request took the place" in harness.refused["A1"].message
    assert await harness.drain() == ["A0", "A4", "A5"]


async def test_a_chore_unloads_no_model_that_a_turn_uses() -> None:
    harness = SchedulerHarness(config(4), inventory("a:8b", budget=10))
    await _in_turn(harness)
    await harness.submit_all("B2", chore=True)
    assert harness.admitted == []
    key = ModelKey("ollama", "b:8b")
    request = SlotRequest("B2", key, 6_000_000_000, chore=True)
    assert "a:8b" in harness.wait_text(request)
    assert harness.wait_text(request._replace(chore=False)) == ""
    harness.scheduler.end_step("agent", goes_on=False)
    await settle()
    assert harness.admitted == ["B2"]


async def test_what_is_in_a_turn_is_told_until_its_end() -> None:
    harness = SchedulerHarness(config(), inventory("a:8b"))
    await _in_turn(harness)
    assert harness.scheduler.in_turn() == {ModelKey("ollama", "a:8b")}
    harness.scheduler.end_step("agent", goes_on=False)
    assert not harness.scheduler.in_turn()


async def _in_turn(harness: SchedulerHarness) -> None:
    """A session ran a step on a:8b, and its client runs the tools."""
    await harness.submit_all("A1", session="agent")
    harness.scheduler.end_step("agent", goes_on=True)
    harness.finish("A1")
    await settle()
