"""The answer cache: its key, which answers are stored, how long they are valid, when they are
reused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orch.storage.answers
from orch.orchestrator import build_task
from orch.storage.answers import AnswerStore, answer_key, is_cacheable, is_standalone
from orch.text.prompt import Attachment, PreparedTask, Task, prepare_task
from orch.types import Decision, Response, RunResult, TaskType, Timing
from tests.support.fake_ollama import FakeOllama
from tests.support.orchestrators import fake, over

TASK = "Tell me about the sea"
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
]
OTHER: list[dict[str, Any]] = [
    {"system_prompt": "be brief"},
    {"context": ["it is 1910"]},
    {"messages": [{"role": "user", "content": "hello"}]},
    {"attachments": (Attachment("a.txt", "text"),)},
    {"tools": TOOLS},
    {"response_format": {"type": "json_object"}},
    {"options": {"seed": 1}},
    {"extra": {"think": True}},
    {"model": "a:1b"},
    {"task_type": "writing"},
    {"profile": "speed"},
    {"dial": 3},
]
SAME: list[dict[str, Any]] = [
    {"session": "s"},
    {"client": "me"},
    {"batch": True},
    {"timeout_s": 5},
    {"store_memory": False},
    {"fresh": True},
]


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """One model."""
    with fake("a:1b") as running:
        yield running


def answer(
    content: str = "By the sea.",
    *,
    degraded: bool = False,
    pinned: bool = False,
    run_id: str = "r1",
    **response: Any,
) -> RunResult:
    """A result of the model a:1b."""
    decision = Decision(
        "a:1b",
        "A",
        "ollama",
        TaskType.SIMPLE,
        0.9,
        "named by you",
        (),
        "balanced",
        {},
        5,
        "c0",
        pinned=pinned,
        degraded=degraded,
    )
    return RunResult(
        decision,
        TaskType.SIMPLE,
        0.9,
        Response(content, **response),
        Timing(),
        (),
        (),
        run_id,
        degraded=degraded,
    )


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerStore]:
    """A store with a TTL of 100 seconds."""
    opened = AnswerStore(tmp_path / "answers.sqlite3", 100)
    yield opened
    opened.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The store's clock, as a list that a test sets."""
    now = [1_000_000.0]
    monkeypatch.setattr("orch.storage.answers.time.time", lambda: now[0])
    return now


# ---------------------------------------------------------------- the key


def prepared(text: str, **fields: Any) -> PreparedTask:
    """A task as a run prepares it."""
    return prepare_task(build_task(text, **fields))


@pytest.mark.parametrize("fields", OTHER, ids=lambda fields: next(iter(fields)))
def test_everything_that_an_answer_depends_on_is_part_of_the_key(fields: dict[str, Any]) -> None:
    assert answer_key(prepared(TASK, **fields), "c0") != answer_key(prepared(TASK), "c0")


@pytest.mark.parametrize("fields", SAME, ids=lambda fields: next(iter(fields)))
def test_fields_that_change_no_answer_are_not_part_of_the_key(fields: dict[str, Any]) -> None:
    assert answer_key(prepared(TASK, **fields), "c0") == answer_key(prepared(TASK), "c0")


def test_another_text_or_configuration_gives_another_key() -> None:
    assert (
        len(
            {
                answer_key(prepared(TASK), "c0"),
                answer_key(prepared(f"{TASK} "), "c0"),
                answer_key(prepared(TASK), "c1"),
            }
        )
        == 3
    )


async def test_a_run_that_recalls_has_no_key(server: FakeOllama) -> None:
    async with (
        over({"ollama": server}) as plain,
        over({"ollama": server}, memory={"recall": True}) as recalling,
    ):
        keys = [
            await plain.runtime.answer_cache.key(prepared(TASK)),
            await plain.runtime.answer_cache.key(prepared(TASK, retrieve_context=True)),
            await recalling.runtime.answer_cache.key(prepared(TASK)),
            await recalling.runtime.answer_cache.key(prepared(TASK, retrieve_context=False)),
        ]
    assert [key is not None for key in keys] == [True, False, False, True]


async def test_a_secret_anywhere_in_the_messages_has_no_key(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        key = orchestrator.runtime.answer_cache.key
        assert await key(prepared(TASK, context=["password: hunter2secret"])) is None
        assert await key(prepared(TASK, system_prompt="the token: abcdefghij12345")) is None


# ---------------------------------------------------------------- what is stored


@pytest.mark.parametrize(
    ("result", "whole"),
    [
        (answer(), True),
        (answer(finish_reason="length"), False),
        (answer("  \n"), False),
        (answer(tool_calls=({"function": {"name": "add"}},)), False),
        (answer(logprobs=({"token": "By"},)), False),
        (answer(degraded=True), False),
        (answer(degraded=True, pinned=True), True),
    ],
    ids=["whole", "cut", "blank", "tools", "logprobs", "last resort", "named last resort"],
)
def test_only_a_complete_text_answer_is_cacheable(result: RunResult, whole: bool) -> None:
    assert is_cacheable(result) is whole


@pytest.mark.parametrize("beside", OTHER[:6], ids=lambda fields: next(iter(fields)))
def test_only_a_standalone_question_is_compared(
    beside: dict[str, Any],
) -> None:
    assert is_standalone(build_task(TASK))
    assert not is_standalone(build_task(TASK, **beside))


def test_a_later_turn_of_a_conversation_is_not_compared() -> None:
    assert not is_standalone(Task(text=TASK, history=({"role": "user", "content": "a"},)))


async def test_an_answer_with_a_secret_is_not_stored(server: FakeOllama) -> None:
    server.models["a:1b"].reply = ["the password: hunter2secret"]
    async with over({"ollama": server}) as orchestrator:
        assert [(await orchestrator.execute(TASK)).source for _ in range(2)] == ["model", "model"]


# ---------------------------------------------------------------- how long


def test_an_answer_is_valid_until_its_ttl_ends(cache: AnswerStore, clock: list[float]) -> None:
    cache.put("k", build_task(TASK), answer(), "d0")
    clock[0] += 99.0
    kept = cache.get("k")
    clock[0] += 1.0
    assert kept is not None
    assert (kept.model, kept.digest, kept.task, kept.run_id) == ("a:1b", "d0", TASK, "r1")
    assert cache.get("k") is None


def test_expired_answers_are_deleted_when_the_next_one_is_stored(
    cache: AnswerStore, clock: list[float]
) -> None:
    cache.put("old", build_task(TASK), answer(), "d0")
    clock[0] += 100.0
    cache.put("new", build_task(TASK), answer(), "d0")
    assert cache.stats()["answers"] == 1


def test_the_least_recently_used_answers_are_evicted(
    cache: AnswerStore, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("a", build_task(TASK), answer(), "d0")
    monkeypatch.setattr(orch.storage.answers, "MAX_BYTES", cache.stats()["bytes"] * 2)
    clock[0] += 1.0
    cache.put("b", build_task(TASK), answer(), "d0")
    clock[0] += 1.0
    cache.mark_used("a")
    clock[0] += 1.0
    cache.put("c", build_task(TASK), answer(), "d0")
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_uses_are_counted(cache: AnswerStore) -> None:
    cache.put("k", build_task(TASK), answer(), "d0")
    cache.mark_used("k")
    cache.mark_used("k")
    kept = cache.get("k")
    assert kept is not None
    assert kept.uses == 2
    assert cache.stats()["hits"] == 2


def test_forgetting_a_run_deletes_only_its_answer(cache: AnswerStore) -> None:
    for key, run_id in (("a", "r1"), ("b", "r2"), ("c", "r2")):
        cache.put(key, build_task(TASK), answer(run_id=run_id), "d0")
    assert cache.forget(run_ids=["r2"]) == 2
    assert [cache.get(key) is not None for key in "abc"] == [True, False, False]
    assert cache.forget(run_ids=[]) == 0
    assert cache.forget() == 1


def test_a_stored_answer_is_restored_without_its_attempts(cache: AnswerStore) -> None:
    cache.put("k", build_task(TASK), answer(thinking="hm"), "d0")
    kept = cache.get("k")
    assert kept is not None
    again = kept.to_result("r9", 0.0)
    assert (again.response.content, again.response.thinking, again.decision) == (
        "By the sea.",
        "hm",
        answer().decision,
    )
    assert (again.source, again.run_id, again.attempts, again.timing.load_s) == (
        "cache",
        "r9",
        (),
        0.0,
    )


# ---------------------------------------------------------------- when it is reused


async def test_an_answer_is_reused_only_while_its_model_is_installed_unchanged(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        sources = [(await orchestrator.execute(TASK)).source for _ in range(2)]
        server.models["a:1b"].digest = "f" * 64
        sources.append((await orchestrator.execute(TASK)).source)
        sources.append((await orchestrator.execute(TASK)).source)
    assert sources == ["model", "cache", "model", "cache"]


async def test_fresh_calls_the_model_and_stores_the_newer_answer(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        await orchestrator.execute(TASK)
        server.models["a:1b"].reply = ["newer"]
        fresh = await orchestrator.execute(TASK, fresh=True)
        again = await orchestrator.execute(TASK)
    assert [(each.source, each.response.content) for each in (fresh, again)] == [
        ("model", "newer"),
        ("cache", "newer"),
    ]
