"""The engine inside orch beside other providers: it gets only tasks that it is capable of, and is
not loaded to find that out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served

INSIDE, ABLE = "inside", "able:8b"
MESSAGES = [{"role": "user", "content": "What is 1 + 2?"}]
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
]
REQUESTS: dict[str, dict[str, Any]] = {
    "tools": {"messages": MESSAGES, "tools": TOOLS},
    "vision": {"messages": [{**MESSAGES[0], "images": ["iVBORw0KGgo="]}]},
}
wants = pytest.mark.parametrize("needs", REQUESTS)


def models(url: str, *, last_resort: bool = False) -> dict[str, Any]:
    """A models.yaml with a better rated embedded model, whose file could not be loaded, and an
    Ollama."""
    Path("model.gguf").write_bytes(b"no model")
    return {
        "providers": {
            "ollama": {"kind": "ollama", "base_url": url},
            "embedded": {"kind": "llamacpp"},
        },
        "models": [
            {
                "id": INSIDE,
                "provider": "embedded",
                "gguf": str(Path("model.gguf").absolute()),
                "quality_rating": 9,
                "last_resort": last_resort,
            },
            {"id": ABLE, "quality_rating": 5},
        ],
    }


def orchestrator(url: str, **more: Any) -> Orchestrator:
    """With those models, and memory for all of them."""
    return Orchestrator(models(url, **more), {"version": 1, "memory_budget_gb": 100})


@wants
async def test_a_task_it_lacks_the_capability_for_goes_to_another_model(
    ollama: FakeOllama, needs: str
) -> None:
    ollama.add(FakeModel(ABLE, capabilities=["completion", needs]))
    async with orchestrator(ollama.url) as library:
        result = await library.execute(**REQUESTS[needs])
    assert [(attempt.model, attempt.outcome) for attempt in result.attempts] == [(ABLE, "ok")]
    (out,) = [candidate for candidate in result.decision.candidates if candidate.model_id == INSIDE]
    assert (out.eliminated_code, out.eliminated) == ("capability", f"it has no {needs}")


@wants
async def test_a_task_that_no_model_is_capable_of_is_an_error(
    ollama: FakeOllama, needs: str
) -> None:
    ollama.add(FakeModel(ABLE))
    async with orchestrator(ollama.url) as library:
        with pytest.raises(OrchError, match=f"{INSIDE}: it has no {needs}") as caught:
            await library.execute(**REQUESTS[needs])
    assert (caught.value.code, caught.value.attempts, ollama.chats()) == ("unable", (), [])


@wants
async def test_as_the_last_resort_it_does_not_hide_an_unreachable_provider(needs: str) -> None:
    async with orchestrator("http://127.0.0.1:9", last_resort=True) as library:
        with pytest.raises(
            OrchError, match=f"{INSIDE}: it has no {needs}; and ollama: can't connect"
        ) as caught:
            await library.execute(**REQUESTS[needs])
    assert caught.value.code == "no_provider"
    assert caught.value.hint.endswith("\n  OLLAMA_HOST=127.0.0.1:9 ollama serve")


def test_a_client_gets_the_error_at_once(ollama: FakeOllama, home: Path) -> None:
    home.mkdir()
    (home / "models.yaml").write_text(json.dumps(models(ollama.url)))
    asked = {"model": INSIDE, "messages": MESSAGES, "tools": TOOLS}
    with served() as url:
        answers = [
            httpx.post(f"{url}/{path}", json=asked) for path in ("v1/chat/completions", "api/chat")
        ]
    assert [
        (answer.status_code, f"{INSIDE}: it has no tools" in answer.text) for answer in answers
    ] == [(400, True)] * 2
