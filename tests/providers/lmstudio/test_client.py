"""The client for LM Studio against a fake over a real socket: lists, loads, unloads, answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orch import Orchestrator
from orch.config.spec import Provider
from orch.errors import OrchError, ProviderError
from orch.providers import Loads, Pulls
from orch.providers.lmstudio.client import LMStudioClient
from tests.support.fake_lmstudio import EMBEDDER, GEMMA, MODELS, QWEN, FakeLMStudio
from tests.support.server_lists import FORMS, ListServer

both_transports = pytest.mark.usefixtures("both_transports")


@pytest.fixture
def studio() -> Iterator[FakeLMStudio]:
    with FakeLMStudio(gemma=4_096) as server:
        yield server


@asynccontextmanager
async def client(url: str) -> AsyncIterator[LMStudioClient]:
    opened = LMStudioClient(Provider(kind="lmstudio", base_url=url))
    try:
        yield opened
    finally:
        await opened.aclose()


def orchestrator(url: str, **more: Any) -> Orchestrator:
    providers = {"studio": {"kind": "lmstudio", "base_url": url}}
    models = {"providers": providers, "models": [], **more}
    return Orchestrator(models, {"version": 1, "memory_budget_gb": 100})


@both_transports
async def test_the_list_tells_what_is_loaded(studio: FakeLMStudio) -> None:
    async with client(studio.url) as opened:
        items = {item.name: item for item in await opened.installed()}
    assert {name: (item.resident, item.resident_ctx) for name, item in items.items()} == {
        GEMMA: (True, 4_096),
        QWEN: (False, None),
        EMBEDDER: (False, None),
    }
    assert studio.asked == [MODELS]


@both_transports
async def test_a_model_is_loaded_with_a_context_and_unloaded(studio: FakeLMStudio) -> None:
    async with client(studio.url) as opened:
        assert isinstance(opened, Loads)
        await opened.load(QWEN, 8_192)
        await opened.load(EMBEDDER, None)
        await opened.unload(QWEN)
    assert studio.calls == [
        ("load", {"model": QWEN, "context_length": 8_192}),
        ("load", {"model": EMBEDDER}),
        ("unload", {"instance_id": QWEN}),
    ]


async def test_a_loaded_model_is_not_loaded_a_second_time(studio: FakeLMStudio) -> None:
    async with client(studio.url) as opened:
        await opened.load(GEMMA, 4_096)
        await asyncio.gather(*(opened.load(QWEN, 8_192) for _ in range(4)))
    assert studio.calls == [("load", {"model": QWEN, "context_length": 8_192})]


async def test_a_model_with_a_shorter_context_is_loaded_again(studio: FakeLMStudio) -> None:
    studio.add_instance(GEMMA, 2_048)
    async with client(studio.url) as opened:
        await opened.load(GEMMA, 16_384)
    assert studio.calls == [
        ("unload", {"instance_id": GEMMA}),
        ("unload", {"instance_id": f"{GEMMA}:2"}),
        ("load", {"model": GEMMA, "context_length": 16_384}),
    ]


async def test_what_another_program_named_is_not_unloaded(studio: FakeLMStudio) -> None:
    studio.add_instance(QWEN, 4_096, "mine")
    async with client(studio.url) as opened:
        with pytest.raises(ProviderError, match=r"as mine .* 4,096 .*; lms unload mine") as caught:
            await opened.load(QWEN, 16_384)
        status = await opened.health()
    assert (caught.value.code, caught.value.context_tokens) == ("context_overflow", 4_096)
    assert studio.calls == []
    assert status == "LM Studio, 3 models; mine is another program's and stays loaded"


async def test_only_an_instance_of_the_usual_name_makes_place_for_a_longer_context(
    studio: FakeLMStudio,
) -> None:
    studio.add_instance(GEMMA, 8_192, "mine")
    async with client(studio.url) as opened:
        await opened.load(GEMMA, 16_384)
    assert [body.get("instance_id") for _, body in studio.calls] == [GEMMA, None]


async def test_a_task_takes_no_more_context_than_another_programs_instance_has(
    studio: FakeLMStudio,
) -> None:
    studio.add_instance(QWEN, 4_096, "mine")
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    async with orchestrator(studio.url) as opened:
        begun = await opened.execute("Hi", model=QWEN, tools=[tool])
        with pytest.raises(OrchError, match=r"it holds 4,096"):
            await opened.execute("long " * 9_000, model=QWEN)
    assert (begun.response.content, studio.calls) == ("Hello", [])


async def test_every_instance_is_unloaded(studio: FakeLMStudio) -> None:
    studio.add_instance(GEMMA, 8_192, "mine")
    async with client(studio.url) as opened:
        await opened.unload(GEMMA)
        assert [item.resident for item in await opened.installed()] == [False] * 3


@both_transports
async def test_a_request_loads_its_model_with_the_context_it_needs(studio: FakeLMStudio) -> None:
    async with orchestrator(studio.url) as opened:
        result = await opened.execute("Hi", model=QWEN)
    assert result.response.content == "Hello"
    assert studio.calls == [("load", {"model": QWEN, "context_length": 8_192})]
    assert [body["model"] for path, body in studio.posted if "chat" in path] == [QWEN]


async def test_a_loaded_model_answers_with_its_own_context(studio: FakeLMStudio) -> None:
    async with orchestrator(studio.url) as opened:
        await opened.execute("Hi", model=GEMMA)
    assert studio.calls == []


async def test_an_answer_is_not_broken_off_for_a_longer_context(studio: FakeLMStudio) -> None:
    goes_on, post = threading.Event(), studio.post

    def slow(path: str, body: dict[str, Any]) -> Any:
        if "chat" in path and "long" not in str(body):
            goes_on.wait(10)
        return post(path, body)

    studio.post = slow
    async with orchestrator(studio.url) as opened:
        first = asyncio.create_task(opened.execute("Hi", model=GEMMA))
        while not studio.posted:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(opened.execute("long " * 9_000, model=GEMMA))
        while studio.asked.count(MODELS) < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert studio.calls == []
        goes_on.set()
        answers = await asyncio.gather(first, second)
    assert [each.response.content for each in answers] == ["Hello", "Hello"]
    assert [name for name, _ in studio.calls] == ["unload", "load"]


async def test_an_instance_that_is_being_replaced_answers_nobody(studio: FakeLMStudio) -> None:
    goes_on, post = threading.Event(), studio.post

    def slow(path: str, body: dict[str, Any]) -> Any:
        if path.endswith("/unload"):
            goes_on.wait(10)
        return post(path, body)

    studio.post = slow
    async with orchestrator(studio.url) as opened:
        long = asyncio.create_task(opened.execute("long " * 9_000, model=GEMMA))
        while not studio.posted:
            await asyncio.sleep(0.01)
        asked = studio.asked.count(MODELS)
        short = asyncio.create_task(opened.execute("Hi", model=GEMMA))
        while studio.asked.count(MODELS) == asked:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        goes_on.set()
        await asyncio.gather(long, short)
    assert [path.rsplit("/", 1)[1] for path, _ in studio.posted] == [
        *("unload", "load", "completions", "completions")
    ]


async def test_an_instance_of_another_name_is_asked_by_it(studio: FakeLMStudio) -> None:
    studio.add_instance(QWEN, 32_768, "mine")
    async with orchestrator(studio.url) as opened:
        await opened.execute("Hi", model=QWEN)
    assert [body["model"] for path, body in studio.posted if "chat" in path] == ["mine"]


async def test_the_loaded_model_answers_auto(studio: FakeLMStudio) -> None:
    async with orchestrator(studio.url) as opened:
        decision = await asyncio.to_thread(opened.decide, "Say hi", profile="speed")
    chosen = {each.model_id: each for each in decision.candidates}
    assert (chosen[GEMMA].resident, chosen[QWEN].resident) == (True, False)
    assert chosen[EMBEDDER].eliminated == "it only embeds"


async def test_a_load_that_fails_is_the_next_candidates_turn(studio: FakeLMStudio) -> None:
    studio.fails = "Model loading was stopped due to insufficient system resources"
    studio.fails_for = QWEN
    async with orchestrator(studio.url) as opened:
        result = await opened.execute("Prove that sqrt(2) is irrational", profile="quality")
        with pytest.raises(OrchError, match="insufficient system resources"):
            await opened.execute("Hi", model=QWEN)
    assert [(each.model, each.outcome) for each in result.attempts] == [
        (QWEN, "failed"),
        (GEMMA, "ok"),
    ]


async def test_an_older_server_tells_what_is_loaded_and_loads_by_itself() -> None:
    with ListServer(FORMS["lmstudio"]) as server:
        async with client(server.url) as opened:
            items = {item.name: item for item in await opened.installed()}
            assert opened.fixed_ctx
            with pytest.raises(ProviderError, match="has no /api/v1"):
                await opened.load("llama-3.1-8b-instruct", 4_096)
    assert items["llama-3.1-8b-instruct"].resident is True
    assert server.posted == []


@pytest.mark.parametrize("answer", [404, 500, {"error": "Unexpected endpoint"}, {}, {"models": 7}])
async def test_without_its_own_api_the_models_are_there_and_unknown(answer: Any) -> None:
    answers = {
        "/v1/models": FORMS["lmstudio"]["/v1/models"],
        MODELS: answer,
        "/api/v0/models": answer,
    }
    with ListServer(answers) as server:
        async with client(server.url) as opened:
            items = await opened.installed()
    assert [item.resident for item in items] == [None] * 3


async def test_a_list_that_failed_once_is_read_again(studio: FakeLMStudio) -> None:
    whole, studio.answers[MODELS] = studio.answers[MODELS], 500
    studio.answers["/v1/models"] = FORMS["lmstudio"]["/v1/models"]
    async with client(studio.url) as opened:
        assert [item.resident for item in await opened.installed()] == [None] * 3
        assert opened.fixed_ctx
        studio.answers[MODELS] = whole
        assert [item.resident for item in await opened.installed()] == [True, False, False]
        assert not opened.fixed_ctx


async def test_a_server_that_is_not_there_is_down_not_old(studio: FakeLMStudio) -> None:
    async with client("http://127.0.0.1:9") as opened:
        with pytest.raises(ProviderError) as caught:
            await opened.installed()
        assert (caught.value.code, opened.fixed_ctx) == ("connect", False)


async def test_health_names_the_server_and_counts_its_models(studio: FakeLMStudio) -> None:
    async with client(f"{studio.url}/v1") as opened:
        assert await opened.health() == "LM Studio, 3 models"


async def test_it_downloads(studio: FakeLMStudio) -> None:
    studio.job = {"status": "already_downloaded"}
    async with client(studio.url) as opened:
        assert isinstance(opened, Pulls)
        lines = [line async for line in opened.pull("hf.co/owner/name-GGUF:Q4_K_M")]
    assert lines == [{"status": "success"}]
    assert studio.posted[-1] == (
        f"{MODELS}/download",
        {"model": "https://huggingface.co/owner/name-GGUF", "quantization": "Q4_K_M"},
    )
