"""`orch health --offline` lists every address that orch could connect to; no command connects to
another one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from orch.execution.offline_report import DEFAULT_SERVERS
from tests.support.forked import COMMAND
from tests.support.orch_command import orch

CLOUD = "gpt-oss:120b-cloud"

# ---------------------------------------------------------------- the command


def listed(folder: str = "", **env: str) -> tuple[int, dict[str, str]]:
    """The command's exit code, and the scope of each address."""
    words = ["--config", folder] if folder else []
    done = subprocess.run(
        [*COMMAND, *words, "health", "--offline", "--json"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | env,
        timeout=60,
        check=False,
    )
    output = json.loads(done.stdout)
    assert set(output) == {"addresses"}
    assert all(set(each) == {"url", "used_by", "scope"} for each in output["addresses"])
    return done.returncode, {each["url"]: each["scope"] for each in output["addresses"]}


def configuration(models: str, routing: str = "") -> str:
    """A folder for --config."""
    Path("config").mkdir()
    Path("config/models.yaml").write_text(f"version: 1\n{models}")
    Path("config/routing.yaml").write_text(f"version: 1\n{routing}")
    return "config"


def test_as_shipped_nothing_is_beyond() -> None:
    code, scopes = listed(OLLAMA_HOST="")
    assert (code, set(scopes.values())) == (0, {"loopback"})
    assert {"http://127.0.0.1:11434", "http://localhost:6333", *DEFAULT_SERVERS.values()} <= set(
        scopes
    )
    assert any(url.startswith("unix:") for url in scopes)


def test_ollama_host_is_counted() -> None:
    assert listed(OLLAMA_HOST="192.168.1.9")[1]["http://192.168.1.9:11434"] == "private"
    assert listed(OLLAMA_HOST="gpu.example.com")[0] == 1


def test_every_address_of_every_provider_and_of_qdrant_is_listed_without_secrets() -> None:
    providers = (
        "providers:\n  a: {kind: ollama, base_urls: ['http://127.0.0.1:1', 'http://10.0.0.2:1']}\n "
        " b: {kind: openai, base_url: 'https://me:pw@api.example/v1'}\n"
    )
    code, scopes = listed(
        configuration(providers, "memory: {qdrant_url: 'http://qdrant.example:6333'}\n")
    )
    wanted = {
        "http://127.0.0.1:1": "loopback",
        "http://10.0.0.2:1": "private",
        "https://api.example/v1": "beyond",
        "http://qdrant.example:6333": "beyond",
    }
    assert (code, {url: scopes.get(url) for url in wanted}) == (1, wanted)
    assert "http://localhost:6333" not in scopes


@pytest.mark.parametrize(
    ("at_model", "at_provider", "url"),
    [(", remote: allow", "", f"remote:o/{CLOUD}"), ("", ", remote: allow", "remote:o")],
)
def test_what_is_allowed_to_run_elsewhere_is_beyond(
    at_model: str, at_provider: str, url: str
) -> None:
    providers = f"providers:\n  o: {{kind: ollama, base_url: 'http://127.0.0.1:1'{at_provider}}}\n"
    code, scopes = listed(
        configuration(f"{providers}models:\n  - {{id: {CLOUD}, provider: o{at_model}}}\n")
    )
    assert (code, scopes[url]) == (1, "beyond")


def test_a_proxy_is_counted_where_something_goes_through_it() -> None:
    providers = "providers:\n  o: {kind: ollama, base_url: 'http://192.168.1.9:11434'}\n"
    folder, proxy = configuration(providers), "http://me:pw@proxy.example:3128"
    assert listed(folder, HTTP_PROXY=proxy)[1]["http://proxy.example:3128"] == "beyond"
    assert listed(folder, HTTP_PROXY=proxy, NO_PROXY="192.168.1.9")[0] == 0
    assert listed(HTTP_PROXY=proxy, OLLAMA_HOST="")[0] == 0


def test_it_needs_no_journal_and_says_it_in_words(home: Path) -> None:
    home.mkdir()
    (home / "journal.sqlite3").write_bytes(b"no database at all")
    done = orch("health", "--offline")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "no address is beyond" in done.stdout.decode()
