"""A cloud model in commands, files and the endpoint: each shows where text would go, and sends
none."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served
from tests.support.orch_command import orch

CLOUD, EMBEDS, HOST = "gpt-oss:120b-cloud", "far-embed:cloud", "https://ollama.com:443"
SHIPPED = "version: 1\nproviders:\n  ollama: {kind: ollama, base_url: http://127.0.0.1:11434}\n"
ALLOWED = f"{SHIPPED}models:\n  - {{id: {CLOUD}, remote: allow}}\n"


@pytest.fixture
def cloud(ollama: FakeOllama, home: Path) -> FakeOllama:
    """The fake Ollama with a large cloud model, and one that embeds; neither may be used."""
    ollama.add(
        FakeModel(
            CLOUD,
            reply=["From", " afar"],
            remote_host=HOST,
            size=384,
            parameter_size="116.8B",
            context_length=131_072,
        )
    )
    ollama.add(FakeModel(EMBEDS, remote_host=HOST, size=384, capabilities=["embedding"]))
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(ROOM)
    return ollama


def untouched(server: FakeOllama) -> bool:
    """Whether no request reached either model."""
    return not server.asked(CLOUD) and not server.asked(EMBEDS)


def line_of(done: subprocess.CompletedProcess[bytes], name: str) -> str:
    """The line of a model in a table."""
    return next(line for line in done.stdout.decode().splitlines() if name in line)


def configured(home: Path, models: str, routing: str = "") -> None:
    """A configuration of the user."""
    (home / "models.yaml").write_text(models)
    (home / "routing.yaml").write_text(ROOM + routing)


# ---------------------------------------------------------------- the commands


def test_a_named_remote_model_is_refused_and_the_hint_says_how_to_allow_it(
    cloud: FakeOllama,
) -> None:
    done = orch("run", "-m", CLOUD, "my salary")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "its text would go to ollama.com" in done.stderr.decode()
    assert f"- id: {CLOUD}\n" in done.stderr.decode()
    assert untouched(cloud)


def test_the_lines_of_the_hint_allow_the_model(cloud: FakeOllama, home: Path) -> None:
    hint = json.loads(orch("run", "--json", "-m", CLOUD, "my salary").stdout)["error"]["hint"]
    configured(home, SHIPPED + "\n".join(line[2:] for line in hint.splitlines()[1:]) + "\n")
    done = orch("run", "-m", CLOUD, "my salary")
    assert (done.returncode, done.stdout) == (0, b"From afar")
    assert "remote, ollama.com" in done.stderr.decode()


@pytest.mark.parametrize(
    "words",
    [["models"], ["health"], ["route", "Prove that two is prime"]],
    ids=lambda words: words[0],
)
def test_tables_show_that_it_is_remote(cloud: FakeOllama, words: list[str]) -> None:
    done = orch(*words)
    assert "remote" in line_of(done, CLOUD)
    assert "ollama.com" in line_of(done, CLOUD)


def test_health_shows_where_it_runs_and_how_to_allow_it(cloud: FakeOllama) -> None:
    assert "remote: runs at ollama.com; out unless models.yaml says remote: allow" in line_of(
        orch("health"), CLOUD
    )


def test_the_json_of_a_model_has_its_remote_host(cloud: FakeOllama) -> None:
    shown = json.loads(orch("models", "show", CLOUD, "--json").stdout)
    assert (shown["remote"], shown["remote_host"], shown["installed"]) == (True, HOST, True)
    listed = {
        each["id"]: each["remote"] for each in json.loads(orch("models", "--json").stdout)["models"]
    }
    assert (listed[CLOUD], listed[CODER]) == (True, False)


def test_adding_it_to_models_yaml_does_not_allow_it(cloud: FakeOllama, home: Path) -> None:
    done = orch("models", "add", CLOUD)
    assert (done.returncode, "remote: allow" in done.stderr.decode()) == (0, True)
    assert not any(
        line.strip().startswith("remote")
        for line in (home / "models.yaml").read_text().splitlines()
    )
    assert "context_window: 8192\n    speed_rating: 2" not in (home / "models.yaml").read_text()
    assert orch("run", "-m", CLOUD, "my salary").returncode == 2
    assert untouched(cloud)


@pytest.mark.parametrize(
    "words",
    [["models", "load", CLOUD], ["bench", CLOUD, "--budget", "1s"]],
    ids=lambda words: " ".join(words[:2]),
)
def test_other_commands_refuse_it(cloud: FakeOllama, words: list[str]) -> None:
    done = orch(*words)
    assert (done.returncode, "its text would go to ollama.com" in done.stderr.decode()) == (2, True)
    assert untouched(cloud)


def test_an_allowed_remote_model_can_not_be_loaded(cloud: FakeOllama, home: Path) -> None:
    configured(home, ALLOWED)
    done = orch("models", "load", CLOUD)
    assert (
        done.returncode,
        "runs at ollama.com: there is nothing to load here" in done.stderr.decode(),
    ) == (2, True)
    assert untouched(cloud)


def test_memory_does_not_embed_with_it(cloud: FakeOllama, home: Path) -> None:
    configured(home, SHIPPED, f"memory: {{embedder: ollama/{EMBEDS}}}\n")
    orch("memory", "add", "my diary")
    searched, ran = (
        orch("memory", "search", "diary"),
        orch("run", "--recall", "What is in my diary?"),
    )
    assert (searched.returncode, "would go to ollama.com" in searched.stderr.decode()) == (2, True)
    assert (ran.returncode, "answered without memory" in ran.stderr.decode()) == (0, True)
    assert untouched(cloud)


# ---------------------------------------------------------------- the files


AT_PROVIDER = f"{SHIPPED}models: []\n".replace("ollama, base", "ollama, remote: allow, base")


@pytest.mark.parametrize("text", [ALLOWED, AT_PROVIDER], ids=["at the model", "at the provider"])
def test_a_file_in_the_working_directory_can_not_allow_it(cloud: FakeOllama, text: str) -> None:
    Path("models.yaml").write_text(text)
    Path("routing.yaml").write_text(
        "version: 1\ntask_types: {}\nweights: {fit: 0.2, quality: 0.4, speed: 0.3, confidence:"
        " 0.1}\n"
    )
    done = orch("run", "-m", CLOUD, "my salary")
    assert done.returncode == 2
    assert "remote: may not be set by a file of the working directory" in done.stderr.decode()
    assert untouched(cloud)


def test_a_value_other_than_deny_or_allow_is_an_error(cloud: FakeOllama, home: Path) -> None:
    configured(home, ALLOWED.replace("allow", "alow"))
    assert "did you mean allow?" in orch("models").stderr.decode()


# ---------------------------------------------------------------- the endpoint


@pytest.fixture
def api(cloud: FakeOllama, url: str) -> Iterator[httpx.Client]:
    """A client of the server in front of it."""
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": CLOUD,
        "messages": [{"role": "user", "content": "my salary"}],
    },
    "/v1/completions": {"model": CLOUD, "prompt": "my salary"},
    "/v1/responses": {"model": CLOUD, "input": "my salary"},
    "/v1/embeddings": {"model": EMBEDS, "input": "my salary"},
    "/api/chat": {"model": CLOUD, "messages": [{"role": "user", "content": "my salary"}]},
    "/api/generate": {"model": CLOUD, "prompt": "my salary"},
    "/api/embed": {"model": EMBEDS, "input": "my salary"},
    "/api/embeddings": {"model": EMBEDS, "prompt": "my salary"},
    "/orch/route": {"model": CLOUD, "text": "my salary"},
    "/orch/models/load": {"model": CLOUD},
}


@pytest.mark.parametrize("path", ASKED)
def test_the_apis_refuse_it_and_say_where_the_text_would_go(
    cloud: FakeOllama, api: httpx.Client, path: str
) -> None:
    answer = api.post(path, json=ASKED[path])
    assert answer.status_code == 400
    assert "would go to ollama.com" in answer.text
    assert untouched(cloud)


def test_a_run_of_the_native_api_ends_with_the_same_error(
    cloud: FakeOllama, api: httpx.Client
) -> None:
    assert (
        '"code":"remote"' in api.post("/orch/run", json={"model": CLOUD, "text": "my salary"}).text
    )
    assert untouched(cloud)


@pytest.mark.parametrize("name", ["auto", "auto:quality", "auto:reasoning"])
def test_automatic_model_names_do_not_choose_it(
    cloud: FakeOllama, api: httpx.Client, name: str
) -> None:
    answer = api.post("/v1/chat/completions", json=ASKED["/v1/chat/completions"] | {"model": name})
    assert (answer.status_code, untouched(cloud)) == (200, True)


@pytest.mark.parametrize(
    ("path", "rows", "name"),
    [
        ("/api/tags", "models", "name"),
        ("/v1/models", "data", "id"),
        ("/orch/models", "models", "id"),
    ],
)
def test_lists_show_it_with_its_host(
    cloud: FakeOllama, api: httpx.Client, path: str, rows: str, name: str
) -> None:
    hosts = {row[name]: row.get("remote_host") for row in api.get(path).json()[rows]}
    assert (hosts[CLOUD], hosts[CODER]) == (HOST, None)


def test_show_passes_on_what_ollama_says(cloud: FakeOllama, api: httpx.Client) -> None:
    assert api.post("/api/show", json={"model": CLOUD}).json()["remote_host"] == HOST


def test_a_remote_answer_has_its_host_in_ollamas_api(cloud: FakeOllama, home: Path) -> None:
    configured(home, ALLOWED)
    with served() as url:
        lines = [
            json.loads(line)
            for line in httpx.post(
                f"{url}/api/chat", json=ASKED["/api/chat"], timeout=30
            ).text.splitlines()
        ]
    assert {line["remote_host"] for line in lines} == {HOST}
