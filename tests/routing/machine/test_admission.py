"""Requests for slots, and the admission of a process of its own."""

from __future__ import annotations

from dataclasses import replace

from orch.routing.machine.admission import NoQueue, SlotRequest, slot_request, turn_of
from orch.routing.model_state import required_memory
from orch.text.prompt import Task
from orch.types import FIRST_TOKEN_TIMEOUT_S, ModelKey, Need
from tests.support.scoring import HI, state


def test_a_request_names_the_run_the_model_and_whose_it_is() -> None:
    task = Task(text="hi", client="bob", batch=True)
    request = slot_request(state("a"), HI, task, "run 1")
    assert (request.run_id, request.model) == ("run 1", ModelKey("ollama", "a"))
    assert (request.client, request.batch, request.embeds) == ("bob", True, False)


def test_the_footprint_is_that_of_the_context_which_the_task_needs() -> None:
    model = state("a", size_bytes=10**9, kv_bytes_per_token=100_000)
    short = slot_request(model, HI, Task(text="hi")).footprint_bytes
    long = slot_request(model, Need(prompt_tokens=20_000), Task(text="long")).footprint_bytes
    assert short == required_memory(model, 8_192)
    assert long == required_memory(model, 32_768)


def test_a_request_waits_as_long_as_the_task_does() -> None:
    assert slot_request(state("a"), HI, Task(text="hi", timeout_s=7.0)).timeout_s == 7.0
    assert slot_request(state("a"), HI, Task(text="hi")).timeout_s == FIRST_TOKEN_TIMEOUT_S


async def test_without_a_queue_every_request_gets_a_slot_at_once() -> None:
    admission, request = NoQueue(), SlotRequest("run", ModelKey("ollama", "a"))
    async with admission.acquire(request), admission.acquire(request):
        assert admission.wait_reason(request) is None


def test_a_turn_is_kept_by_its_conversation_where_several_have_one_session() -> None:
    task = Task(text="", session="s", turn="1")
    keys = {turn_of(each) for each in (task, replace(task, turn="2"), replace(task, turn=""))}
    assert len(keys) == 3
    assert turn_of(Task(text="", affinity="a")) == "a"
    assert turn_of(replace(task, chore="title")) == ""
