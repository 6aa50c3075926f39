"""A client's own number of a slot is kept from llama.cpp's server."""

from __future__ import annotations

from orch.providers.chat import ChatRequest
from orch.providers.llama_server.own_slots import names_slot, without_own_slot

MESSAGES = [{"role": "user", "content": "hi"}]


def test_a_request_that_names_no_slot_stays_the_same_one() -> None:
    request = ChatRequest("a", MESSAGES, extra={"seed": 1}, slot=1)
    assert not names_slot(request)
    assert without_own_slot(request) is request


def test_the_slot_is_left_out_of_fields_and_options_and_all_else_stays() -> None:
    for request in (
        ChatRequest("a", MESSAGES, extra={"id_slot": 0, "seed": 1}, slot=1),
        ChatRequest("a", MESSAGES, options={"id_slot": 0, "seed": 1}, slot=1),
    ):
        assert names_slot(request)
        cleared = without_own_slot(request)
        assert {**cleared.extra, **cleared.options} == {"seed": 1}
        assert cleared.slot == 1
