"""The tools over a backend that is made up: results, progress, errors, and who may call what."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from jsonschema import validate

from orch.errors import OrchError
from orch.execution.run import OnPartial
from orch.mcp import tools
from orch.mcp.backend import Json
from orch.mcp.schemas import TOOLS
from orch.mcp.tools import call_tool, error_of, error_text

DECISION: Json = {"reason": "best for code", "candidates": [{"model_id": "m", "score": 0.9}]}
DECIDED: Json = {
    "model": "m",
    "model_name": "M",
    "provider": "p",
    "task_type": "coding",
    "confidence": 0.9,
    "decision": DECISION,
    "warnings": [],
}
RESULT: Json = {
    **DECIDED,
    "answer": "def f(): pass",
    "run_id": "r1",
    "timing": {"total_s": 1.23456},
    "cut": False,
    "source": "model",
}
METADATA: Json = {"type": "metadata", "model_name": "M", "task_type": "coding"}
DONE: Json = {"type": "done", "result": RESULT}
FAILED: Json = {
    "type": "error",
    "error": {"code": "no_provider", "message": "nobody is there", "hint": "orch health"},
    "partial": "def",
    "attempts": [],
    "warnings": [],
    "run_id": "r1",
}


class MadeUp:
    """A backend that plays back chunks, and notes what it was asked."""

    def __init__(self, *chunks: Json, is_owner: bool = True) -> None:
        self.chunks, self.is_owner = chunks, is_owner
        self.asked: list[Any] = []
        self.is_closed = False

    async def ask(self, fields: Json, on_partial: OnPartial) -> AsyncGenerator[Json]:
        self.asked.append((fields, on_partial))
        try:
            for chunk in self.chunks:
                yield chunk
        finally:
            self.is_closed = True

    async def route(self, fields: Json) -> Json:
        return DECIDED

    async def classify(self, text: str) -> Json:
        found: Json = {"task_type": "coding", "confidence": 0.9, "second": None, "unsure": False}
        return {**found, "language": "en", "scores": {"coding": 1.0}, "evidence": [1]}

    async def memory(self, name: str, arguments: Json) -> Json:
        self.asked.append((name, arguments))
        if name == "search":
            return {"hits": [{"id": "r1"}], "notes": []}
        return {"ids": ["n1"], "new": 1, "notes": []}

    async def models(self) -> Json:
        names = ("name", "provider", "installed", "resident", "unavailable", "remote")
        model = {"id": "m", **dict.fromkeys(names), "digest": "d"}
        return {
            "models": [{**model, "context_window": 1, "capabilities": [], "strengths": []}],
            "down": {"p": "no connection"},
        }


CALLS: dict[str, Json] = {
    "ask": {"task": "sort"},
    "route": {"task": "sort"},
    "classify": {"text": "sort"},
    "memory_search": {"query": "sort"},
    "memory_add": {"text": "a note"},
    "models": {},
}


@pytest.mark.parametrize("name", TOOLS)
async def test_every_tool_gives_what_its_schema_says(name: str) -> None:
    result = await call_tool(name, CALLS[name], MadeUp(METADATA, DONE))
    validate(result.values, TOOLS[name].gives)
    assert result.text


async def test_ask_says_who_answered_and_why() -> None:
    backend = MadeUp(METADATA, {"type": "content", "chunk": "def f(): pass"}, DONE)
    result = await call_tool("ask", CALLS["ask"], backend)
    assert result.text == result.values["answer"] == "def f(): pass"
    told = {name: result.values[name] for name in ("model", "task_type", "reason", "run_id")}
    assert told == {"model": "m", "task_type": "coding", "reason": "best for code", "run_id": "r1"}
    assert result.values["seconds"] == 1.235
    assert backend.asked == [({"text": "sort"}, "restart")]


async def test_progress_counts_characters_and_never_repeats_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tools, "PROGRESS_S", 0.0)
    reports: list[tuple[int, str]] = []

    async def report(done: int, message: str) -> None:
        reports.append((done, message))

    pieces = [{"type": "thinking", "chunk": "hm"}, {"type": "content", "chunk": "def"}]
    backend = MadeUp(METADATA, *pieces, {"type": "warning", "message": "slow"}, METADATA, DONE)
    await call_tool("ask", CALLS["ask"], backend, report)
    assert [done for done, _ in reports] == [0, 2, 5]
    assert reports[-1][1] == "M · coding · 5 characters"
    assert backend.asked[0][1] == "continue"  # it is watched, as a stream is


async def test_reports_are_some_time_apart() -> None:
    reports: list[int] = []

    async def report(done: int, message: str) -> None:
        reports.append(done)

    pieces = [{"type": "content", "chunk": "a"}] * 1_000
    await call_tool("ask", CALLS["ask"], MadeUp(METADATA, *pieces, DONE), report)
    assert len(reports) < 100


async def test_a_failed_run_is_an_error_with_its_hint_and_what_came() -> None:
    backend = MadeUp(METADATA, FAILED)
    with pytest.raises(OrchError) as caught:
        await call_tool("ask", CALLS["ask"], backend)
    assert error_text(caught.value) == "nobody is there\nTry: orch health\nSo far:\ndef"
    assert (caught.value.code, caught.value.run_id, backend.is_closed) == (
        "no_provider",
        "r1",
        True,
    )
    assert error_text(error_of({**FAILED, "partial": ""})).endswith("orch health")


async def test_a_run_without_an_end_is_an_error() -> None:
    with pytest.raises(OrchError, match="without an answer"):
        await call_tool("ask", CALLS["ask"], MadeUp(METADATA))


@pytest.mark.parametrize("name", ["route", "memory_search", "memory_add"])
async def test_what_is_the_owners_is_refused_to_others(name: str) -> None:
    backend = MadeUp(is_owner=False)
    with pytest.raises(OrchError, match="for the account that runs orch serve"):
        await call_tool(name, CALLS[name], backend)
    assert backend.asked == []


async def test_others_may_ask() -> None:
    result = await call_tool("ask", CALLS["ask"], MadeUp(DONE, is_owner=False))
    assert result.values["model"] == "m"
