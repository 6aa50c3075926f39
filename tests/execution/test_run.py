"""The rules of a run: attempts, fallback before and after visible text, and the journal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.execution.events import Chunk
from orch.execution.run import OnPartial
from orch.orchestrator import build_task
from orch.routing.machine.admission import Evictions, NoQueue, SlotRequest
from orch.text import prompt
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
    """Four models on one server, rated in this order."""
    with fake(*FOUR) as running:
        yield running


class StoppingGate(NoQueue):
    """Stops a server just before its first model is called."""

    def __init__(self, server: FakeOllama) -> None:
        super().__init__()
        self._server = server

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[Evictions]:
        """Stops the server of the model."""
        if ticket.model[0] == "dying":
            self._server.stop()
        return super().acquire(ticket)


async def failure(orchestrator: Orchestrator, **arguments: Any) -> OrchError:
    """The error of a run with `execute`."""
    with pytest.raises(OrchError) as caught:
        await orchestrator.execute(TASK, **arguments)
    return caught.value


async def streamed(
    orchestrator: Orchestrator, on_partial: OnPartial, **arguments: Any
) -> tuple[list[Chunk], OrchError | None]:
    """The chunks of a streamed run, and its error."""
    chunks: list[Chunk] = []
    try:
        async with aclosing(
            orchestrator.stream_task(build_task(TASK, **arguments), on_partial)
        ) as stream:
            async for chunk in stream:
                chunks.append(chunk)
    except OrchError as error:
        return chunks, error
    return chunks, None


def kinds(chunks: list[Chunk]) -> list[str]:
    """Their types in order, without repetitions."""
    types = [chunk["type"] for chunk in chunks]
    return [each for place, each in enumerate(types) if place == 0 or types[place - 1] != each]


# ---------------------------------------------------------------- which models are called


@pytest.mark.parametrize(
    ("routing", "called"),
    [({"fallback": {"max_attempts": 1}}, 1), ({"fallback": {"max_attempts": 2}}, 2), ({}, 3)],
    ids=str,
)
async def test_at_most_max_attempts_models_are_called_three_by_default(
    server: FakeOllama, routing: dict[str, Any], called: int
) -> None:
    for model in server.models.values():
        model.faults.append(BROKEN)
    async with over({"ollama": server}, **routing) as orchestrator:
        error = await failure(orchestrator)
    assert [attempt.model for attempt in error.attempts] == list(FOUR[:called])
    assert len(server.chats()) == called
    assert (error.code, error.exit_code) == ("all_failed", 7)


async def test_models_are_called_in_the_order_of_the_decision(server: FakeOllama) -> None:
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


async def test_other_models_of_an_unreachable_provider_are_skipped() -> None:
    with fake("a:1b", "b:1b") as dying, fake("c:1b") as well:
        async with over({"dying": dying, "well": well}, gate=StoppingGate(dying)) as orchestrator:
            result = await orchestrator.execute(TASK)
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        ("a:1b", "connect"),
        ("c:1b", ""),
    ]


async def test_an_unreachable_provider_with_all_models_is_no_provider() -> None:
    with fake("a:1b", "b:1b") as dying:
        async with over({"dying": dying}, gate=StoppingGate(dying)) as orchestrator:
            error = await failure(orchestrator)
    assert [attempt.model for attempt in error.attempts] == ["a:1b"]
    assert (error.code, error.exit_code) == ("no_provider", 3)


async def test_other_models_of_a_provider_are_called_if_only_one_fails(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(Fault("close"))
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [attempt.model for attempt in result.attempts] == ["a:1b", "b:1b"]


# ---------------------------------------------------------------- the model that answered


async def test_after_a_fallback_the_decision_names_the_model_that_answered(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(BROKEN)
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
        (row,) = orchestrator.runtime.journal.history.runs()
    assert (result.decision.model_id, result.response.content) == ("b:1b", "by b:1b")
    assert result.decision.reason.startswith("fallback: ")
    assert (row["model"], row["provider"]) == ("b:1b", "ollama")


async def test_without_a_fallback_the_reason_mentions_none(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert result.decision.model_id == "a:1b"
    assert "fallback" not in result.decision.reason


async def test_metadata_precedes_each_models_first_token(server: FakeOllama) -> None:
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


# ---------------------------------------------------------------- after visible text


async def test_the_next_model_continues_the_visible_text(server: FakeOllama) -> None:
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


async def test_buffered_text_is_dropped_and_the_next_model_starts_from_scratch(
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


async def test_a_run_that_must_stop_ends_with_the_visible_text(
    server: FakeOllama,
) -> None:
    """The failure's own code (a timeout) would mean that there was no text."""
    server.models["a:1b"].faults.append(Fault("stall", after=1, seconds=20))
    async with over({"ollama": server}) as orchestrator:
        _, error = await streamed(orchestrator, "stop", timeout_s=0.5)
    assert error is not None
    assert (error.code, error.exit_code, error.partial) == ("all_failed", 7, "by ")
    assert "--continue-partial" in error.hint
    assert [(attempt.model, attempt.outcome, attempt.code) for attempt in error.attempts] == [
        ("a:1b", "partial", "stalled")
    ]


async def test_without_visible_text_the_run_has_the_failures_code(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(Fault("slow", seconds=20))
    async with over({"ollama": server}) as orchestrator:
        error = await failure(orchestrator, model="a:1b", timeout_s=0.3)
    assert (error.code, error.exit_code, error.partial) == ("timeout", 6, "")


async def test_a_run_that_stops_at_visible_text_falls_back_before_it(
    server: FakeOllama,
) -> None:
    server.models["a:1b"].faults.append(BROKEN)
    async with over({"ollama": server}) as orchestrator:
        chunks, error = await streamed(orchestrator, "stop")
    assert error is None
    assert chunks[-1]["result"].response.content == "by b:1b"


@pytest.mark.parametrize(
    ("begin", "whole"),
    [("I ", {"tools": TOOLS}), ("{", {"response_format": {"type": "json_object"}})],
    ids=["tools", "format"],
)
async def test_an_answer_with_tools_or_a_format_is_never_continued(
    server: FakeOllama, begin: str, whole: dict[str, Any]
) -> None:
    for model in server.models.values():
        model.capabilities.append("tools")
    server.models["a:1b"].reply = [begin, "}"]
    server.models["a:1b"].faults.append(Fault("cut", after=1))
    async with over({"ollama": server}) as orchestrator:
        _, error = await streamed(orchestrator, "continue", **whole)
    assert error is not None
    assert (error.code, error.partial, [attempt.model for attempt in error.attempts]) == (
        "all_failed",
        begin,
        ["a:1b"],
    )


async def test_words_where_json_was_requested_are_not_shown_and_the_next_model_is_called(
    server: FakeOllama,
) -> None:
    server.models["b:1b"].reply = ["{", "}"]
    async with over({"ollama": server}) as orchestrator:
        chunks, error = await streamed(
            orchestrator, "continue", response_format={"type": "json_object"}
        )
    assert error is None
    assert [chunk["offset"] for chunk in chunks if chunk["type"] == "fallback"] == [0]
    assert "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == "content") == "{}"


# ---------------------------------------------------------------- the journal


async def test_every_run_is_journaled_once_however_it_ends(server: FakeOllama) -> None:
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


async def test_a_count_belongs_to_the_prompt_of_the_only_model_that_was_asked(
    server: FakeOllama,
) -> None:
    counts = []
    async with over({"ollama": server}) as orchestrator:
        for broken in (False, True):
            server.models["a:1b"].faults += [BROKEN] * broken
            run = orchestrator.start_run(build_task(TASK), "restart")
            _ = [event async for event in run.events()]
            assert run.estimated_prompt_tokens > 0
            counts.append(run.counted_prompt)
    counted, nothing = counts
    assert nothing is None
    assert counted is not None
    assert (counted.model, counted.tokens) == (("ollama", "a:1b"), len(TASK) // 4 + 8)
    assert sum(counted.parts) == pytest.approx(run.estimated_prompt_tokens, abs=1)


async def test_a_cached_answer_is_journaled_but_not_remembered(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        sources = [(await orchestrator.execute(TASK, store_memory=True)).source for _ in range(2)]
        rows = orchestrator.runtime.journal.history.runs()
    assert sources == ["model", "cache"]
    assert sorted((row["source"], row["remember"]) for row in rows) == [("cache", 0), ("model", 1)]


@pytest.mark.parametrize(
    ("remember", "requested", "remembered"),
    [(True, None, 1), (False, None, 0), (True, False, 0), (False, True, 1)],
)
async def test_store_memory_overrides_routing_yaml(
    server: FakeOllama, remember: bool, requested: bool | None, remembered: int
) -> None:
    async with over({"ollama": server}, memory={"remember": remember}) as orchestrator:
        await orchestrator.execute(TASK, store_memory=requested)
        (row,) = orchestrator.runtime.journal.history.runs()
    assert row["remember"] == remembered


# ---------------------------------------------------------------- what is derived from the task


@pytest.mark.parametrize("session", [None, "s"])
async def test_messages_and_text_are_derived_once_a_run(
    server: FakeOllama, session: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("build_messages", "text_to_classify", "estimate_need"):
        _count_calls(monkeypatch, name, calls)
    async with over({"ollama": server}) as orchestrator:
        await orchestrator.execute(TASK, session=session)
    assert sorted(calls) == ["build_messages", "estimate_need", "text_to_classify"]


def _count_calls(monkeypatch: pytest.MonkeyPatch, name: str, calls: list[str]) -> None:
    """Notes every call of a function of `orch.text.prompt`, whichever module makes it."""
    function = getattr(prompt, name)

    def counted(*arguments: Any) -> Any:
        calls.append(name)
        return function(*arguments)

    for module in [*sys.modules.values()]:
        if getattr(module, name, None) is function and module.__name__.startswith("orch."):
            monkeypatch.setattr(module, name, counted)
