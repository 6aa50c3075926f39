"""What each client really sends, in shape alone, is answered by the server: with a stream, where it
asks for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.shapes import KEPT, filled, shape_of
from tests.support.fake_ollama import FakeModel, FakeOllama

FOLDER = Path(__file__).parent / "bodies"
BODIES = sorted(FOLDER.glob("*.json"))
MOST_BYTES = 100_000
AGENTS = ("claude", "codex", "opencode", "qwen", "continue")
WISHED_ROOM = 8_192
"""Tokens that an answer to a request with tools gets, unless the client asks for fewer."""
ENDS = {
    "/v1/messages": "event: message_stop",
    "/v1/responses": "event: response.completed",
    "/v1/chat/completions": "data: [DONE]",
    "/api/chat": '"done":true',
}
"""How the last event of each API's stream begins, or what it holds."""


def read(path: Path) -> dict[str, Any]:
    shape: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return shape


def strings(value: Any) -> Iterator[str]:
    """All texts of a JSON value, names of fields included."""
    match value:
        case dict():
            for name, each in value.items():
                yield from (name, *strings(each))
        case list():
            for each in value:
                yield from strings(each)
        case str():
            yield value


@pytest.fixture
def agent(ollama: FakeOllama) -> FakeModel:
    """A model with room for an agent's instructions, which calls tools."""
    model = FakeModel(
        "agent:8b",
        reply=["A mutex ", "is a lock."],
        capabilities=["completion", "tools", "vision", "thinking"],
        context_length=131_072,
    )
    ollama.add(model)
    return model


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_the_body_is_answered(path: Path, agent: FakeModel, url: str, ollama: FakeOllama) -> None:
    recorded = read(path)
    body = {**filled(recorded["body"]), "model": agent.name}
    answer = httpx.post(f"{url}{recorded['path']}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    streams = body.get("stream", recorded["path"].startswith("/api/"))
    assert (ENDS[recorded["path"]] in answer.text) or not streams, answer.text[-2_000:]
    assert "is a lock." in answer.text
    # a call that is required is asked for again
    asked, *again = ollama.chats()
    assert len(again) <= bool(body.get("tool_choice"))
    assert bool(asked.body.get("tools")) == bool(recorded["body"].get("tools"))


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_the_body_holds_no_prose_and_is_short(path: Path) -> None:
    shape = read(path)["body"]
    assert path.stat().st_size < MOST_BYTES
    assert [text for text in strings(shape) if not KEPT.fullmatch(text)] == []
    assert shape_of(filled(shape)) == shape


@pytest.mark.parametrize("name", AGENTS)
def test_an_agents_answer_is_not_cut(
    name: str, agent: FakeModel, url: str, ollama: FakeOllama
) -> None:
    recorded = read(FOLDER / f"{name}.json")
    body = {**filled(recorded["body"]), "model": agent.name}
    httpx.post(f"{url}{recorded['path']}", json=body, timeout=60).raise_for_status()
    options = ollama.chats()[-1].body["options"]
    assert options["num_predict"] >= min(body.get("max_tokens") or WISHED_ROOM, WISHED_ROOM)
