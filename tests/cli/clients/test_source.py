"""The endpoint that a client is given: an address that it can reach, and the key of the
environment."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orch.cli.clients import source
from orch.cli.clients.endpoint import ClientModel, Endpoint
from orch.errors import ModelNotFoundError, OrchError, UsageError
from orch.server.local_client import NoServerError
from tests.support.orch_process import serving
from tests.support.own_models import Write

KEY = "a-key-that-nobody-else-has"
SERVED = Endpoint("http://127.0.0.1:11435", (ClientModel("auto", 8_192), ClientModel("coder:7b")))


@pytest.mark.parametrize(
    ("served", "reached"),
    [
        ("http://127.0.0.1:11435", "http://127.0.0.1:11435"),
        ("http://0.0.0.0:11435", "http://127.0.0.1:11435"),
        ("http://[::]:11435", "http://[::1]:11435"),
        ("http://192.168.1.5:80", "http://192.168.1.5:80"),
    ],
)
def test_a_server_at_every_address_is_reached_by_loopback(served: str, reached: str) -> None:
    assert source.reachable_url(served) == reached


@pytest.mark.parametrize(
    "value", [KEY, f" {KEY} ", f"laptop={KEY}", f"laptop={KEY},ci=other-key-of-another"]
)
def test_the_first_key_of_the_environment_is_the_clients(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ORCH_API_KEY", value)
    assert source.key_of_environment() == KEY


def test_a_key_in_base64_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_API_KEY", f"{KEY}==")
    assert source.key_of_environment() == f"{KEY}=="


def test_a_key_that_is_not_set_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCH_API_KEY", raising=False)
    with pytest.raises(UsageError, match="ORCH_API_KEY is not set") as refused:
        source.key_of_environment()
    assert "read -rs ORCH_API_KEY" in refused.value.hint


@pytest.mark.parametrize("key", ["", KEY])
def test_a_provider_that_hangs_does_not_delay_the_question_for_a_key(
    home: Path, own: Write, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("ORCH_API_KEY", key)
    monkeypatch.setattr(source, "PROBE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(source, "request_json", lambda *_: (200, {"models": []}))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        providers = f"{{slow: {{kind: ollama, base_url: '{address}'}}}}"
        own(f"version: 1\nproviders: {providers}\nmodels: []\n")
        with serving() as served:
            assert source.endpoint_of_server({"url": served.url}).needs_key == bool(key)


def test_a_model_keeps_the_name_that_it_was_asked_for() -> None:
    assert source.chosen_model(SERVED, "auto:writing") == ClientModel("auto:writing", 8_192)


def test_an_alias_is_asked_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(method: str, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        asked.append((method, path, body))
        facts = {"general.architecture": "llama", "llama.context_length": 32_768}
        return 200, {"model_info": facts, "capabilities": ["completion", "tools", "vision"]}

    monkeypatch.setattr(source, "request_json", answer)
    chosen = source.chosen_model(SERVED, "gpt-4o")
    assert chosen == ClientModel("gpt-4o", 32_768, tools=True, images=True)
    assert asked == [("POST", "/api/show", {"model": "gpt-4o"})]


def test_of_a_model_that_is_shown_without_facts_nothing_is_known() -> None:
    assert source.shown_model("served", {}) == ClientModel("served")


def test_without_a_server_an_unknown_model_is_refused_with_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(method: str, path: str, body: dict[str, str]) -> None:
        raise NoServerError

    monkeypatch.setattr(source, "request_json", nobody)
    with pytest.raises(ModelNotFoundError, match="no model is called 'x'") as refused:
        source.chosen_model(SERVED, "x")
    assert refused.value.hint.endswith("coder:7b")


def test_a_server_that_ends_meanwhile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(method: str, path: str) -> None:
        raise NoServerError

    monkeypatch.setattr(source, "request_json", nobody)
    with pytest.raises(OrchError, match="does not answer"):
        source.endpoint_of_server({"url": "http://127.0.0.1:1"})
