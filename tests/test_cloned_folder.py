"""Files of a cloned folder: what their addresses, model files, sizes and patterns can't do."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.config.addresses import scope_of, url_fault
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.support.forked import run

ROUTING = "weights: {fit: 0.2, quality: 0.4, speed: 0.3, confidence: 0.1}\ntask_types: {}\n"


def clone(models: str, routing: str = ROUTING) -> None:
    """Such files in the working directory."""
    Path("models.yaml").write_text(models)
    Path("routing.yaml").write_text(routing)


def provider(url: str, kind: str = "ollama") -> str:
    """A models.yaml with one server."""
    return f"providers:\n  p: {{kind: {kind}, base_url: {url!r}}}\nmodels: []\n"


GOOD = [
    "http://127.0.0.1:11434",
    "http://127.0.0.1:11434/",
    "https://api.example.com/v1",
    "http://[::1]:8080/v1",
    "http://[fe80::1%eth0]:8080/v1",
    "https://user:pass%40word@gateway.example/openai/deployments/my-model_1.0",
    "http://bücher.example/v1",
]


@pytest.mark.parametrize("url", GOOD)
def test_addresses_of_servers_can_be_used(url: str) -> None:
    assert url_fault(url) is None


BAD = [
    "http://127.0.0.1:1/any/path?x=",
    "http://127.0.0.1:1/any/path#",
    "http://127.0.0.1:1?",
    "http://127.0.0.1:1\\@evil.example",
    "http:\\\\127.0.0.1:1",
    "http://127.0.0.1:1/a b",
    " http://127.0.0.1:1",
    "http://127.0.0.1:1/a\tb",
    "http://127.0.0.1:1/a\r\nHost: x",
    "http://127.0.0.1:1/a\x00b",
    "http://127.0.0.1:1/a\u202eb",
    "http://127.0.0.1:1/a;b",
    "http://127.0.0.1:1/v1/../admin",
    "http://127.0.0.1:1/./v1",
    "http://127.0.0.1:1/a%3fb",
    "http://127.0.0.1:1/%2e%2e/b",
    "http://127.0.0.1:1/a@b",
    "http://127.0.0.1%2eevil.example/v1",
    "http://127.0.0.1%00.evil.example",
    "http://",
    "http://:80",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "127.0.0.1:11434",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://127.0.0.1:x",
]


@pytest.mark.parametrize("url", BAD)
def test_addresses_that_reach_elsewhere_than_they_seem_are_refused(url: str) -> None:
    assert url_fault(url)


def test_a_name_that_begins_with_a_loopback_address_is_not_on_this_machine() -> None:
    assert scope_of("http://127.0.0.1%2eevil.example") == "beyond"
    assert scope_of("http://[fe80::1%eth0]") == "private"


@pytest.mark.parametrize("behind", ["/any/path?x=", "/any#", "/admin", "/v1/admin", "/v1;x=", "/a\\b"])
def test_no_path_of_a_service_of_this_machine_is_asked(ollama: FakeOllama, behind: str) -> None:
    clone(provider(ollama.url + behind))
    done = run("route", "hi")
    assert (done.returncode, b"base_url" in done.stderr) == (2, True)
    assert ollama.requests == []


@pytest.mark.parametrize(("kind", "path"), [("ollama", ""), ("ollama", "/"), ("openai", ""), ("openai", "/v1"), ("openai", "/v1/")])
def test_a_model_server_of_this_machine_may_be_named(ollama: FakeOllama, kind: str, path: str) -> None:
    ollama.add(FakeModel("own:1b", reply=["mine"]))
    clone(provider(ollama.url + path, kind))
    assert run("run", "-m", "own:1b", "hi").stdout.strip() == b"mine"


def test_a_user_in_an_address_is_a_key_and_may_not_stand_there(ollama: FakeOllama) -> None:
    clone(provider(ollama.url.replace("://", "://ana@")))
    assert b"has a user in it" in run("route", "hi").stderr
