"""The next turn of a conversation counts as a short prompt at the model and the address that read
the turn before, in decisions and on the wire."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orch import Orchestrator
from orch.execution.events import Content
from orch.server.service import Service
from orch.text.prompt import Task
from orch.types import Candidate
from tests.conftest import CODER, LLAMA, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama

LONG = "Everything that stands here was said before and need not be read again. " * 60
FIRST = [
    {"role": "system", "content": LONG},
    {"role": "user", "content": f"Sort a list in Python. {LONG}"},
]
ANSWER = {"role": "assistant", "content": "Hello world"}
NEXT = [*FIRST, ANSWER, {"role": "user", "content": "And now in reverse order, please."}]


@asynccontextmanager
async def service_for(home: Path, models: dict[str, Any] | None = None) -> AsyncIterator[Service]:
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(f"{ROOM}cache: {{mode: 'off'}}\n")
    if models:
        (home / "models.yaml").write_text(json.dumps(models))
    service = Service.create(None)
    try:
        yield service
    finally:
        await service.aclose()


async def answer(service: Service, messages: list[dict[str, Any]], **wishes: Any) -> None:
    task = Task(text="", messages=tuple(messages), fresh=True, **wishes)
    run = service.start_run(task, "restart", "openai")
    async for _ in run.events():
        pass
    await service.finish_run(run)


async def decided(service: Service, messages: list[dict[str, Any]]) -> dict[str, Candidate]:
    plan = await service.orchestrator.runtime.router.plan(Task(text="", messages=tuple(messages)))
    return {each.model_id: each for each in plan.decision.candidates}


async def test_a_decision_counts_what_is_new_where_the_turn_before_was_read(
    ollama: FakeOllama, home: Path
) -> None:
    async with service_for(home) as service:
        before = await decided(service, NEXT)
        await answer(service, FIRST, model=CODER)
        after = await decided(service, NEXT)
    assert before[CODER].seconds["prefill"] > 10 * after[CODER].seconds["prefill"]
    assert after[CODER].provenance["prefill"].startswith("prefill of ")
    assert after[CODER].provenance["prefill"].endswith(" cached")
    assert after[LLAMA].seconds["prefill"] == pytest.approx(before[LLAMA].seconds["prefill"])
    assert "prefill" not in after[LLAMA].provenance


async def test_another_conversation_has_the_shared_beginning_alone(
    ollama: FakeOllama, home: Path
) -> None:
    other = [FIRST[0], {"role": "user", "content": f"Another question. {LONG}"}]
    async with service_for(home) as service:
        before = await decided(service, other)
        await answer(service, FIRST, model=CODER)
        shared, stranger = await decided(service, other), await decided(service, other[1:])
    half = before[CODER].seconds["prefill"] / 2
    assert shared[CODER].seconds["prefill"] == pytest.approx(half, rel=0.1)
    assert "prefill" not in stranger[CODER].provenance


@pytest.mark.parametrize("thinking", [[], ["First I look."]], ids=["plain", "thinks"])
async def test_an_answer_is_cached_unless_the_model_thought_before_it(
    home: Path, thinking: list[str]
) -> None:
    reply, name = [f"It is long. {LONG}"], "thinker:8b"
    abilities = ["completion", "thinking"]
    model = FakeModel(name, reply=reply, thinking=thinking, capabilities=abilities)
    said = {"role": "assistant", "content": reply[0]}
    with FakeOllama([model]) as fake:
        provider = {"kind": "ollama", "base_url": fake.url}
        models = {"providers": {"own": provider}, "models": [{"id": name, "provider": "own"}]}
        async with service_for(home, models) as service:
            before = await decided(service, [*FIRST, said, NEXT[3]])
            await answer(service, FIRST, model=name)
            after = await decided(service, [*FIRST, said, NEXT[3]])
    share = after[name].seconds["prefill"] / before[name].seconds["prefill"]
    assert share == pytest.approx(1 / 3 if thinking else 0.0, abs=0.05)


async def test_an_answer_that_its_reader_left_was_read_all_the_same(
    ollama: FakeOllama, home: Path
) -> None:
    async with service_for(home) as service:
        await answer(service, [{"role": "user", "content": "Hi"}], model=CODER)  # loads it
        task = Task(text="", messages=tuple(FIRST), fresh=True, model=CODER)
        run = service.start_run(task, "stop", "openai")
        async with aclosing(run.events()) as events:
            async for event in events:
                if isinstance(event, Content):
                    break
        await service.finish_run(run)
        after = await decided(service, NEXT)
    assert "prefill" in after[CODER].provenance


@pytest.mark.parametrize("own", [0, 1])
async def test_a_conversation_goes_to_the_address_that_holds_its_prompt(
    home: Path, own: int
) -> None:
    with FakeOllama([FakeModel("m")]) as one, FakeOllama([FakeModel("m")]) as two:
        fakes = (one, two)
        provider = {"kind": "ollama", "base_urls": [one.url, two.url]}
        models = {"providers": {"own": provider}, "models": [{"id": "m", "provider": "own"}]}
        async with service_for(home, models) as service:
            balancer = service.orchestrator.runtime.providers["own"]._http.load_balancer  # type: ignore[attr-defined]
            # a conversation is known by its messages, also where its key has changed
            first = next(k for k in map(str, range(99)) if balancer.order(k)[0] == fakes[own].url)
            other = next(k for k in map(str, range(99)) if balancer.order(k)[0] != fakes[own].url)
            await answer(service, FIRST, model="m", affinity=first)
            await answer(service, NEXT, model="m", affinity=other)
            await answer(service, NEXT[3:], model="m", affinity=other)
    chats = [[len(each.body["messages"]) for each in fake.chats()] for fake in fakes]
    assert chats[own] == [2, 4]
    assert chats[1 - own] == [1]


async def test_a_process_of_its_own_remembers_no_prompts(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if "prompt_cache" in each]:
        monkeypatch.delitem(sys.modules, name)
    async with Orchestrator(None, {"version": 1, "memory_budget_gb": 100}) as library:
        await library.execute(messages=FIRST, model=CODER)
    assert not [each for each in sys.modules if "prompt_cache" in each]
