"""The rest of `/orch`: health, the server, its page, models and memory."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from orch.config.version import VERSION
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama


def test_the_server_describes_itself(url: str, home: Path) -> None:
    server = httpx.get(f"{url}/orch/server").json()
    health = httpx.get(f"{url}/orch/health", timeout=30).json()
    assert (server["version"], server["pid"], server["home"], server["running"]) == (
        VERSION,
        os.getpid(),
        str(home),
        0,
    )
    assert health["config"] == {"hash": server["config_hash"], "fault": None}
    assert health["ok"]
    assert "ollama" in health["queue"]["providers"]
    other = httpx.get(f"{url}/orch/health", headers={"x-orch-fingerprint": "other"})
    assert other.json()["error"]["code"] == "another"


def test_a_server_without_a_page_has_no_link(url: str) -> None:
    response = httpx.post(f"{url}/orch/page", json={})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_models_are_listed_loaded_and_unloaded(url: str, ollama: FakeOllama) -> None:
    def is_loaded() -> bool:
        models = httpx.get(f"{url}/orch/models").json()["models"]
        by_name = {model["id"]: model for model in models}
        assert by_name[CODER]["usable_context"] == 32_768
        return bool(by_name[LLAMA]["resident"])

    assert not is_loaded()
    assert httpx.post(f"{url}/orch/models/load", json={"model": LLAMA}).json()["ok"]
    assert (LLAMA in ollama.resident, is_loaded()) == (True, True)
    assert httpx.post(f"{url}/orch/models/unload", json={"model": LLAMA}).json()["ok"]
    assert (LLAMA in ollama.resident, is_loaded()) == (False, False)


def test_a_memory_operation_takes_its_arguments_as_json(url: str) -> None:
    listed = httpx.post(f"{url}/orch/memory/list", json={"session": "s"}, timeout=60)
    assert listed.json()["result"]["memories"] == []
    wrong = httpx.post(f"{url}/orch/memory/list", json={"sessions": "s"}, timeout=60)
    assert (wrong.status_code, "sessions" in wrong.json()["error"]["message"]) == (400, True)
