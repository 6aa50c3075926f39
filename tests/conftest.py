"""A home of its own for every test, and a fake Ollama on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ollama import FakeModel, FakeOllama

CODER = "qwen2.5-coder:7b-instruct-q4_K_M"
LLAMA = "llama3.1:8b-instruct-q4_K_M"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ORCH_HOME in an empty folder, an empty working directory, and no Ollama of the machine's own."""
    folder = tmp_path / "home"
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("ORCH_HOME", str(folder))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    for name in ("ORCH_CONFIG", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """A fake Ollama with a coder and a general model, which OLLAMA_HOST points at."""
    models = [FakeModel(CODER, reply=["def ", "f(): ", "pass"]), FakeModel(LLAMA, reply=["Hello", " ", "world"])]
    with FakeOllama(models) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server
