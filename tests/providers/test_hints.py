"""What to type when a provider fails: for each kind of server and each cause."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orch.config.spec import Provider
from orch.errors import RUN_CODES, ProviderError
from orch.providers.client import HttpClient
from orch.providers.hints import cause_of, hint_for, provider_hint
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.orch_command import orch
from tests.support.raw_server import raw_server

NOWHERE = "http://127.0.0.1:9"


def everywhere(program: str) -> bool:
    return True


def nowhere(program: str) -> bool:
    return False


async def failure_at(url: str) -> ProviderError:
    client = HttpClient([url])
    with pytest.raises(ProviderError) as caught:
        await client.json("GET", "models")
    await client.aclose()
    return caught.value


@pytest.mark.parametrize(
    ("kind", "url", "command"),
    [
        ("ollama", "http://127.0.0.1:11434", "ollama serve"),
        ("openai", "http://127.0.0.1:11434/v1", "ollama serve"),
        ("ollama", "http://localhost:11434", "ollama serve"),
        ("ollama", "http://127.0.0.1:9999", "OLLAMA_HOST=127.0.0.1:9999 ollama serve"),
        ("ollama", "http://me:secret@localhost:9999", "OLLAMA_HOST=127.0.0.1:9999 ollama serve"),
        ("ollama", "http://[::1]:11434", "OLLAMA_HOST=[::1]:11434 ollama serve"),
        ("openai", "http://localhost:1234", "lms server start --port 1234"),
        ("lmstudio", "http://localhost:4321", "lms server start --port 4321"),
        ("openai", "http://127.0.0.1:8080", "llama-server -m MODEL.gguf --port 8080"),
        ("openai", "http://127.0.0.1:8000", "vllm serve MODEL --port 8000"),
    ],
)
def test_a_server_that_does_not_run_is_started_by_its_own_command(
    kind: str, url: str, command: str
) -> None:
    assert hint_for(kind, "refused", (url,), everywhere).endswith(f":\n  {command}")


def test_a_server_that_is_not_installed_says_where_to_get_it() -> None:
    hint = hint_for("ollama", "refused", ("http://127.0.0.1:11434",), nowhere)
    assert "https://ollama.com/download" in hint
    assert hint.endswith("ollama serve")


def test_an_unknown_server_is_named_by_its_address() -> None:
    url = "http://me:secret@127.0.0.1:4711"
    assert hint_for("openai", "refused", (url,), nowhere) == (
        "start the server at http://127.0.0.1:4711"
    )


def test_a_server_on_another_machine_is_not_started_here() -> None:
    hint = hint_for("ollama", "refused", ("http://192.0.2.1:11434",), everywhere)
    assert hint.startswith("start Ollama at http://192.0.2.1:11434, or correct base_url")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("certificate", "SSL_CERT_FILE"),
        ("unfit_certificate", "openssl"),
        ("not_http", "11434"),
        ("rate_limited", "later"),
        ("cut", "port"),
        ("trust_file", "absolute path"),
        ("tls", "http:// and https://"),
        ("name", "host name"),
        ("path", "kind: openai"),
        ("page", "kind: openai"),
        ("redirect", "base_url"),
        ("denied", "api_key"),
        ("loading", "in a moment"),
        ("busy", "in a moment"),
        ("timeout", "restart"),
        ("server_error", "orch health"),
    ],
)
def test_each_cause_has_a_hint_of_its_own(cause: str, words: str) -> None:
    hint = hint_for("ollama", cause, (NOWHERE,), everywhere)
    assert words in hint
    assert "ollama serve" not in hint


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("ollama", "http://127.0.0.1:11434;"),
        ("llama-server", "http://127.0.0.1:9931;"),
        ("lmstudio", "http://127.0.0.1:1234;"),
    ],
)
def test_a_wrong_address_is_corrected_with_one_of_its_kind(kind: str, address: str) -> None:
    assert address in hint_for(kind, "path", (NOWHERE,), everywhere)


def causes_in_source() -> set[str]:
    """What orch passes as the cause of a failure, as far as it stands there as a word."""
    files = (Path(__file__).parents[2] / "orch").rglob("*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    words = (node for node in nodes if isinstance(node, ast.keyword) and node.arg == "cause")
    return {str(each.value.value) for each in words if isinstance(each.value, ast.Constant)}


RETURNED = {"certificate", "unfit_certificate", "tls", "path", "page"}
"""Causes that functions choose: those of TLS, and of an answer that is none."""
OF_LISTS = set(
    "model_not_found timeout stalled rate_limited loading busy server_error rejected denied"
    " bad_response stream_error cut".split()
)
"""Codes that listing the models of a server can end with."""


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_every_cause_that_occurs_has_a_hint_for_every_kind_of_server(kind: str) -> None:
    causes = causes_in_source() | RETURNED | OF_LISTS | {"refused", "name"}
    assert {"not_http", "redirect"} <= causes
    hints = {cause: hint_for(kind, cause, (NOWHERE,), everywhere) for cause in causes}
    assert [cause for cause, hint in hints.items() if not hint or "what is wrong" in hint] == []
    assert {*RUN_CODES} >= OF_LISTS


def test_an_unfit_certificate_is_shown_by_a_command_with_the_servers_address() -> None:
    hint = hint_for("openai", "unfit_certificate", ("https://me:pw@[::1]/v1",), everywhere)
    assert "openssl s_client -connect [::1]:443 </dev/null |" in hint
    assert "pw" not in hint


@pytest.mark.usefixtures("both_transports")
async def test_a_port_that_does_not_speak_http_is_told_by_kind() -> None:
    async with raw_server(b"\x15\x03\x01\0\x02\x02F" + b"\0" * 200) as server:
        failed = await failure_at(server.url)
    ollama, other = (
        provider_hint(Provider(kind=kind, base_url=server.url), failed)
        for kind in ("ollama", "openai")
    )
    assert "Ollama's is 11434" in ollama
    assert "LM Studio 1234" in other


def test_ollama_asks_for_an_account_and_a_proxy_before_it_for_a_key() -> None:
    hint = hint_for("ollama", "denied", (NOWHERE,), everywhere)
    assert "ollama signin" in hint
    assert "check api_key" in hint
    assert "ollama signin" not in hint_for("openai", "denied", (NOWHERE,), everywhere)


@pytest.mark.usefixtures("both_transports")
async def test_the_cause_of_a_failed_connection_is_found() -> None:
    refused, unknown = await failure_at(NOWHERE), await failure_at("http://nowhere.invalid")
    assert (cause_of(refused, NOWHERE), cause_of(unknown, NOWHERE)) == ("refused", "name")


@pytest.mark.usefixtures("both_transports")
async def test_https_to_a_server_of_plain_http_is_told() -> None:
    with FakeOllama([]) as server:
        url = server.url.replace("http:", "https:")
        assert cause_of(await failure_at(url), url) == "tls"


@pytest.mark.usefixtures("both_transports")
async def test_a_wrong_path_and_a_page_are_told_apart_from_a_server_that_is_down() -> None:
    with FakeOllama([]) as server:
        path = await failure_at(f"{server.url}/nothing")
        server.server_status = Fault("html", times=-1)
        page = await failure_at(server.url)
    assert [cause_of(path, NOWHERE), cause_of(page, NOWHERE)] == ["path", "page"]
    assert f"{server.url}/nothing/models" in path.message


@pytest.mark.parametrize("host", ["nowhere.invalid:9", "'nowhere.invalid:9/v1'"])
async def test_an_address_of_ollama_host_is_corrected_there(host: str) -> None:
    provider = Provider(kind="ollama", base_url="http://nowhere.invalid:9")
    failure = await failure_at(provider.urls[0])
    hint = provider_hint(provider, failure, {"OLLAMA_HOST": host})
    assert hint == "check the host name in OLLAMA_HOST"
    elsewhere = provider_hint(provider, failure, {"OLLAMA_HOST": "127.0.0.1:9"})
    assert "base_url in models.yaml; orch config path" in elsewhere


def test_the_engine_inside_orch_has_no_server_to_start() -> None:
    assert provider_hint(Provider(kind="llamacpp"), ProviderError("connect", "no engine")) == ""


def test_a_run_names_the_command_of_the_server_in_models_yaml(own: Callable[[str], Path]) -> None:
    own(
        "version: 1\nproviders:\n  p: {kind: openai, base_url: http://127.0.0.1:1234}\n"
        "models:\n  - {id: m, provider: p}\n"
    )
    done, health = orch("run", "--no-stdin", "hi"), orch("health")
    assert done.returncode == 3
    assert b"lms server start" in done.stderr
    assert b"ollama serve" not in done.stderr
    assert b"lms server start" in health.stdout


def test_a_refused_key_is_named_although_the_list_of_models_needs_none(
    ollama: FakeOllama,
) -> None:
    for model in ollama.models.values():
        model.faults += [Fault("status", status=401, message="Invalid API Key")] * 3
    done = orch("run", "--no-stdin", "hi")
    assert done.returncode == 7
    assert b"check api_key" in done.stderr


def test_a_run_without_failures_does_not_import_the_hints() -> None:
    check = "import sys, orch.wiring; print('orch.providers.hints' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
