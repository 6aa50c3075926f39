"""Several addresses of a provider: the least busy one is asked, a failing one rests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orch.backends.addresses import LONGEST_COOLDOWN_S, Addresses
from orch.backends.messages import for_ollama, for_openai
from orch.backends.ollama import OllamaBackend
from orch.config.spec import Provider
from tests.fakes.ollama import FakeModel, FakeOllama, Fault

A, B, C = "http://a", "http://b", "http://c"


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def addresses(clock: Clock | None = None) -> Addresses:
    return Addresses([A, B, C], clock or Clock())


def test_the_least_busy_address_is_first() -> None:
    known = addresses()
    known.began(A)
    known.began(A)
    known.began(B)
    assert known.order() == [C, B, A]


def test_a_fast_failure_is_not_idleness() -> None:
    known = addresses()
    known.began(A)
    known.ended(A, failed=True)
    assert known.order()[-1] == A


def test_it_rests_longer_after_each_failure_up_to_a_bound() -> None:
    clock = Clock()
    known = addresses(clock)
    rests = []
    for _ in range(8):
        known.began(A)
        known.ended(A, failed=True)
        rests.append(known.status()[0]["rests_s"])
    assert rests[:4] == [1.0, 2.0, 4.0, 8.0]
    assert rests[-1] == LONGEST_COOLDOWN_S


def test_one_request_finds_out_whether_it_is_well_again() -> None:
    clock = Clock()
    known = addresses(clock)
    known.began(A)
    known.ended(A, failed=True)
    clock.now += 2
    for url in (B, C):
        known.began(url)
    known.began(A)
    assert known.order()[-1] == A  # others wait for what the probe finds
    known.ended(A, failed=False)
    assert known.order()[0] == A


def test_a_server_may_ask_for_a_longer_rest() -> None:
    known = addresses()
    known.began(A)
    known.ended(A, failed=True, retry_after_s=20)
    assert known.status()[0]["rests_s"] == 20


def test_a_conversation_keeps_its_address_unless_that_is_much_busier() -> None:
    known = addresses()
    own = known.order("conversation 1")[0]
    known.began(own)
    known.began(own)
    assert known.order("conversation 1")[0] == own
    known.began(own)
    assert known.order("conversation 1")[0] != own


def test_conversations_spread_over_the_addresses() -> None:
    known = addresses()
    assert {known.order(f"conversation {number}")[0] for number in range(40)} == {A, B, C}


def test_when_all_rest_the_one_that_is_back_soonest_is_tried() -> None:
    known = addresses()
    for url, wait in ((A, 30), (B, 10), (C, 20)):
        known.began(url)
        known.ended(url, failed=True, retry_after_s=wait)
    assert known.order() == [B, C, A]


async def test_requests_go_where_fast_errors_do_not_come_from() -> None:
    busy = FakeModel("m", faults=[Fault("status", status=503, times=-1)])
    with FakeOllama([busy]) as broken, FakeOllama([FakeModel("m")]) as well:
        backend = OllamaBackend(Provider(kind="ollama", base_urls=(broken.url, well.url)))
        broken.server_status = Fault("status", status=503, times=-1)
        for _ in range(6):
            assert await backend.health()
        await backend.aclose()
    assert len(broken.requests) == 1


CALL = {"id": "c9", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TALK: list[dict[str, Any]] = [
    {"role": "developer", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c9", "content": "2"},
]


def test_a_conversation_of_openai_becomes_one_of_ollama() -> None:
    system, user, assistant, tool = for_ollama(TALK)
    assert system["role"] == "system"
    assert (user["content"], user["images"]) == ("look", ["QUJD"])
    assert assistant["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert (assistant["content"], tool["tool_name"]) == ("", "add")


def test_a_conversation_of_ollama_becomes_one_of_openai() -> None:
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    user, assistant, tool = for_openai(
        [
            {"role": "user", "content": "look", "images": ["QUJD"]},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_name": "add", "content": "2"},
        ]
    )
    assert user["content"][1]["image_url"]["url"].endswith("base64,QUJD")
    assert assistant["tool_calls"][0]["function"]["arguments"] == '{"a": 1}'
    assert tool["tool_call_id"] == assistant["tool_calls"][0]["id"]
