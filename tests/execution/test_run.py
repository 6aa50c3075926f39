"""Each sentence about fallback, attempts and what is written down, as a test that fails when the
sentence is no longer true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.execution.events import Chunk
from orch.execution.retry import MAX_BACKOFF_S
from orch.execution.run import OnPartial
from orch.orchestrator import build_task
from orch.routing.admission import NoQueue, SlotRequest
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.orchestrators import fake, over

TASK = "Tell me about the sea"
FOUR = ("a:1b", "b:1b", "c:1b", "d:1b")
BROKEN = Fault("status", status=500, times=-1)
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
]


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Four models on one server, the first one rated best."""
    with fake(*FOUR) as running:
        yield running


class StoppingGate(NoQueue):
    """The server dies as its first model is about to be asked."""

    def __init__(self, server: FakeOllama) -> None:
        self._server = server

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[None]:
        """Stops the server whose model it is."""
        if ticket.model[0] == "dying":
            self._server.stop()
        return super().acquire(ticket)


async def failure(orchestrator: Orchestrator, **wishes: Any) -> OrchError:
    """The error of a whole run that gives no answer."""
    with pytest.raises(OrchError) as caught:
        await orchestrator.execute(TASK, **wishes)
    return caught.value


async def streamed(
    orchestrator: Orchestrator, on_partial: OnPartial, **wishes: Any
) -> tuple[list[Chunk], OrchError | None]:
    """The chunks of a run as a face asks for it, and its error."""
    chunks: list[Chunk] = []
    try:
        async with aclosing(
            orchestrator.stream_task(build_task(TASK, **wishes), on_partial)
        ) as stream:
            async for chunk in stream:
                chunks.append(chunk)
    except OrchError as error:
        return chunks, error
    return chunks, None


def kinds(chunks: list[Chunk]) -> list[str]:
    """Their types in order, each run of equal ones once."""
    types = [chunk["type"] for chunk in chunks]
    return [each for place, each in enumerate(types) if place == 0 or types[place - 1] != each]


# ---------------------------------------------------------------- how many are asked


@pytest.mark.parametrize(
    ("routing", "asked"),
    [({"fallback": {"max_attempts": 1}}, 1), ({"fallback": {"max_attempts": 2}}, 2), ({}, 3)],
    ids=str,
)
async def test_no_more_models_are_asked_than_max_attempts_and_that_is_three_unless_said(
    server: FakeOllama, routing: dict[str, Any], asked: int
) -> None:
    for model in server.models.values():
        model.faults.append(BROKEN)
    async with over({"ollama": server}, **routing) as orchestrator:
        error = await failure(orchestrator)
    assert [attempt.model for attempt in error.attempts] == list(FOUR[:asked])
    assert len(server.chats()) == asked
    assert (error.code, error.exit_code) == ("all_failed", 7)


async def test_the_models_are_asked_in_the_order_of_the_decision(server: FakeOllama) -> None:
    for name in FOUR[:2]:
        server.models[name].faults.append(BROKEN)
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [(attempt.model, attempt.outcome) for attempt in result.attempts] == [
        ("a:1b", "failed"),
        ("b:1b", "failed"),
        ("c:1b", "ok"),
    ]
    assert [candidate.model_id for candidate in result.decision.candidates] == list(FOUR)


async def test_no_other_model_of_a_provider_that_is_gone_is_asked() -> None:
    with fake("a:1b", "b:1b") as dying, fake("c:1b") as well:
        async with over({"dying": dying, "well": well}, gate=StoppingGate(dying)) as orchestrator:
            result = await orchestrator.execute(TASK)
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        ("a:1b", "connect"),
        ("c:1b", ""),
    ]


async def test_a_provider_that_is_gone_with_all_its_models_is_no_provider() -> None:
    with fake("a:1b", "b:1b") as dying:
        async with over({"dying": dying}, gate=StoppingGate(dying)) as orchestrator:
            error = await failure(orchestrator)
    assert [attempt.model for attempt in error.attempts] == ["a:1b"]
    assert (error.code, error.exit_code) == ("no_provider", 3)


async def test_other_models_of_a_provider_where_only_one_model_fails_are_asked(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(Fault("close"))
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [attempt.model for attempt in result.attempts] == ["a:1b", "b:1b"]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept, by a clock that does not wait."""
    slept: list[float] = []
    real = asyncio.sleep

    async def nap(seconds: float, *rest: Any) -> None:
        slept.append(seconds)
        await real(0, *rest)

    monkeypatch.setattr("orch.execution.run.asyncio.sleep", nap)
    return slept


@pytest.mark.parametrize(("wished", "waited"), [("1.5", 1.5), ("30", MAX_BACKOFF_S), (None, 0.25)])
async def test_a_rate_limited_model_that_is_alone_is_asked_once_more_after_a_bounded_wait(
    server: FakeOllama, naps: list[float], wished: str | None, waited: float
) -> None:
    server.models["a:1b"].faults.append(Fault("status", status=429, retry_after=wished))
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK, model="a:1b")
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        ("a:1b", "rate_limited"),
        ("a:1b", ""),
    ]
    assert waited in naps


async def test_a_rate_limited_model_is_not_asked_a_third_time(
    server: FakeOllama, naps: list[float]
) -> None:
    server.models["a:1b"].faults += [Fault("status", status=429, retry_after="0")] * 3
    async with over({"ollama": server}) as orchestrator:
        error = await failure(orchestrator, model="a:1b")
    assert [attempt.code for attempt in error.attempts] == ["rate_limited"] * 2


async def test_a_rate_limited_model_makes_way_for_another_one(
    server: FakeOllama, naps: list[float]
) -> None:
    server.models["a:1b"].faults.append(Fault("status", status=429, retry_after="0"))
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [attempt.model for attempt in result.attempts] == ["a:1b", "b:1b"]


# ---------------------------------------------------------------- who answered


async def test_after_a_fallback_the_decision_names_who_answered_and_says_that_it_is_a_fallback(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(BROKEN)
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
        (row,) = orchestrator.runtime.journal.history.runs()
    assert (result.decision.model_id, result.response.content) == ("b:1b", "by b:1b")
    assert result.decision.reason.startswith("fallback: ")
    assert (row["model"], row["provider"]) == ("b:1b", "ollama")


async def test_without_a_fallback_nothing_is_called_one(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert result.decision.model_id == "a:1b"
    assert "fallback" not in result.decision.reason


async def test_each_model_is_announced_before_its_first_word(server: FakeOllama) -> None:
    server.models["a:1b"].faults.append(BROKEN)
    async with over({"ollama": server}) as orchestrator:
        chunks, error = await streamed(orchestrator, "continue")
    assert error is None
    assert kinds(chunks) == ["metadata", "fallback", "metadata", "content", "done"]
    assert [chunk["model_id"] for chunk in chunks if chunk["type"] == "metadata"] == [
        "a:1b",
        "b:1b",
    ]
    fallback = chunks[1]
    assert (fallback["from"], fallback["to"], fallback["code"], fallback["offset"]) == (
        "a:1b",
        "b:1b",
        "server_error",
        0,
    )


# ---------------------------------------------------------------- after text was shown


async def test_the_next_model_goes_on_from_the_text_that_was_shown(server: FakeOllama) -> None:
    server.models["a:1b"].faults.append(Fault("cut", after=1))
    async with over({"ollama": server}) as orchestrator:
        chunks, error = await streamed(orchestrator, "continue")
    result = chunks[-1]["result"]
    assert error is None
    assert (result.response.content, [attempt.outcome for attempt in result.attempts]) == (
        "by by b:1b",
        ["partial", "ok"],
    )
    assert [attempt.offset for attempt in result.attempts] == [0, len("by ")]
    assert server.chats()[-1].body["messages"][-1] == {"role": "assistant", "content": "by "}


async def test_text_that_was_held_back_is_dropped_and_the_next_model_starts_afresh(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(Fault("cut", after=1))
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert (result.response.content, [attempt.outcome for attempt in result.attempts]) == (
        "by b:1b",
        ["failed", "ok"],
    )
    assert server.chats()[-1].body["messages"][-1] == {"role": "user", "content": TASK}


async def test_where_nothing_may_follow_the_run_ends_with_what_was_shown(
    server: FakeOllama,
) -> None:
    """The failure's own code (here a time-out) would say that nothing came: text came, so it is
    `all_failed`."""
    server.models["a:1b"].faults.append(Fault("stall", after=1, seconds=20))
    async with over({"ollama": server}) as orchestrator:
        _, error = await streamed(orchestrator, "stop", timeout_s=0.5)
    assert error is not None
    assert (error.code, error.exit_code, error.partial) == ("all_failed", 7, "by ")
    assert "--continue-partial" in error.hint
    assert [(attempt.model, attempt.outcome, attempt.code) for attempt in error.attempts] == [
        ("a:1b", "partial", "stalled")
    ]


async def test_where_nothing_was_shown_the_code_of_the_failure_is_the_run_s(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(Fault("slow", seconds=20))
    async with over({"ollama": server}) as orchestrator:
        error = await failure(orchestrator, model="a:1b", timeout_s=0.3)
    assert (error.code, error.exit_code, error.partial) == ("timeout", 6, "")


async def test_a_run_that_stops_at_shown_text_still_falls_back_before_the_first_word(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(BROKEN)
    async with over({"ollama": server}) as orchestrator:
        chunks, error = await streamed(orchestrator, "stop")
    assert error is None
    assert chunks[-1]["result"].response.content == "by b:1b"


@pytest.mark.parametrize(
    "whole",
    [{"tools": TOOLS}, {"response_format": {"type": "json_object"}}],
    ids=["tools", "format"],
)
async def test_an_answer_with_tools_or_a_format_is_never_continued_in_its_middle(
    server: FakeOllama, whole: dict[str, Any]
) -> None:
    for model in server.models.values():
        model.capabilities.append("tools")
    server.models["a:1b"].faults.append(Fault("cut", after=1))
    async with over({"ollama": server}) as orchestrator:
        _, error = await streamed(orchestrator, "continue", **whole)
    assert error is not None
    assert (error.code, error.partial, [attempt.model for attempt in error.attempts]) == (
        "all_failed",
        "by ",
        ["a:1b"],
    )


# ---------------------------------------------------------------- what is written down


async def test_every_run_ends_in_the_journal_once_whatever_became_of_it(server: FakeOllama) -> None:
    server.models["a:1b"].faults += [BROKEN] * 4
    async with over({"ollama": server}) as orchestrator:
        await failure(orchestrator, model="a:1b")
        await orchestrator.execute(TASK, model="b:1b")
        stream = orchestrator.execute_streaming(TASK, model="c:1b")
        assert [(await anext(stream))["type"] for _ in range(2)] == ["metadata", "content"]
        await stream.aclose()
        rows = orchestrator.runtime.journal.history.runs()
    ends = {row["status"]: (row["model"], row["answer"], row["error_code"]) for row in rows}
    assert ends == {
        "failed": ("a:1b", "", "all_failed"),
        "ok": ("b:1b", "by b:1b", None),
        "interrupted": ("c:1b", "by ", "reader_gone"),
    }


async def test_an_answer_from_the_cache_is_journaled_and_not_remembered_again(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        sources = [(await orchestrator.execute(TASK, store_memory=True)).source for _ in range(2)]
        rows = orchestrator.runtime.journal.history.runs()
    assert sources == ["model", "cache"]
    assert sorted((row["source"], row["remember"]) for row in rows) == [("cache", 0), ("model", 1)]


@pytest.mark.parametrize(
    ("remember", "wish", "kept"),
    [(True, None, 1), (False, None, 0), (True, False, 0), (False, True, 1)],
)
async def test_store_memory_overrules_routing_yaml(
    server: FakeOllama, remember: bool, wish: bool | None, kept: int
) -> None:
    async with over({"ollama": server}, memory={"remember": remember}) as orchestrator:
        await orchestrator.execute(TASK, store_memory=wish)
        (row,) = orchestrator.runtime.journal.history.runs()
    assert row["remember"] == kept
