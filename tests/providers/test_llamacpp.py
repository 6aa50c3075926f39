"""The engine inside orch, beside other providers: it gets only what it can take, and nothing of it
is loaded to know that."""

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
SAID = [{"role": "user", "content": "What is 1 + 2?"}]
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
]
WISHES: dict[str, dict[str, Any]] = {
    "tools": {"messages": SAID, "tools": TOOLS},
    "vision": {"messages": [{**SAID[0], "images": ["iVBORw0KGgo="]}]},
}
wants = pytest.mark.parametrize("want", WISHES)


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
async def test_what_it_can_not_take_goes_to_a_model_that_can(ollama: FakeOllama, want: str) -> None:
    ollama.add(FakeModel(ABLE, capabilities=["completion", want]))
    async with orchestrator(ollama.url) as made:
        result = await made.execute(**WISHES[want])
    assert [(attempt.model, attempt.outcome) for attempt in result.attempts] == [(ABLE, "ok")]
    (out,) = [candidate for candidate in result.decision.candidates if candidate.model_id == INSIDE]
    assert (out.eliminated_code, out.eliminated) == ("capability", f"it has no {want}")


@wants
async def test_where_no_model_can_take_it_that_is_told(ollama: FakeOllama, want: str) -> None:
    ollama.add(FakeModel(ABLE))
    async with orchestrator(ollama.url) as made:
        with pytest.raises(OrchError, match=f"{INSIDE}: it has no {want}") as caught:
            await made.execute(**WISHES[want])
    assert (caught.value.code, caught.value.attempts, ollama.chats()) == ("unable", (), [])


@wants
async def test_as_the_last_resort_it_hides_no_provider_that_is_down(want: str) -> None:
    async with orchestrator("http://127.0.0.1:9", last_resort=True) as made:
        with pytest.raises(
            OrchError, match=f"{INSIDE}: it has no {want}; and ollama: can't connect"
        ) as caught:
            await made.execute(**WISHES[want])
    assert (caught.value.code, caught.value.hint) == (
        "no_provider",
        "start Ollama:\n  ollama serve",
    )


def test_over_http_a_client_is_told_at_once(ollama: FakeOllama, home: Path) -> None:
    home.mkdir()
    (home / "models.yaml").write_text(json.dumps(models(ollama.url)))
    asked = {"model": INSIDE, "messages": SAID, "tools": TOOLS}
    with served() as url:
        answers = [
            httpx.post(f"{url}/{path}", json=asked) for path in ("v1/chat/completions", "api/chat")
        ]
    assert [
        (answer.status_code, f"{INSIDE}: it has no tools" in answer.text) for answer in answers
    ] == [(400, True)] * 2
