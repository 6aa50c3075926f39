"""Embeddings of every API: by orch's own embedder, or by a model that is scheduled like others."""

from __future__ import annotations

from pathlib import Path

import httpx
import openai

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
