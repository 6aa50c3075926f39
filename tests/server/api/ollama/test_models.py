"""Ollama's lists of models, by Ollama's own client over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import ollama as theirs
import pytest

from orch.server.api.ollama.models import EMULATED_VERSION
from tests.conftest import CODER, LLAMA
from tests.server.api.wire_shapes import SHAPES
from tests.support.fake_ollama import FakeModel, FakeOllama

TASK = "Write a Python function that sorts a list"


MESSAGES = [{"role": "user", "content": TASK}]


@pytest.fixture
def client(url: str) -> Iterator[theirs.Client]:
    client = theirs.Client(host=url, headers={"x-orch-timeout": "1.5"})
    yield client
    client._client.close()  # it has no method for it


def test_models_are_listed_shown_and_reported_as_loaded(client: theirs.Client, url: str) -> None:
    assert {"auto", "auto:speed", CODER, LLAMA} <= {model.model for model in client.list().models}
    assert "completion" in (client.show(LLAMA).capabilities or [])
    assert "completion" in (client.show("auto").capabilities or [])
    client.chat(model=LLAMA, messages=MESSAGES)
    assert httpx.get(f"{url}/api/version").json()["version"].count(".") == 2


def test_a_model_is_listed_with_its_ollamas_fields(
    client: theirs.Client, ollama: FakeOllama
) -> None:
    row = {each["model"]: each for each in client.list().model_dump()["models"]}[LLAMA]
    model = ollama.models[LLAMA]
    assert (row["digest"], row["size"], row["modified_at"].year) == (model.digest, model.size, 2025)
    assert (row["details"]["parameter_size"], row["details"]["quantization_level"]) == (
        "8.0B",
        "Q4_K_M",
    )


def test_every_digest_is_long_enough_for_ollamas_command(client: theirs.Client) -> None:
    assert all(len(model.digest or "") >= 12 for model in client.list().models)


def test_a_loaded_model_is_reported_with_its_context(client: theirs.Client) -> None:
    assert client.ps().models == []
    client.generate(model=LLAMA)
    (row,) = client.ps().models
    assert (row.model, row.context_length, row.size, row.expires_at is not None) == (
        LLAMA,
        8192,
        4_700_000_000,
        True,
    )


def test_the_model_that_has_just_answered_is_reported_as_loaded(client: theirs.Client) -> None:
    assert client.ps().models == []
    client.chat(model=CODER, messages=MESSAGES)
    assert [row.model for row in client.ps().models] == [CODER]


def test_a_model_is_shown_as_its_ollama_shows_it(client: theirs.Client) -> None:
    assert client.show(LLAMA).modelfile == f"FROM {LLAMA}\n"
    with pytest.raises(theirs.ResponseError, match="did you mean") as refused:
        client.show("lama3.1:8b-instruct-q4_K_M")
    assert refused.value.status_code == 404


def test_auto_is_shown_with_the_capabilities_of_all_models(
    client: theirs.Client, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("eyes", capabilities=["completion", "vision"], context_length=65_536))
    shown = client.show("auto:latest")
    assert (shown.capabilities, (shown.modelinfo or {})["orch.context_length"]) == (
        ["completion", "vision"],
        65_536,
    )


def test_ollamas_command_and_health_checks_detect_the_server(url: str) -> None:
    assert httpx.head(url).status_code == 200
    answer = httpx.get(url)
    assert (answer.text, answer.headers["vary"]) == ("Ollama is running", "accept")


def test_a_model_whose_provider_is_down_is_not_missing(url: str, ollama: FakeOllama) -> None:
    ollama.stop()
    for name in (LLAMA, "unlisted:1b"):
        answer = httpx.post(f"{url}/api/show", json={"model": name})
        assert (answer.status_code, "down" in answer.json()["error"]) == (503, True)


def test_a_verbose_description_is_asked_of_ollama(url: str, ollama: FakeOllama) -> None:
    httpx.post(f"{url}/api/show", json={"model": LLAMA, "verbose": True})
    assert [r.body for r in ollama.requests if r.body.get("verbose")] == [
        {"model": LLAMA, "verbose": True}
    ]


def test_the_last_version_is_reported_while_ollama_is_down(url: str, ollama: FakeOllama) -> None:
    ollama.version = "0.31.4"
    assert httpx.get(f"{url}/api/version").json()["version"] == "0.31.4"
    ollama.stop()
    assert httpx.get(f"{url}/api/version").json()["version"] == "0.31.4"


def test_a_version_is_reported_though_no_ollama_ever_answered(url: str, ollama: FakeOllama) -> None:
    ollama.stop()
    assert httpx.get(f"{url}/api/version").json()["version"] == EMULATED_VERSION


def test_an_entry_of_auto_has_the_fields_of_a_models(url: str, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("eyes", capabilities=["completion", "vision"], context_length=65_536))
    rows = {row["name"]: row for row in httpx.get(f"{url}/api/tags").json()["models"]}
    assert rows["auto"]["capabilities"] == ["completion", "vision"]
    assert rows["auto:coding"]["details"]["context_length"] == 65_536
    recorded = SHAPES["tags"]["body"]["models"][0]
    details = recorded["details"].keys() - {"embedding_length"}  # auto has no vectors
    assert (rows["auto"].keys(), rows["auto"]["details"].keys()) == (recorded.keys(), details)
