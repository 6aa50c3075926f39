"""An unannounced answer of a remote machine is an error and is not requested twice; the provider's
client sends nothing to a remote model by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.config.load import config_from_data
from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers import ProviderClient
from orch.providers.chat import ChatRequest
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.server.scheduling.scheduler import Scheduler
from orch.server.wiring import ServerWiring
from orch.types import TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama

HIDDEN_REMOTE, LOCAL, HOST = "liar:70b", "llama3.2:3b", "https://far.example:443"
TASK = "Tell me about the sea"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """An Ollama whose best model reveals only in its answer that it runs on another machine."""
    liar = FakeModel(
        HIDDEN_REMOTE,
        reply=["From", " afar"],
        remote_host=HOST,
        says_remote_in=frozenset({"answer"}),
        capabilities=["completion", "embedding"],
    )
    with FakeOllama(
        [liar, FakeModel(LOCAL, reply=["From", " here"], parameter_size="3.2B")]
    ) as fake:
        yield fake


def orchestrator(server: FakeOllama, **liar: Any) -> Orchestrator:
    """An orchestrator that prefers that model."""
    listed = [
        {"id": HIDDEN_REMOTE, "quality_rating": 9, "speed_rating": 9, **liar},
        {"id": LOCAL, "quality_rating": 3, "speed_rating": 3},
    ]
    models = {"providers": {"ollama": {"kind": "ollama", "base_url": server.url}}, "models": listed}
    return Orchestrator(
        models,
        {
            "version": 1,
            "memory_budget_gb": 100,
            "cache": "off",
            "task_types": {kind: {"quality_floor": 0} for kind in TaskType},
        },
    )


@pytest.mark.usefixtures("both_transports")
async def test_a_remote_answer_is_a_failed_attempt_that_names_the_host(server: FakeOllama) -> None:
    async with orchestrator(server) as opened:
        chunks = [chunk async for chunk in opened.execute_streaming(TASK)]
    assert "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == "content") == "From here"
    fallback = next(chunk for chunk in chunks if chunk["type"] == "fallback")
    assert (fallback["code"], fallback["from"], fallback["offset"]) == (
        "remote_answer",
        HIDDEN_REMOTE,
        0,
    )
    assert "the text went to far.example" in fallback["reason"]


async def test_a_model_that_answered_remotely_is_not_called_again(
    server: FakeOllama,
) -> None:
    for _ in range(2):
        async with orchestrator(server) as opened:
            for _ in range(2):
                assert (await opened.execute(TASK)).decision.model_id == LOCAL
    assert len(server.asked(HIDDEN_REMOTE)) == 1


async def test_a_pinned_model_that_answers_remotely_exits_with_7(server: FakeOllama) -> None:
    async with orchestrator(server) as opened:
        with pytest.raises(OrchError, match=r"the text went to far\.example") as caught:
            await opened.execute(TASK, model=HIDDEN_REMOTE, fallback=False)
    assert (caught.value.exit_code, caught.value.partial, caught.value.attempts[0].code) == (
        7,
        "",
        "remote_answer",
    )


@pytest.mark.usefixtures("both_transports")
async def test_reading_stops_when_a_remote_answer_is_recognized(server: FakeOllama) -> None:
    server.models[HIDDEN_REMOTE].reply, server.models[HIDDEN_REMOTE].chunk_delay_s = (
        ["word "] * 10_000,
        0.05,
    )
    async with orchestrator(server) as opened:
        await opened.execute(TASK)
    server.wait_for(lambda: server.asked(HIDDEN_REMOTE)[0].aborted)


@pytest.mark.usefixtures("both_transports")
async def test_an_allowed_remote_answer_passes(server: FakeOllama) -> None:
    async with orchestrator(server, remote="allow") as opened:
        assert (await opened.execute(TASK)).response.content == "From afar"


# ---------------------------------------------------------------- at the client


@pytest.mark.parametrize("kind", [OllamaClient, OpenAIClient])
async def test_nothing_is_sent_to_a_cloud_model(
    server: FakeOllama, kind: type[OllamaClient] | type[OpenAIClient]
) -> None:
    server.add(FakeModel("x:cloud", capabilities=["completion", "embedding"]))
    backend = kind(Provider(kind="ollama", base_url=server.url))
    request = ChatRequest("x:cloud", [{"role": "user", "content": "hi"}])
    with pytest.raises(ProviderError, match="would go to another machine"):
        await anext(backend.chat(request))
    with pytest.raises(ProviderError, match="would go to another machine"):
        await backend.embed("x:cloud", ["hi"])
    await backend.aclose()
    # what a cloud name stands for Ollama would ask its cloud
    assert {request.path for request in server.requests} <= {"/api/tags", "/api/ps"}


@pytest.mark.usefixtures("both_transports")
async def test_a_remote_answer_of_an_openai_server_fails(
    server: FakeOllama,
) -> None:
    backend = OpenAIClient(Provider(kind="openai", base_url=server.url))
    with pytest.raises(ProviderError, match=r"the text went to far\.example"):
        await anext(backend.chat(ChatRequest(HIDDEN_REMOTE, [{"role": "user", "content": "hi"}])))
    await backend.aclose()


@pytest.mark.parametrize("where", ["tags", "show"])
@pytest.mark.usefixtures("both_transports")
async def test_the_embedding_models_host_is_checked_before_text_is_sent(
    server: FakeOllama, where: str
) -> None:
    server.add(
        FakeModel(
            "far-embed",
            capabilities=["embedding"],
            remote_host=HOST,
            says_remote_in=frozenset({where}),
        )
    )
    backend = OllamaClient(Provider(kind="ollama", base_url=server.url))
    with pytest.raises(ProviderError, match=r"would go to far\.example") as caught:
        await backend.embed("far-embed", ["my diary"])
    await backend.aclose()
    assert (caught.value.code, server.asked("far-embed")) == ("remote", [])


@pytest.mark.usefixtures("both_transports")
async def test_vectors_of_a_remote_machine_are_not_used(server: FakeOllama) -> None:
    backend = OllamaClient(Provider(kind="ollama", base_url=server.url))
    with pytest.raises(ProviderError, match=r"the text went to far\.example"):
        await backend.embed(HIDDEN_REMOTE, ["my diary"])
    await backend.aclose()


@pytest.mark.usefixtures("both_transports")
async def test_a_remote_model_is_not_loaded(server: FakeOllama) -> None:
    backend = OllamaClient(Provider(kind="ollama", base_url=server.url))
    with pytest.raises(ProviderError, match="would go to another machine"):
        await backend.load("x:cloud", 8192)
    await backend.aclose()


# ---------------------------------------------------------------- in a server, whose backends
# outlive a change of the files


def wired(remote: str, wiring: ServerWiring, server: FakeOllama) -> ProviderClient:
    """The client for a configuration with that value of `remote`."""
    config = config_from_data(
        {
            "providers": {"ollama": {"kind": "ollama", "base_url": server.url}},
            "models": [{"id": HIDDEN_REMOTE, "remote": remote}],
        },
        {"version": 1},
    )
    return wiring.create_provider("ollama", config.models.providers["ollama"], config.models)


def test_a_provider_client_is_replaced_when_its_remote_policy_changes(server: FakeOllama) -> None:
    wiring = ServerWiring(Scheduler(config_from_data(None, {"version": 1})), lambda record: None)
    allowed = wired("allow", wiring, server)
    assert wired("allow", wiring, server) is allowed
    assert wired("deny", wiring, server) is not allowed
