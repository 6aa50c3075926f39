"""What servers tell beside their list, over a real socket with both transports; and what happens
where they do not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.installed_models import InstalledModel
from orch.providers.model_lists.side_lists import (
    SIDE_LISTS,
    add_entries,
    add_koboldcpp,
    add_lemonade,
    add_ollama_loaded,
    add_ollama_tags,
    add_omlx,
    add_tabby,
    add_tgi,
    side_lists_of,
)
from orch.providers.openai_compatible import SIDE_TIMEOUT_S, OpenAIClient
from orch.providers.remote_models import UNTOLD_HOST
from tests.support.server_lists import FORMS, ListServer, models

both_transports = pytest.mark.usefixtures("both_transports")
UNKNOWN = [InstalledModel("a", resident=None), InstalledModel("b", resident=None)]


async def listing(server: ListServer, times: int = 1) -> dict[str, InstalledModel]:
    client = OpenAIClient(Provider(kind="openai", base_url=server.url))
    try:
        for _ in range(times):
            items = await client.installed()
        return {item.name: item for item in items}
    finally:
        await client.aclose()


async def told(form: str) -> dict[str, InstalledModel]:
    with ListServer(FORMS[form]) as server:
        return await listing(server)


@both_transports
async def test_lm_studio_under_openai_tells_what_is_loaded() -> None:
    items = await told("lmstudio")
    assert [(item.resident, item.resident_ctx) for item in items.values()] == [
        (False, None),
        (True, 8_192),
        (False, None),
    ]
    assert items["text-embedding-nomic-embed-text-v1.5"].capabilities == ("embedding",)


async def test_lemonade_tells_what_is_loaded_and_with_what_context() -> None:
    items = await told("lemonade")
    assert {name: (item.resident, item.resident_ctx) for name, item in items.items()} == {
        "Qwen3-0.6B-GGUF": (False, None),
        "Gemma-3-4b-it-GGUF": (True, 4_096),
        "SD-Turbo": (False, None),
        "fireworks.kimi-k2": (False, None),
    }


async def test_localai_tells_what_each_model_can() -> None:
    items = await told("localai")
    assert items["talks"].capabilities == ("completion", "tools", "vision")
    assert items["talks"].resident is None
    assert items["speaks"].capabilities == ("speech",)
    assert items["unset"].capabilities is None


async def test_tabbyapi_tells_which_model_is_loaded() -> None:
    items = await told("tabby")
    here = items["here-8b"]
    assert (here.resident, here.context_window, here.slots) == (True, 16_384, 4)
    assert items["there-8b"].resident is False


async def test_koboldcpp_tells_the_context_of_its_model() -> None:
    (item,) = (await told("koboldcpp")).values()
    assert (item.resident, item.context_window) == (True, 8_192)


async def test_omlx_tells_what_is_loaded_sizes_and_types() -> None:
    items = await told("omlx")
    chat, embeds = items["chat-8b"], items["bge-m3"]
    assert (chat.resident, chat.size_bytes, chat.resident_bytes) == (True, 46 * 10**8, 51 * 10**8)
    assert (chat.context_window, chat.capabilities) == (32_768, ("completion",))
    assert (embeds.resident, embeds.status) == (False, "loading")
    assert embeds.capabilities == ("embedding",)


async def test_tgi_tells_the_tokens_of_prompt_and_answer() -> None:
    (item,) = (await told("tgi")).values()
    assert (item.resident, item.context_window) == (True, 4_096)


async def test_ollamas_v1_is_asked_for_what_is_loaded() -> None:
    items = await told("ollama")
    loaded = items["qwen3:8b"]
    assert (loaded.resident, loaded.resident_ctx, loaded.resident_bytes) == (True, 4_096, 6 * 10**9)
    assert (loaded.size_bytes, loaded.context_window, loaded.parameters_b) == (
        5_200_000_000,
        40_960,
        8.2,
    )
    assert loaded.capabilities == ("completion", "thinking", "tools")
    assert items["gemma3:4b"].resident is False


async def test_a_cloud_model_of_ollamas_v1_is_one_whatever_it_is_called() -> None:
    items = await told("ollama")
    assert items["mine:120b"].remote_host == "https://ollama.com:443"
    with ListServer(FORMS["ollama"]) as server:
        client = OpenAIClient(Provider(kind="openai", base_url=server.url))
        await client.installed()
        with pytest.raises(ProviderError, match="its text would go to"):
            await client.embed("mine:120b", ["secret"])
        await client.aclose()
    assert server.posted == []


@pytest.mark.parametrize("fault", [503, 404, {"models": 7}])
async def test_a_cloud_model_stays_one_where_the_list_that_told_it_fails(fault: Any) -> None:
    with ListServer(FORMS["ollama"]) as server:
        client = OpenAIClient(Provider(kind="openai", base_url=server.url))
        await client.installed()
        server.answers["/api/tags"] = fault
        for _ in range(3):
            items = {item.name: item for item in await client.installed()}
        with pytest.raises(ProviderError, match="its text would go to"):
            await client.embed("mine:120b", ["secret"])
        await client.aclose()
    assert items["mine:120b"].remote_host == "https://ollama.com:443"
    assert server.posted == []


@pytest.mark.parametrize("fault", [503, 403, {"models": 7}])
async def test_a_model_of_ollamas_v1_is_not_asked_before_it_is_told_where_it_runs(
    fault: Any,
) -> None:
    with ListServer({**FORMS["ollama"], "/api/tags": fault}) as server:
        client = OpenAIClient(Provider(kind="openai", base_url=server.url))
        for _ in range(2):
            assert {item.remote_host for item in await client.installed()} == {UNTOLD_HOST}
        with pytest.raises(ProviderError, match="would go to an unknown machine"):
            await client.embed("mine:120b", ["secret"])
        server.answers["/api/tags"] = FORMS["ollama"]["/api/tags"]
        await client.installed()
        server.answers["/api/tags"] = fault
        hosts = {item.name: item.remote_host for item in await client.installed()}
        await client.aclose()
    assert hosts == {"qwen3:8b": "", "gemma3:4b": "", "mine:120b": "https://ollama.com:443"}
    assert server.posted == []


async def test_a_server_without_the_path_is_no_ollama_and_asked_again_for_new_models() -> None:
    with ListServer({**FORMS["ollama"], "/api/tags": 503}) as server:
        client = OpenAIClient(Provider(kind="openai", base_url=server.url))
        await client.installed()  # while it starts
        server.answers["/api/tags"] = 404
        for _ in range(2):
            assert {item.remote_host for item in await client.installed()} == {""}
        assert server.asked.count("/api/tags") == 2
        server.answers |= FORMS["ollama"]
        server.answers["/v1/models"] = models(
            {"id": "mine:120b"}, {"id": "new"}, owned_by="library"
        )
        hosts = [item.remote_host for item in await client.installed()]
        await client.aclose()
    assert hosts == ["https://ollama.com:443", ""]


async def test_a_side_list_that_trickles_in_holds_up_no_list() -> None:
    data, ended = json.dumps(FORMS["lemonade"]["/v1/models"]).encode(), asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_list = b" /v1/models " in await reader.readuntil(b"\r\n\r\n")
        pieces = [data] if is_list else [b" "] * 100
        size = sum(map(len, pieces))
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size)
        while pieces and not reader.at_eof():
            writer.write(pieces.pop())
            await asyncio.sleep(0.2)
        writer.close()
        ended.release()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        client = OpenAIClient(Provider(kind="openai", base_url=f"http://127.0.0.1:{port}"))
        async with asyncio.timeout(SIDE_TIMEOUT_S + 2):
            assert len(await client.installed()) == 4
        await client.aclose()
        await ended.acquire()
        await ended.acquire()


async def test_a_foreign_entry_takes_no_server_down() -> None:
    form = FORMS["vllm"]["/v1/models"]
    with ListServer({"/v1/models": {**form, "data": [None, *form["data"], 7]}}) as server:
        names = list(await listing(server))
    assert names == [entry["id"] for entry in form["data"]]


@pytest.mark.parametrize("form", ["vllm", "sglang", "mlx", "openrouter"])
async def test_servers_that_tell_no_more_are_asked_once(form: str) -> None:
    with ListServer(FORMS[form]) as server:
        await listing(server)
    assert server.asked == ["/v1/models"]


# ---------------------------------------------------------------- where it fails


@pytest.mark.parametrize("form", ["lmstudio", "lemonade", "localai", "tabby", "omlx", "ollama"])
@pytest.mark.parametrize("answer", [404, 500, [], "text", {}, {"data": 7}, b"{", {"error": "no"}])
async def test_a_side_list_that_fails_leaves_it_unknown(form: str, answer: Any) -> None:
    plain = {"/v1/models": FORMS[form]["/v1/models"]}
    sides = FORMS[form].keys() - plain.keys()
    with ListServer({**plain, **dict.fromkeys(sides, answer)}) as server:
        items = await listing(server)
    assert [item.resident for item in items.values()] == [None] * len(items)
    assert len(items) == len(FORMS[form]["/v1/models"]["data"])


async def test_a_side_list_that_is_not_there_is_asked_for_once() -> None:
    with ListServer({"/v1/models": FORMS["lmstudio"]["/v1/models"]}) as server:
        await listing(server, times=3)
    assert server.asked.count("/api/v0/models") == 1


async def test_a_side_list_that_failed_is_asked_for_again() -> None:
    answers = {"/v1/models": FORMS["lmstudio"]["/v1/models"], "/api/v0/models": 500}
    with ListServer(answers) as server:
        await listing(server, times=3)
    assert server.asked.count("/api/v0/models") == 3


# ---------------------------------------------------------------- pure


@pytest.mark.parametrize(
    "add", [add_lemonade, add_entries, add_tabby, add_omlx, add_ollama_loaded, add_ollama_tags]
)
def test_an_answer_of_another_form_is_an_error(add: Any) -> None:
    answers: tuple[dict[str, Any], ...] = (
        {},
        {"data": 3, "models": None, "id": 7, "all_models_loaded": {}},
    )
    for answer in answers:
        with pytest.raises(TypeError):
            add(UNKNOWN, answer)


@pytest.mark.parametrize("add", [add_koboldcpp, add_tgi])
@pytest.mark.parametrize("value", [None, 0, -4, 1e30, "x", [], True])
def test_an_absurd_context_is_unknown(add: Any, value: Any) -> None:
    assert add(UNKNOWN[:1], {"value": value, "max_total_tokens": value}) == UNKNOWN[:1]


def test_koboldcpps_router_does_not_say_which_model_is_loaded() -> None:
    assert add_koboldcpp(UNKNOWN, {"value": 4_096}) == UNKNOWN


def test_a_model_that_the_side_list_lacks_stays_unknown() -> None:
    told = add_entries(UNKNOWN, models({"id": "a", "state": "loaded"}))
    assert [item.resident for item in told] == [True, None]


def test_the_server_is_recognised_by_any_owner_of_its_list() -> None:
    entries = [{"id": "a", "owned_by": "me"}, {"id": "b", "owned_by": "library"}]
    assert side_lists_of(entries) == SIDE_LISTS["library"]
    assert side_lists_of([]) == ()
    assert side_lists_of([{"id": "a", "owned_by": ["lemonade"]}]) == ()
