"""Several addresses of a provider: the least busy one is asked, a failing one rests and comes back,
a conversation keeps its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.load_balancer import MAX_COOLDOWN_S, MAX_RETRY_AFTER_S, LoadBalancer
from orch.providers.ollama import OllamaClient
from orch.types import ChatRequest
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

A, B, C = "http://a", "http://b", "http://c"
NOBODY = "http://127.0.0.1:9"


@dataclass
class Clock:
    """Stands still until told."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(clock: Clock) -> LoadBalancer:
    return LoadBalancer([A, B, C], clock)


def ask(
    known: LoadBalancer, url: str, *, failed: bool = False, retry_after_s: float | None = None
) -> None:
    """One whole request."""
    visit = known.start(url)
    if not failed:
        visit.mark_answered()
    visit.finish(failed=failed, retry_after_s=retry_after_s)


def rest_of(known: LoadBalancer, url: str) -> float:
    """Seconds that an address still rests."""
    return next(float(row["rests_s"]) for row in known.status() if row["url"] == url)


# ---------------------------------------------------------------- load


def test_the_first_address_is_taken_while_none_is_busy(known: LoadBalancer) -> None:
    assert known.order() == [A, B, C]


def test_the_least_busy_address_is_first(known: LoadBalancer) -> None:
    for url in (A, A, B):
        known.start(url)
    assert known.order() == [C, B, A]


def test_a_request_counts_until_its_body_ends(known: LoadBalancer) -> None:
    visit = known.start(A)
    visit.mark_answered()
    assert known.order()[-1] == A
    visit.finish()
    assert known.order()[0] == A


def test_a_fast_failure_is_not_idleness(known: LoadBalancer, clock: Clock) -> None:
    ask(known, A, failed=True)
    assert known.order()[-1] == A
    clock.now += 2
    ask(known, A)
    known.start(B)
    known.start(C)
    assert known.order()[-1] == A  # it works again, and still gets less to do for a while
    clock.now += 120
    assert known.order()[0] == A


# ---------------------------------------------------------------- rest and return


def test_it_rests_longer_after_each_failure_up_to_a_bound(
    known: LoadBalancer, clock: Clock
) -> None:
    rests = []
    for _ in range(8):
        ask(known, A, failed=True)
        rests.append(rest_of(known, A))
        clock.now += rests[-1]
    assert rests == [1, 2, 4, 8, 16, MAX_COOLDOWN_S, MAX_COOLDOWN_S, MAX_COOLDOWN_S]


def test_a_success_makes_good_for_all_failures_before(known: LoadBalancer, clock: Clock) -> None:
    for _ in range(3):
        ask(known, A, failed=True)
        clock.now += rest_of(known, A)
    ask(known, A)
    ask(known, A, failed=True)
    assert rest_of(known, A) == 1


def test_what_fails_together_is_one_failure(known: LoadBalancer) -> None:
    visits = [known.start(A) for _ in range(50)]
    for visit in visits:
        visit.finish(failed=True)
    assert (rest_of(known, A), known.status()[0]["failures"], known.status()[0]["in_flight"]) == (
        1,
        1,
        0,
    )


def test_an_answer_to_an_older_request_does_not_end_a_rest(
    known: LoadBalancer, clock: Clock
) -> None:
    older = known.start(A)
    clock.now += 1
    ask(known, A, failed=True)  # it is full: those it took in go on, new ones get a fast 503
    older.mark_answered()
    older.finish()
    assert known.order()[-1] == A


@pytest.mark.parametrize(
    ("asked", "rest"), [(20, 20), (3_600, MAX_RETRY_AFTER_S), (0, 1), (None, 1)]
)
def test_a_server_may_ask_for_a_longer_rest(
    known: LoadBalancer, asked: float | None, rest: float
) -> None:
    ask(known, A, failed=True, retry_after_s=asked)
    assert rest_of(known, A) == rest


def test_after_its_rest_one_request_finds_out_how_it_is(known: LoadBalancer, clock: Clock) -> None:
    ask(known, A, failed=True)
    clock.now += 1
    assert known.order()[0] == A
    probe = known.start(A)
    assert known.order() == [B, C, A]  # the others go elsewhere
    probe.mark_answered()
    assert known.order()[0] != A  # it is well, and busy with the probe
    known.start(B)
    known.start(B)
    known.start(B)
    assert known.order().index(A) < known.order().index(B)


def test_a_probe_that_fails_lets_it_rest_for_longer(known: LoadBalancer, clock: Clock) -> None:
    ask(known, A, failed=True)
    clock.now += 1
    ask(known, A, failed=True)
    assert (rest_of(known, A), known.order()[-1]) == (2, A)


def test_a_probe_that_was_given_up_tells_nothing_and_the_next_one_tries(
    known: LoadBalancer, clock: Clock
) -> None:
    ask(known, A, failed=True)
    clock.now += 1
    known.start(A).finish()
    assert (known.order()[0], known.status()[0]["failures"]) == (A, 1)


def test_when_all_rest_the_one_that_is_back_soonest_is_tried(known: LoadBalancer) -> None:
    for url, wait in ((A, 30), (B, 10), (C, 20)):
        ask(known, url, failed=True, retry_after_s=wait)
    assert known.order() == [B, C, A]


# ---------------------------------------------------------------- conversations


def test_a_conversation_keeps_its_address_unless_that_is_much_busier(known: LoadBalancer) -> None:
    own = known.order("conversation 1")[0]
    known.start(own)
    known.start(own)
    assert known.order("conversation 1")[0] == own
    known.start(own)
    assert known.order("conversation 1")[0] != own


def test_conversations_spread_over_the_addresses(known: LoadBalancer) -> None:
    assert {known.order(f"conversation {number}")[0] for number in range(40)} == {A, B, C}


def test_conversations_of_an_address_that_rests_come_back_to_it(
    known: LoadBalancer, clock: Clock
) -> None:
    names = [f"conversation {number}" for number in range(40)]
    before = {name: known.order(name)[0] for name in names}
    ask(known, A, failed=True)
    during = {name: known.order(name)[0] for name in names}
    assert {name for name in names if during[name] != before[name]} == {
        name for name in names if before[name] == A
    }
    clock.now += 1
    assert {name: known.order(name)[0] for name in names} == before


# ---------------------------------------------------------------- with servers


REQUEST = ChatRequest("m", [{"role": "user", "content": "hi"}])


@asynccontextmanager
async def backend_at(*urls: str) -> AsyncIterator[OllamaClient]:
    backend = OllamaClient(Provider(kind="ollama", base_urls=urls), concurrent=True)
    try:
        yield backend
    finally:
        await backend.aclose()


async def say(backend: OllamaClient, request: ChatRequest = REQUEST) -> str:
    return "".join([delta.content async for delta in backend.chat(request)])


async def test_requests_go_where_fast_errors_do_not_come_from() -> None:
    with (
        FakeOllama([FakeModel("m", faults=[Fault("status", status=503, times=-1)])]) as broken,
        FakeOllama([FakeModel("m")]) as well,
    ):
        async with backend_at(broken.url, well.url) as backend:
            assert [await say(backend) for _ in range(6)] == ["Hello world"] * 6
    assert (len(broken.chats()), len(well.chats())) == (1, 6)


async def test_an_address_that_had_one_failure_is_used_again() -> None:
    with (
        FakeOllama([FakeModel("m", faults=[Fault("status", status=503, retry_after="0")])]) as one,
        FakeOllama([FakeModel("m")]) as other,
    ):
        async with backend_at(one.url, other.url) as backend:
            async with asyncio.timeout(20):
                while len(one.chats()) < 2:  # its rest of a second is real time
                    assert await say(backend) == "Hello world"
                    await asyncio.sleep(0.05)
    assert other.chats()


@pytest.mark.parametrize(
    ("fault", "failures"),
    [
        (Fault("cut", after=1), 1),
        (Fault("status", status=400), 0),
        (Fault("status", status=502), 1),
    ],
    ids=str,
)
async def test_breaks_and_gateway_errors_are_failures_and_refusals_are_not(
    fault: Fault, failures: int
) -> None:
    with FakeOllama([FakeModel("m", faults=[fault])]) as server:
        async with backend_at(server.url) as backend:
            with pytest.raises(ProviderError):
                await say(backend)
            assert [(row["failures"], row["in_flight"]) for row in backend.addresses()] == [
                (failures, 0)
            ]


async def test_a_caller_who_leaves_does_not_count_as_a_failure() -> None:
    with FakeOllama([FakeModel("m", chunk_delay_s=5)]) as server:
        async with backend_at(server.url) as backend:
            async with aclosing(backend.chat(REQUEST)) as deltas:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(deltas), 0.2)
            assert [(row["failures"], row["in_flight"]) for row in backend.addresses()] == [(0, 0)]


async def test_requests_at_once_are_shared_out() -> None:
    with (
        FakeOllama([FakeModel("m", chunk_delay_s=0.05)]) as one,
        FakeOllama([FakeModel("m", chunk_delay_s=0.05)]) as other,
    ):
        async with backend_at(one.url, other.url) as backend:
            await asyncio.gather(*(say(backend) for _ in range(8)))
    assert len(one.chats()) == len(other.chats()) == 4


async def test_what_is_installed_and_what_is_loaded_is_asked_at_the_same_address() -> None:
    with FakeOllama([FakeModel("m")]) as one, FakeOllama([FakeModel("m")]) as other:
        one.resident["m:latest"] = 4096
        async with backend_at(one.url, other.url) as backend:
            assert [item.resident for item in await backend.installed()] == [True]


async def test_a_model_is_unloaded_at_every_address_that_is_there() -> None:
    with FakeOllama([FakeModel("m")]) as one, FakeOllama([FakeModel("m")]) as other:
        async with backend_at(NOBODY, one.url, other.url) as backend:
            one.resident["m:latest"] = other.resident["m:latest"] = 4096
            await backend.unload("m")
    assert (one.resident, other.resident) == ({}, {})


async def test_unloading_fails_where_no_address_is_there() -> None:
    async with backend_at(NOBODY, "http://127.0.0.1:1") as backend:
        with pytest.raises(ProviderError, match="can't connect"):
            await backend.unload("m")
