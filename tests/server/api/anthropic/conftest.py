"""Anthropic's own client for the server, and a model that calls tools, thinks and sees."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import pytest

from tests.support.fake_ollama import FakeModel, FakeOllama

CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
CALLER = "caller:latest"


@pytest.fixture
def caller(ollama: FakeOllama) -> FakeModel:
    """A model that calls a tool twice at once, and answers with its results."""
    model = FakeModel(
        CALLER,
        reply=["It is ", "3"],
        thinking=["add ", "them"],
        capabilities=["completion", "tools", "thinking", "vision"],
        tool_calls=[CALL, CALL],
    )
    ollama.add(model)
    return model


@pytest.fixture
def claude(url: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client for that server."""
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=30) as made:
        yield made
