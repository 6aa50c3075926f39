"""The load balancer: the least busy address is used, a failing one cools down and is probed, a
conversation keeps its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.providers.load_balancer import MAX_COOLDOWN_S, MAX_RETRY_AFTER_S, LoadBalancer
from orch.providers.ollama.client import OllamaClient
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

A, B, C = "http://a", "http://b", "http://c"
UNREACHABLE = "http://127.0.0.1:9"


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def balancer(clock: Clock) -> LoadBalancer:
    return LoadBalancer([A, B, C], clock)


def ask(
    balancer: LoadBalancer, url: str, *, failed: bool = False, retry_after_s: float | None = None
) -> None:
    """A complete request."""
    request = balancer.start(url)
    if not failed:
        request.mark_answered()
    request.finish(failed=failed, retry_after_s=retry_after_s)


def cooldown_of(balancer: LoadBalancer, url: str) -> float:
    """Seconds of cooldown that an address has left."""
    return next(float(row["rests_s"]) for row in balancer.status() if row["url"] == url)


# ---------------------------------------------------------------- load


def test_the_first_address_is_used_while_all_are_idle(balancer: LoadBalancer) -> None:
    assert balancer.order() == [A, B, C]


def test_the_least_busy_address_is_first(balancer: LoadBalancer) -> None:
    for url in (A, A, B):
        balancer.start(url)
    assert balancer.order() == [C, B, A]


def test_a_request_counts_until_its_body_ends(balancer: LoadBalancer) -> None:
    request = balancer.start(A)
    request.mark_answered()
    assert balancer.order()[-1] == A
    request.finish()
    assert balancer.order()[0] == A


def test_an_address_that_fails_fast_does_not_count_as_idle(
    balancer: LoadBalancer, clock: Clock
) -> None:
    ask(balancer, A, failed=True)
    assert balancer.order()[-1] == A
    clock.now += 2
    ask(balancer, A)
    balancer.start(B)
    balancer.start(C)
    assert balancer.order()[-1] == A  # it works again, and still gets fewer requests for a while
    clock.now += 120
    assert balancer.order()[0] == A


# ---------------------------------------------------------------- cooldown


def test_the_cooldown_doubles_with_each_failure_up_to_a_limit(
    balancer: LoadBalancer, clock: Clock
) -> None:
    cooldowns = []
    for _ in range(8):
        ask(balancer, A, failed=True)
        cooldowns.append(cooldown_of(balancer, A))
        clock.now += cooldowns[-1]
    assert cooldowns == [1, 2, 4, 8, 16, MAX_COOLDOWN_S, MAX_COOLDOWN_S, MAX_COOLDOWN_S]


def test_a_success_resets_the_failures(balancer: LoadBalancer, clock: Clock) -> None:
    for _ in range(3):
        ask(balancer, A, failed=True)
        clock.now += cooldown_of(balancer, A)
    ask(balancer, A)
    ask(balancer, A, failed=True)
    assert cooldown_of(balancer, A) == 1


def test_requests_that_fail_together_count_as_one_failure(balancer: LoadBalancer) -> None:
    requests = [balancer.start(A) for _ in range(50)]
    for request in requests:
        request.finish(failed=True)
    assert (
        cooldown_of(balancer, A),
        balancer.status()[0]["failures"],
        balancer.status()[0]["in_flight"],
    ) == (
        1,
        1,
        0,
    )


def test_an_answer_to_an_older_request_does_not_end_a_cooldown(
    balancer: LoadBalancer, clock: Clock
) -> None:
    older = balancer.start(A)
    clock.now += 1
    ask(balancer, A, failed=True)  # it is full: accepted requests go on, new ones get a fast 503
    older.mark_answered()
    older.finish()
    assert balancer.order()[-1] == A


@pytest.mark.parametrize(
    ("asked", "rest"), [(20, 20), (3_600, MAX_RETRY_AFTER_S), (0, 1), (None, 1)]
)
def test_a_server_may_ask_for_a_longer_cooldown(
    balancer: LoadBalancer, asked: float | None, rest: float
) -> None:
    ask(balancer, A, failed=True, retry_after_s=asked)
    assert cooldown_of(balancer, A) == rest


def test_after_the_cooldown_one_request_probes_the_address(
    balancer: LoadBalancer, clock: Clock
) -> None:
    ask(balancer, A, failed=True)
    clock.now += 1
    assert balancer.order()[0] == A
    probe = balancer.start(A)
    assert balancer.order() == [B, C, A]  # the others go elsewhere
    probe.mark_answered()
    assert balancer.order()[0] != A  # it is healthy, and busy with the probe
    balancer.start(B)
    balancer.start(B)
    balancer.start(B)
    assert balancer.order().index(A) < balancer.order().index(B)


def test_a_failed_probe_extends_the_cooldown(balancer: LoadBalancer, clock: Clock) -> None:
    ask(balancer, A, failed=True)
    clock.now += 1
    ask(balancer, A, failed=True)
    assert (cooldown_of(balancer, A), balancer.order()[-1]) == (2, A)


def test_a_cancelled_probe_changes_nothing_and_the_next_request_probes(
    balancer: LoadBalancer, clock: Clock
) -> None:
    ask(balancer, A, failed=True)
    clock.now += 1
    balancer.start(A).finish()
    assert (balancer.order()[0], balancer.status()[0]["failures"]) == (A, 1)


def test_when_all_cool_down_the_one_that_ends_first_is_tried(balancer: LoadBalancer) -> None:
    for url, wait in ((A, 30), (B, 10), (C, 20)):
        ask(balancer, url, failed=True, retry_after_s=wait)
    assert balancer.order() == [B, C, A]


def test_an_answer_in_the_instant_of_a_failure_ends_the_cooldown(balancer: LoadBalancer) -> None:
    ask(balancer, A, failed=True)
    ask(balancer, A)  # all addresses may be cooling down, and one is asked nevertheless
    assert (cooldown_of(balancer, A), balancer.status()[0]["failures"]) == (0, 0)


def test_the_rest_of_a_cooldown_is_told_to_a_tenth_of_a_second(
    balancer: LoadBalancer, clock: Clock
) -> None:
    ask(balancer, A, failed=True)
    clock.now += 0.26
    assert cooldown_of(balancer, A) == 0.7


def test_the_fixed_order_is_the_configured_one_without_addresses_that_cool_down(
    balancer: LoadBalancer, clock: Clock
) -> None:
    balancer.start(A)
    assert balancer.fixed_order() == [A, B, C]
    ask(balancer, A, failed=True)
    assert balancer.fixed_order() == [B, C, A]
    clock.now += 1
    assert balancer.fixed_order() == [A, B, C]


# ---------------------------------------------------------------- conversations


def test_a_conversation_keeps_its_address_unless_it_is_much_busier(balancer: LoadBalancer) -> None:
    own = balancer.order("conversation 1")[0]
    balancer.start(own)
    balancer.start(own)
    assert balancer.order("conversation 1")[0] == own
    balancer.start(own)
    assert balancer.order("conversation 1")[0] != own


def test_conversations_spread_over_the_addresses(balancer: LoadBalancer) -> None:
    assert {balancer.order(f"conversation {number}")[0] for number in range(40)} == {A, B, C}


def test_conversations_return_to_their_address_after_its_cooldown(
    balancer: LoadBalancer, clock: Clock
) -> None:
    names = [f"conversation {number}" for number in range(40)]
    before = {name: balancer.order(name)[0] for name in names}
    ask(balancer, A, failed=True)
    during = {name: balancer.order(name)[0] for name in names}
    assert {name for name in names if during[name] != before[name]} == {
        name for name in names if before[name] == A
    }
    clock.now += 1
    assert {name: balancer.order(name)[0] for name in names} == before


# ---------------------------------------------------------------- with servers


REQUEST = ChatRequest("m", [{"role": "user", "content": "hi"}])


@asynccontextmanager
async def client_at(*urls: str) -> AsyncIterator[OllamaClient]:
    client = OllamaClient(Provider(kind="ollama", base_urls=urls), concurrent=True)
    try:
        yield client
    finally:
        await client.aclose()


async def say(client: OllamaClient, request: ChatRequest = REQUEST) -> str:
    return "".join([delta.content async for delta in client.chat(request)])


@pytest.mark.usefixtures("both_transports")
async def test_requests_avoid_an_address_that_fails_fast() -> None:
    with (
        FakeOllama([FakeModel("m", faults=[Fault("status", status=503, times=-1)])]) as broken,
        FakeOllama([FakeModel("m")]) as well,
    ):
        async with client_at(broken.url, well.url) as client:
            assert [await say(client) for _ in range(6)] == ["Hello world"] * 6
    assert (len(broken.chats()), len(well.chats())) == (1, 6)


async def test_an_address_with_one_failure_is_used_again() -> None:
    with (
        FakeOllama([FakeModel("m", faults=[Fault("status", status=503, retry_after="0")])]) as one,
        FakeOllama([FakeModel("m")]) as other,
    ):
        async with client_at(one.url, other.url) as client:
            async with asyncio.timeout(20):
                while len(one.chats()) < 2:  # the cooldown of a second is real time
                    assert await say(client) == "Hello world"
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
@pytest.mark.usefixtures("both_transports")
async def test_broken_connections_and_gateway_errors_are_failures_and_rejections_are_not(
    fault: Fault, failures: int
) -> None:
    with FakeOllama([FakeModel("m", faults=[fault])]) as server:
        async with client_at(server.url) as client:
            with pytest.raises(ProviderError):
                await say(client)
            assert [(row["failures"], row["in_flight"]) for row in client.addresses()] == [
                (failures, 0)
            ]


@pytest.mark.usefixtures("both_transports")
async def test_a_cancelled_request_is_not_a_failure() -> None:
    with FakeOllama([FakeModel("m", chunk_delay_s=5)]) as server:
        async with client_at(server.url) as client:
            async with aclosing(client.chat(REQUEST)) as deltas:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(deltas), 0.2)
            assert [(row["failures"], row["in_flight"]) for row in client.addresses()] == [(0, 0)]


@pytest.mark.usefixtures("both_transports")
async def test_concurrent_requests_are_distributed() -> None:
    with (
        FakeOllama([FakeModel("m", chunk_delay_s=0.05)]) as one,
        FakeOllama([FakeModel("m", chunk_delay_s=0.05)]) as other,
    ):
        async with client_at(one.url, other.url) as client:
            await asyncio.gather(*(say(client) for _ in range(8)))
    assert len(one.chats()) == len(other.chats()) == 4


@pytest.mark.usefixtures("both_transports")
async def test_installed_and_loaded_models_are_read_from_the_same_address() -> None:
    with FakeOllama([FakeModel("m")]) as one, FakeOllama([FakeModel("m")]) as other:
        one.resident["m:latest"] = 4096
        async with client_at(one.url, other.url) as client:
            assert [item.resident for item in await client.installed()] == [True]


@pytest.mark.usefixtures("both_transports")
async def test_a_model_is_unloaded_at_every_reachable_address() -> None:
    with FakeOllama([FakeModel("m")]) as one, FakeOllama([FakeModel("m")]) as other:
        async with client_at(UNREACHABLE, one.url, other.url) as client:
            one.resident["m:latest"] = other.resident["m:latest"] = 4096
            await client.unload("m")
    assert (one.resident, other.resident) == ({}, {})


@pytest.mark.usefixtures("both_transports")
async def test_unloading_fails_if_no_address_is_reachable() -> None:
    async with client_at(UNREACHABLE, "http://127.0.0.1:1") as client:
        with pytest.raises(ProviderError, match="can't connect"):
            await client.unload("m")


# ---------------------------------------------------------------- what is cached where


def test_the_address_that_has_the_prompt_cached_is_first(balancer: LoadBalancer) -> None:
    own = balancer.order("session")[0]
    other = next(url for url in (A, B, C) if url != own)
    assert balancer.order("session", other)[0] == other
    assert sorted(balancer.order("session", other)) == [A, B, C]


def test_a_cache_is_not_worth_a_much_busier_address_or_one_that_fails(
    balancer: LoadBalancer, clock: Clock
) -> None:
    for _ in range(3):
        balancer.start(C)
    assert balancer.order("", C)[0] == A
    ask(balancer, B, failed=True)
    assert balancer.order("", B)[0] == A
    assert balancer.order("", "http://gone")[0] == A


def test_an_answer_s_url_tells_its_address(balancer: LoadBalancer) -> None:
    assert balancer.address_of("http://b/api/chat") == B
    assert balancer.address_of("http://bb/api/chat") == ""


@pytest.mark.parametrize("number", [1, 2])
async def test_the_end_of_an_answer_tells_the_address_where_there_are_several(
    ollama: FakeOllama, number: int
) -> None:
    ollama.add(FakeModel("m"))
    urls = (ollama.url, UNREACHABLE)[:number]
    client = OllamaClient(Provider(kind="ollama", base_urls=urls))
    request = ChatRequest("m", [{"role": "user", "content": "hi"}], address=ollama.url)
    async with aclosing(client.chat(request)) as deltas:
        ends = [delta.completion.address async for delta in deltas if delta.completion]
    await client.aclose()
    assert ends == [ollama.url if number > 1 else ""]
