"""The wiring: every part is constructed once, and constructing touches neither disk nor network."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.config.load import config_from_data
from orch.execution.runtime import Runtime
from orch.wiring import Wiring
from tests.support import fake_ollama
from tests.support.fake_ollama import FakeModel, FakeOllama


@pytest.fixture
def runtime(home: Path) -> Runtime:
    """The parts of the shipped configuration."""
    return Wiring().build(config_from_data(None, None))


def test_constructing_writes_nothing(home: Path, runtime: Runtime) -> None:
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_every_part_shares_the_others(runtime: Runtime) -> None:
    assert runtime.router.registry is runtime.registry
    assert runtime.router.task_types.classifier is runtime.classifier
    assert runtime.router.estimator is runtime.estimator
    assert runtime.router.admission is runtime.admission
    assert runtime.loader.registry is runtime.registry
    assert runtime.loader.providers is runtime.providers


def test_there_is_a_client_for_each_provider(runtime: Runtime) -> None:
    assert [*runtime.providers] == [*runtime.config.models.providers]


@pytest.mark.parametrize("name", ["Vectors", "library/nomic-embed-text", "NOMIC-embed-text:latest"])
async def test_memorys_embedder_is_called_by_its_providers_own_name(home: Path, name: str) -> None:
    with FakeOllama([FakeModel("nomic-embed-text:latest", capabilities=["embedding"])]) as server:
        models = {
            "providers": {"near": {"kind": "ollama", "base_url": server.url}},
            "models": [{"id": "nomic-embed-text", "provider": "near", "aliases": ["Vectors"]}],
        }
        runtime = Wiring().build(config_from_data(models, {"memory": {"embedder": f"near/{name}"}}))
        embedder = runtime.memory.embedder()
        assert await embedder.query("hi") is not None
        assert await embedder.query("you") is not None
        await runtime.aclose()
    asked = [each.body["model"] for each in server.requests if each.path == "/api/embed"]
    assert asked == ["nomic-embed-text"] * 2
    assert [each.path for each in server.requests].count("/api/tags") == 1


async def test_an_embedder_whose_server_lists_no_models_is_called_by_the_given_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(fake_ollama._ROUTES, ("GET", "/v1/models"))
    with FakeOllama([FakeModel("vectors", capabilities=["embedding"])]) as server:
        models = {"providers": {"near": {"kind": "openai", "base_url": server.url}}, "models": []}
        runtime = Wiring().build(config_from_data(models, {"memory": {"embedder": "near/vectors"}}))
        assert await runtime.memory.embedder().query("hi") is not None
        await runtime.aclose()
