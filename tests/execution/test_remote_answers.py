"""An answer from a machine that nobody was told of is an error, and is not asked for twice; the
backend refuses what must not be asked by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.config.load import config_from_data
from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers import ProviderClient
from orch.providers.ollama import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.server.scheduling.scheduler import Scheduler
from orch.server.wiring import ServerWiring
from orch.types import ChatRequest, TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama

LIAR, LOCAL, HOST = "liar:70b", "llama3.2:3b", "https://far.example:443"
TASK = "Tell me about the sea"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """An Ollama whose best model turns out to run elsewhere only when it answers."""
    liar = FakeModel(
        LIAR,
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
    """An orchestrator that prefers the liar."""
    listed = [
        {"id": LIAR, "quality_rating": 9, "speed_rating": 9, **liar},
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


async def test_it_is_a_failed_attempt_that_says_where_the_text_went(server: FakeOllama) -> None:
    async with orchestrator(server) as made:
        chunks = [chunk async for chunk in made.execute_streaming(TASK)]
    assert "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == "content") == "From here"
    fallback = next(chunk for chunk in chunks if chunk["type"] == "fallback")
    assert (fallback["code"], fallback["from"], fallback["offset"]) == ("remote_answer", LIAR, 0)
    assert "the text went to far.example" in fallback["reason"]


async def test_the_model_is_not_asked_again_by_this_process_or_by_another(
    server: FakeOllama,
) -> None:
    for _ in range(2):
        async with orchestrator(server) as made:
            for _ in range(2):
                assert (await made.execute(TASK)).decision.model_id == LOCAL
    assert len(server.asked(LIAR)) == 1


async def test_named_it_fails_with_exit_code_7(server: FakeOllama) -> None:
    async with orchestrator(server) as made:
        with pytest.raises(OrchError, match=r"the text went to far\.example") as caught:
            await made.execute(TASK, model=LIAR, fallback=False)
    assert (caught.value.exit_code, caught.value.partial, caught.value.attempts[0].code) == (
        7,
        "",
        "remote_answer",
    )


async def test_reading_stops_at_once(server: FakeOllama) -> None:
    server.models[LIAR].reply, server.models[LIAR].chunk_delay_s = ["word "] * 10_000, 0.05
    async with orchestrator(server) as made:
        await made.execute(TASK)
    server.wait_for(lambda: server.asked(LIAR)[0].aborted)


async def test_where_it_is_allowed_the_answer_passes(server: FakeOllama) -> None:
    async with orchestrator(server, remote="allow") as made:
        assert (await made.execute(TASK)).response.content == "From afar"


# ---------------------------------------------------------------- at the backend


@pytest.mark.parametrize("kind", [OllamaClient, OpenAIClient])
async def test_a_cloud_name_is_sent_nothing(
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


async def test_an_openai_server_that_answers_from_elsewhere_is_not_believed_either(
    server: FakeOllama,
) -> None:
    backend = OpenAIClient(Provider(kind="openai", base_url=server.url))
    with pytest.raises(ProviderError, match=r"the text went to far\.example"):
        await anext(backend.chat(ChatRequest(LIAR, [{"role": "user", "content": "hi"}])))
    await backend.aclose()


@pytest.mark.parametrize("where", ["tags", "show"])
async def test_before_a_text_is_embedded_its_provider_is_asked_where_the_model_runs(
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


async def test_vectors_that_came_from_elsewhere_are_not_used(server: FakeOllama) -> None:
    backend = OllamaClient(Provider(kind="ollama", base_url=server.url))
    with pytest.raises(ProviderError, match=r"the text went to far\.example"):
        await backend.embed(LIAR, ["my diary"])
    await backend.aclose()


async def test_a_model_that_runs_elsewhere_is_not_loaded(server: FakeOllama) -> None:
    backend = OllamaClient(Provider(kind="ollama", base_url=server.url))
    with pytest.raises(ProviderError, match="would go to another machine"):
        await backend.load("x:cloud", 8192)
    await backend.aclose()


# ---------------------------------------------------------------- in a server, whose backends
# outlive a change of the files


def wired(remote: str, wiring: ServerWiring, server: FakeOllama) -> ProviderClient:
    """The backend of a configuration that says that word of the liar."""
    config = config_from_data(
        {
            "providers": {"ollama": {"kind": "ollama", "base_url": server.url}},
            "models": [{"id": LIAR, "remote": remote}],
        },
        {"version": 1},
    )
    return wiring.create_provider("ollama", config.models.providers["ollama"], config.models)


def test_a_backend_does_not_outlive_what_it_was_allowed(server: FakeOllama) -> None:
    wiring = ServerWiring(Scheduler(config_from_data(None, {"version": 1})), lambda record: None)
    allowed = wired("allow", wiring, server)
    assert wired("allow", wiring, server) is allowed
    assert wired("deny", wiring, server) is not allowed
