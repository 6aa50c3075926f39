"""If Ollama is unreachable, a model that it may have is not called unknown: exit code 3,
status 503."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served
from tests.support.orch_command import orch

MINE = "mine:1b"
COMMANDS = [
    ("run", "-m", MINE, "hi"),
    ("run", "-m", f"ollama/{MINE}", "hi"),
    ("route", "-m", MINE, "hi"),
    ("models", "show", MINE),
    ("models", "load", MINE),
    ("models", "unload", MINE),
    ("models", "add", MINE),
    ("bench", MINE),
]
MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": MESSAGES}),
    ("/v1/responses", {"input": "hi"}),
    ("/v1/embeddings", {"input": "hi"}),
    ("/api/chat", {"messages": MESSAGES}),
    ("/api/generate", {"prompt": ""}),
    ("/api/show", {}),
    ("/api/embed", {"input": "hi"}),
    ("/orch/route", {"text": "hi"}),
    ("/orch/models/load", {}),
]


@pytest.fixture
def lone(home: Path) -> Iterator[str]:
    """A server that has no Ollama."""
    with served() as url:
        yield url


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_exits_with_3_and_says_what_to_start(words: tuple[str, ...]) -> None:
    done = orch(*words)
    assert (
        done.returncode,
        b"provider ollama, which may have it, is down" in done.stderr,
        b"ollama serve" in done.stderr,
    ) == (3, True, True)


def test_the_models_of_the_embedded_provider_are_all_listed() -> None:
    done = orch("route", "-m", f"embedded/{MINE}", "hi")
    assert (done.returncode, b"no model is called" in done.stderr) == (4, True)


@pytest.mark.parametrize(("path", "body"), REQUESTS, ids=[path for path, _ in REQUESTS])
def test_a_request_is_answered_with_503(lone: str, path: str, body: dict[str, Any]) -> None:
    response = httpx.post(f"{lone}{path}", json={"model": MINE, **body})
    assert (response.status_code, "which may have it, is down" in response.text) == (503, True)


@pytest.mark.parametrize(
    ("name", "status"), [(MINE, 503), (LLAMA, 503), ("auto", 200), ("auto:nonsense", 404)]
)
def test_one_model_of_openais_list(lone: str, name: str, status: int) -> None:
    assert httpx.get(f"{lone}/v1/models/{name}").status_code == status


async def test_a_better_model_of_an_unreachable_provider_is_not_called_unknown(
    ollama: FakeOllama,
) -> None:
    async with Orchestrator() as orchestrator:
        await orchestrator.execute("What is a mutex?")
        ollama.stop()
        with pytest.raises(OrchError) as caught:
            await orchestrator.runtime.feedback.record("last", better=MINE)
    assert caught.value.exit_code == 3
