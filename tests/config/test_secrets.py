"""No command, file or endpoint shows a secret of the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from orch.config.secrets import MASK, is_secret_key, mask_secrets
from orch.config.urls import display_url
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import run
from tests.support.http_server import served

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("https://api.example/v1", "https://api.example/v1"),
        ("http://[::1]:1/v1", "http://[::1]:1/v1"),
        (f"http://ana:{SECRET}@host:1/v1", "http://host:1/v1"),
        (f"https://{SECRET}@host", "https://host"),
        (f"http://ana:{SECRET}@x@host", "http://host"),
        (f"http://ana:a/{SECRET}@host/v1", "http://host"),
        (f"http://ana:a?{SECRET}@host", "http://host"),
        (f"http://ana:#{SECRET}@host", "http://ana:/…"),
        (f"http://ana:1/{SECRET}@host", "http://ana:1/…"),
        (f"http://host/v1?api_key={SECRET}", "http://host/v1?…"),
        (f"http://host#{SECRET}", "http://host?…"),
        (f"http://ana:{SECRET}@", "http://"),
        (f"ana:{SECRET}@host:1", "host:1"),
        (f"http:\\\\ana:{SECRET}@host", "http:/…"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, seen: str) -> None:
    assert display_url(url) == seen


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "qdrant_api_key",
        "apiKey",
        "API-KEY",
        "password",
        "dbPassword",
        "token",
        "auth_token",
        "secret",
        "client.secret",
        "keys",
    ],
)
def test_the_name_of_a_secret_is_recognized_in_any_spelling(name: str) -> None:
    assert is_secret_key(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "answer_tokens",
        "keywords",
        "keep_alive",
        "keep",
        "monkey",
        "turkey",
        "base_url",
        "author",
        "compass",
    ],
)
def test_a_similar_name_is_not_a_secret(name: str) -> None:
    assert not is_secret_key(name)


def test_secrets_are_masked_at_any_depth_and_the_rest_stays() -> None:
    data = {
        "a": [
            {
                "options": {"my_password": SECRET, "max_tokens": 5, "url": f"http://u:{SECRET}@h"},
                "api_key": None,
            }
        ],
        "patterns": {"token": "x+"},
    }
    assert mask_secrets(data) == {
        "a": [
            {
                "options": {"my_password": MASK, "max_tokens": 5, "url": "http://h"},
                "api_key": None,
            }
        ],
        "patterns": {"token": "x+"},
    }


def configured(url: str) -> None:
    """Writes models.yaml and routing.yaml with a secret in every possible place."""
    there = url.replace("://", f"://ana:{SECRET}@")
    Path("conf").mkdir()
    Path("conf/models.yaml").write_text(
        f"providers:\n  ollama: {{kind: ollama, base_url: '{there}', api_key: {SECRET}}}\n  other:"
        f" {{kind: openai, base_url: 'http://ana:{SECRET}@127.0.0.1:9/v1'}}\nmodels:\n- {{id:"
        f" llama3.1, options: {{secret: {SECRET}}}}}\n- {{id: gone, provider: other}}\n"
    )
    Path("conf/routing.yaml").write_text(
        f"memory: {{qdrant_url: 'http://ana:{SECRET}@127.0.0.1:9', qdrant_api_key: {SECRET}}}\n"
    )


COMMANDS = [
    ("config", "show"),
    ("config", "show", "--json"),
    ("health", "--json"),
    ("health", "--offline", "--json"),
    ("models", "--json"),
    ("run", "--json", "hi"),
    ("run", "--json", "-m", "gone", "hi"),
    ("memory", "stats"),
    ("setup", "--dry-run", "--json"),
]


def test_no_command_shows_a_secret_of_the_configuration(ollama: FakeOllama) -> None:
    configured(ollama.url)
    done = [run("--config", "conf", *words) for words in COMMANDS]
    assert [
        " ".join(words)
        for words, each in zip(COMMANDS, done, strict=True)
        if SECRET.encode() in each.stdout + each.stderr
    ] == []
    assert all(each.stdout + each.stderr for each in done)


def test_no_file_of_a_run_holds_a_secret_of_the_configuration(
    ollama: FakeOllama, home: Path
) -> None:
    configured(ollama.url)
    run("--config", "conf", "run", "hi")
    run("--config", "conf", "run", "-m", "gone", "hi")
    kept = [path for path in home.rglob("*") if path.is_file() and path.parent.name != "config"]
    assert {"journal.sqlite3", "answers.sqlite3"} <= {path.name for path in kept}
    assert [path.name for path in kept if SECRET.encode() in path.read_bytes()] == []


def test_no_endpoint_shows_a_secret_of_the_configuration(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(ollama.url)
    monkeypatch.setenv("ORCH_CONFIG", "conf")
    ask = {"messages": [{"role": "user", "content": "hi"}]}
    with served() as url, httpx.Client(base_url=url, timeout=60) as client:
        answers = [
            client.get(path)
            for path in ("/orch/health", "/orch/models", "/v1/models", "/api/tags", "/metrics")
        ]
        answers += [
            client.post("/v1/chat/completions", json={**ask, "model": model})
            for model in ("auto", "gone")
        ]
        answers += [
            client.post("/api/chat", json={**ask, "model": "gone"}),
            client.post("/orch/run", json={"text": "hi", "model": "gone"}),
        ]
    assert "can't connect to http://127.0.0.1:9/v1" in answers[6].text
    assert [str(each.url) for each in answers if SECRET in each.text] == []


FAULTS = [
    "providers: {p: {kind: ollama, base_url: 'http://ana:SECRET@h h'}}",
    "providers: {p: {kind: ollama, base_url: 'http://ana:a/SECRET@h'}}",
    "providers: {p: {kind: ollama, base_url: 'http://ana:1SECRET@:x'}}",
    "providers: {p: {kind: ollama, base_url: 'http://h/?key=SECRET'}}",
    "providers: {p: 'http://ana:SECRET@h'}",
    "providers: {p: {kind: 'http://ana:SECRET@h', api_key: [SECRET]}}",
    "providers: {p: {kind: ollama, base_url: 'http://h', api_key: {a: SECRET}}}",
]


@pytest.mark.parametrize("text", FAULTS)
def test_a_configuration_problem_is_reported_without_the_secret(text: str) -> None:
    Path("conf").mkdir()
    Path("conf/models.yaml").write_text(text.replace("SECRET", SECRET))
    done = run("--config", "conf", "config", "validate", "--json")
    assert json.loads(done.stdout)["errors"]
    assert SECRET.encode() not in done.stdout + done.stderr


def test_an_invalid_line_of_yaml_is_not_shown(home: Path) -> None:
    home.mkdir()
    (home / "models.yaml").write_text(
        f"providers: {{p: {{kind: ollama, base_url: 'http://h', api_key: \"{SECRET}\" oops}}}}\n"
    )
    done = [
        run(*words) for words in (("config", "validate"), ("models", "add", "x"), ("run", "hi"))
    ]
    assert [(each.returncode, SECRET.encode() in each.stdout + each.stderr) for each in done] == [
        (2, False)
    ] * 3
