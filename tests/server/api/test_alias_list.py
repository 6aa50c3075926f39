"""Aliases of models.yaml at the endpoint: requested in each API, and listed by each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served
from tests.support.own_models import Write

EMBEDDER = "nomic-embed-text:latest"
MESSAGES = [{"role": "user", "content": "Write a function that adds two numbers"}]
ALIASES = f"""
aliases:
  gpt-4o: {CODER}
  claude-sonnet-4-5: auto:coding
  text-embedding-3-small: nomic-embed-text
  gone: not-there:1b
"""


@pytest.fixture
def url(ollama: FakeOllama, own: Write) -> Iterator[str]:
    """A server whose models.yaml has aliases."""
    ollama.add(FakeModel(EMBEDDER, capabilities=["embedding"]))
    own(
        f"providers:\n  ollama: {{kind: ollama, base_url: '{ollama.url}'}}\n"
        f"models:\n- {{id: '{CODER}'}}\n{ALIASES}"
    )
    with served() as url:
        yield url


BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/responses": {"input": "hi"},
    "/v1/completions": {"prompt": "hi"},
    "/api/chat": {"messages": MESSAGES, "stream": False},
    "/api/generate": {"prompt": "hi", "stream": False},
}


@pytest.mark.parametrize("path", BODIES)
def test_an_alias_pins_its_model_and_the_answer_repeats_it(url: str, path: str) -> None:
    answer = httpx.post(url + path, json={"model": "GPT-4o", **BODIES[path]})
    assert (answer.status_code, answer.headers["x-orch-model"]) == (200, CODER)
    assert answer.json()["model"] == "GPT-4o"


def test_an_alias_of_auto_chooses_and_names_what_was_chosen(url: str) -> None:
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert answer.headers["x-orch-task-type"] == "coding"
    assert answer.json()["model"] == answer.headers["x-orch-model"]


def test_orchs_own_api_takes_an_alias_too(url: str) -> None:
    decision = httpx.post(f"{url}/orch/route", json={"text": "hi", "model": "gpt-4o"}).json()
    assert (decision["decision"]["model_id"], decision["decision"]["pinned"]) == (CODER, True)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/embed"])
def test_an_alias_of_an_embedding_model_embeds(url: str, path: str) -> None:
    answer = httpx.post(url + path, json={"model": "text-embedding-3-small", "input": "hi"})
    assert (answer.status_code, answer.headers["x-orch-model"]) == (200, EMBEDDER)
    assert answer.json()["model"] == "text-embedding-3-small"


def test_lists_show_the_aliases_whose_model_is_there(url: str) -> None:
    listed = [entry["id"] for entry in httpx.get(f"{url}/v1/models").json()["data"]]
    tags = {entry["name"]: entry for entry in httpx.get(f"{url}/api/tags").json()["models"]}
    for names in (listed, list(tags)):
        assert {"gpt-4o", "claude-sonnet-4-5", "text-embedding-3-small"} <= set(names)
        assert "gone" not in names
    assert tags["gpt-4o"]["digest"] == tags[CODER]["digest"]
    assert tags["text-embedding-3-small"]["capabilities"] == ["embedding"]


@pytest.mark.parametrize("name", ["gpt-4o", "GPT-4O:latest", "AUTO", "orch/auto", CODER])
def test_a_model_is_described_under_each_of_its_names(url: str, name: str) -> None:
    assert httpx.get(f"{url}/v1/models/{name}").status_code == 200
    assert httpx.post(f"{url}/api/show", json={"model": name}).status_code == 200


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("auto-coding", "auto:coding"),
        ("orch/auto-coding", "auto:coding"),
        ("aut", "auto"),
        ("Auto_Speed", "auto:speed"),
        ("gpt4o", "gpt-4o"),
    ],
)
def test_a_name_near_one_of_orchs_own_gets_that_as_a_hint(
    url: str, name: str, suggestion: str
) -> None:
    body = {"model": name, "messages": MESSAGES}
    message = httpx.post(f"{url}/v1/chat/completions", json=body).json()["error"]["message"]
    assert f"did you mean {suggestion}?" in message
    assert "pull" not in message
