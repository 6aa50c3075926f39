"""Embeddings of every API: by orch's own embedder, or by a model that is scheduled like others."""

from __future__ import annotations

import math
from pathlib import Path

import httpx
import openai
import pytest

from orch.server.api.embeddings import shortened
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served


def test_orchs_own_embedder_evicts_no_model(client: openai.OpenAI, ollama: FakeOllama) -> None:
    assert len(client.embeddings.create(model="auto", input="hola").data[0].embedding) == 384
    assert not ollama.resident


def test_a_model_as_memorys_embedder_is_queued(ollama: FakeOllama, home: Path) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    home.mkdir(parents=True, exist_ok=True)
    (home / "routing.yaml").write_text("memory: {embedder: ollama/nomic}\n", encoding="utf-8")
    with served() as url:
        result = httpx.post(f"{url}/api/embed", json={"model": "auto", "input": ["a", "b"]}).json()
    assert (result["model"], len(result["embeddings"])) == ("nomic:latest", 2)


def test_a_vector_is_cut_at_length_one() -> None:
    assert shortened([0.6, 0.0, 0.8], 2) == [1.0, 0.0]
    assert shortened([0.0, 0.0, 1.0], 2) == [0.0, 0.0]


@pytest.mark.parametrize("model", ["auto", "nomic"])
def test_as_many_dimensions_are_given_as_are_asked_for(
    url: str, client: openai.OpenAI, ollama: FakeOllama, model: str
) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    whole = httpx.post(f"{url}/api/embed", json={"model": model, "input": "a"}).json()
    for dimensions in (4, 1):
        body = {"model": model, "input": ["a", "b"], "dimensions": dimensions}
        first, second = httpx.post(f"{url}/api/embed", json=body).json()["embeddings"]
        assert (len(first), len(second)) == (dimensions, dimensions)
        assert math.hypot(*first) == pytest.approx(1)
        assert first == pytest.approx(shortened(whole["embeddings"][0], dimensions), rel=1e-5)
        answer = client.embeddings.create(model=model, input="a", dimensions=dimensions)
        assert answer.data[0].embedding == pytest.approx(first, rel=1e-5)
    body = {"model": model, "input": "a", "dimensions": 100_000}
    refused = httpx.post(f"{url}/api/embed", json=body)
    assert (refused.status_code, "dimensions: " in refused.json()["error"]) == (400, True)
    for ignored in (0, -1, None):
        asked = {"model": model, "input": "a", "dimensions": ignored}
        given = httpx.post(f"{url}/api/embed", json=asked).json()["embeddings"]
        assert given == whole["embeddings"]


def test_the_old_form_of_embeddings(url: str, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    ask = {"model": "nomic", "prompt": "a"}
    vector = httpx.post(f"{url}/api/embeddings", json=ask).json()["embedding"]
    assert (len(vector), vector != [0.0] * 8) == (8, True)
    for nothing in ({"model": "nomic", "prompt": ""}, {"model": "nomic"}):
        assert httpx.post(f"{url}/api/embeddings", json=nothing).json() == {"embedding": []}
