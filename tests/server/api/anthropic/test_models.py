"""Anthropic's list of models."""

from __future__ import annotations

import anthropic
import httpx
import openai
import pytest

from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama


def test_every_model_and_every_way_to_choose_is_listed(claude: anthropic.Anthropic) -> None:
    models = {model.id: model for model in claude.models.list(limit=100)}
    assert {"auto", "auto:coding", CODER, LLAMA} <= models.keys()
    assert (models[CODER].max_input_tokens, models[CODER].type) == (32_768, "model")


def test_pages_follow_one_another(claude: anthropic.Anthropic) -> None:
    names = [model.id for model in claude.models.list(limit=3)]
    assert names == [model.id for model in claude.models.list(limit=1_000)]
    before = claude.models.list(limit=2, before_id=names[5])
    assert [model.id for model in before.data] == names[3:5]
    assert [model.id for model in before] == [*names[3:5], *names[1:3], names[0]]


def test_a_model_is_retrieved_under_the_name_that_was_asked_for(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("someone/small:latest"))
    assert [claude.models.retrieve(name).id for name in ("auto", "someone/small")] == [
        "auto",
        "someone/small",
    ]
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("nobody")


def test_a_model_that_only_embeds_is_not_offered(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("embedder", capabilities=["embedding"]))
    assert "embedder:latest" not in [model.id for model in claude.models.list(limit=100)]


def test_other_clients_get_openais_form(client: openai.OpenAI) -> None:
    assert client.models.list().data[0].object == "model"
    assert client.models.retrieve(CODER).object == "model"


@pytest.mark.parametrize("limit", ["0", "9" * 5_000])
def test_a_page_of_no_possible_size_is_refused(url: str, ollama: FakeOllama, limit: str) -> None:
    headers = {"anthropic-version": "2023-06-01"}
    response = httpx.get(f"{url}/v1/models?limit={limit}", headers=headers)
    assert (response.status_code, response.json()["error"]["type"]) == (
        400,
        "invalid_request_error",
    )


@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_a_client_sees_that_the_server_runs(url: str, path: str) -> None:
    response = httpx.head(url + path)
    assert (response.status_code, response.content) == (200, b"")
