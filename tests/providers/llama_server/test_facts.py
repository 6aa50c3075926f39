"""What is asked of a llama-server beside its list: once, never loading a model, and never a failure
of the provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orch.providers.client import HttpClient
from orch.providers.installed_models import InstalledModel
from orch.providers.llama_server import facts as facts_module
from orch.providers.llama_server.facts import ModelFacts
from tests.support.fake_llama_server import FakeLlamaServer, ServedModel

TOOLS = frozenset({"tools", "tool_calls"})


async def inventory(facts: ModelFacts, http: HttpClient) -> dict[str, InstalledModel]:
    """One inventory, by name."""
    entries = (await http.json("GET", "models"))["data"]
    return {model.name: model for model in await facts.installed(entries)}


class Asked:
    """A server with a client of its facts; `clock` is the time of both."""

    def __init__(self, server: FakeLlamaServer) -> None:
        self.http, self.now = HttpClient([f"{server.url}/v1"]), 0.0
        self.facts = ModelFacts(self.http, reads_files=True, clock=lambda: self.now)

    async def models(self) -> dict[str, InstalledModel]:
        return await inventory(self.facts, self.http)


@pytest.fixture
async def router() -> AsyncIterator[tuple[FakeLlamaServer, Asked]]:
    """A router with a loaded model that calls tools, and one that is not loaded."""
    loaded = ServedModel("a", "loaded", caps=TOOLS, num_ctx=2048, slots=3)
    with FakeLlamaServer(loaded, ServedModel("b")) as server:
        asked = Asked(server)
        yield server, asked
        await asked.http.aclose()


Router = tuple[FakeLlamaServer, Asked]


async def test_a_loaded_models_facts_are_asked_for_once(router: Router) -> None:
    server, asked = router
    for _ in range(3):
        model = (await asked.models())["a"]
    assert (model.resident_ctx, model.slots) == (2048, 3)
    assert set(model.capabilities or ()) == {"completion", "tools"}
    assert server.asked("/props") == 1


async def test_asking_never_loads_a_model(router: Router) -> None:
    server, asked = router
    models = await asked.models()
    assert models["b"].resident is False
    assert all("autoload=false" in path for _, path, _ in server.requests if "model=" in path)
    assert server.models["b"].status == "unloaded"


async def test_an_unloaded_model_keeps_what_was_known_of_it(router: Router) -> None:
    server, asked = router
    await asked.models()
    server.set_status(server.models["a"], "unloaded")
    model = (await asked.models())["a"]
    assert (model.resident, model.resident_ctx, model.slots) == (False, None, 3)
    assert "tools" in (model.capabilities or ())


async def test_a_model_that_is_loaded_anew_with_another_context_is_asked_again(
    router: Router,
) -> None:
    server, asked = router
    await asked.models()
    server.models["a"].num_ctx, server.models["a"].slots = 512, 1
    model = (await asked.models())["a"]
    assert (model.context_window, model.slots) == (512, 1)


@pytest.mark.parametrize(
    "answer", [(404, {"error": "no"}), (500, {}), (200, [1]), (200, "x"), None], ids=str
)
async def test_a_question_that_fails_leaves_things_unknown_and_is_not_repeated_at_once(
    router: Router, answer: Any
) -> None:
    server, asked = router
    server.answers["/props"] = answer
    await asked.models()
    count = server.asked("/props")  # twice where a connection was closed
    model = (await asked.models())["a"]
    assert (model.resident, model.resident_ctx, model.slots) == (True, 2048, None)
    assert server.asked("/props") == count
    asked.now += facts_module.REFUSED_S + 1
    del server.answers["/props"]
    assert (await asked.models())["a"].slots == 3


async def test_facts_of_models_that_are_gone_are_forgotten(router: Router) -> None:
    server, asked = router
    await asked.models()
    del server.models["a"]
    assert list(await asked.models()) == ["b"]
    assert asked.facts._told == {}


async def test_a_server_alone_is_asked_once_and_sleeps() -> None:
    model = ServedModel("a", "sleeping", caps=TOOLS)
    with FakeLlamaServer(model, mode="single") as server:
        asked = Asked(server)
        for _ in range(2):
            found = (await asked.models())["a"]
        await asked.http.aclose()
    assert (found.status, found.resident, found.slots) == ("sleeping", False, 2)
    assert server.asked("/props") == 1


async def test_the_size_of_an_unloaded_model_is_that_of_its_file(tmp_path: Any) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"x" * 123)
    args = ["llama-server", "--model", str(path)]
    with FakeLlamaServer(ServedModel("a", args=args)) as server:
        asked = Asked(server)
        assert (await asked.models())["a"].size_bytes == 123
        elsewhere = ModelFacts(asked.http, reads_files=False)
        assert (await inventory(elsewhere, asked.http))["a"].size_bytes == 0
        await asked.http.aclose()


async def test_busy_slots_are_those_of_any_program(router: Router) -> None:
    server, asked = router
    server.models["a"].busy = 2
    use = await asked.facts.slots("a")
    assert use is not None
    assert (use.total, use.busy) == (3, 2)
    assert await asked.facts.slots("b") is None
    server.answers["/slots"] = (501, {"error": "no slots"})
    assert await asked.facts.slots("a") is None


# ---------------------------------------------------------------- llama-swap


async def test_llama_swaps_process_that_starts_is_not_asked_and_a_peers_model_is_remote() -> None:
    models = [
        ServedModel("up", "loaded", caps=TOOLS),
        ServedModel("starts", "loading"),
        ServedModel("down"),
        ServedModel("far", peer="lab"),
    ]
    with FakeLlamaServer(*models, mode="swap") as server:
        asked = Asked(server)
        found = await asked.models()
        await asked.http.aclose()
        questions = [path for _, path, _ in server.requests if path.startswith("/props")]
    states = {name: (model.status, model.resident) for name, model in found.items()}
    assert states == {
        "up": ("loaded", True),
        "starts": ("loading", False),
        "down": ("unloaded", False),
        "far": ("", None),
    }
    assert found["far"].remote_host == "lab"
    assert questions == ["/props?model=up&autoload=false"]


@pytest.mark.parametrize("owner", ["llamacpp", "llama-swap"])
async def test_a_question_whose_answer_trickles_in_ends_in_time_and_is_not_repeated_at_once(
    owner: str,
) -> None:
    asked: list[str] = []

    class Slow(HttpClient):
        async def json(self, method: str, path: str, *_: Any, **__: Any) -> dict[str, Any]:
            asked.append(path)
            await asyncio.sleep(60)
            return {}

    entry = {"id": "a", "owned_by": owner, "status": {"value": "loaded"}}
    facts = ModelFacts(Slow(["http://127.0.0.1:9/v1"]), reads_files=False, clock=lambda: 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts_module.ModelFacts.ask, "__defaults__", (0.01,))
        async with asyncio.timeout(5):
            for _ in range(2):
                await facts.installed([entry])
    assert len(asked) == 1


@pytest.mark.parametrize(
    "running",
    [
        (200, {"running": "many"}),
        (500, {}),
        (200, {"running": []}),
        (200, {"running": [{"model": "up", "state": "hovering"}]}),
    ],
)
async def test_a_swap_that_does_not_call_a_model_running_is_not_asked_about_it(
    running: tuple[int, dict[str, Any]],
) -> None:
    """Its list calls a process loaded that is about to end, and a question would start it again."""
    with FakeLlamaServer(ServedModel("up", "loaded"), mode="swap") as server:
        server.answers["/running"] = running
        asked = Asked(server)
        assert (await asked.models())["up"].status == "loaded"
        await asked.http.aclose()
        assert not [path for _, path, _ in server.requests if path.startswith("/props")]
