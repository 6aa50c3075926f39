"""Requests to think: converted between the APIs, and reduced for models that reject them."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import ProviderError
from orch.providers.thinking_effort import (
    CANNOT_THINK,
    ollama_think,
    openai_effort,
    reduce_thinking,
    reduced_thinking_notice,
    refuses_thinking,
)


@pytest.mark.parametrize(
    ("effort", "think"),
    [("none", False), ("minimal", False), ("low", "low"), ("xhigh", "high"), (True, True)],
)
def test_an_effort_becomes_ollamas_think(effort: Any, think: Any) -> None:
    assert ollama_think(effort) == think


@pytest.mark.parametrize(
    ("think", "effort"), [(False, "none"), ("high", "high"), (True, None), (None, None)]
)
def test_think_becomes_openais_effort_where_there_is_one(think: Any, effort: str | None) -> None:
    assert openai_effort(think) == effort


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("rejected", '"m" does not support thinking', True),
        ("rejected", "bad option", False),
        ("server_error", "thinking failed", False),
        ("rejected", "thinker:8b is broken", False),
    ],
)
def test_only_a_rejection_of_think_reduces_thinking(
    code: str, message: str, expected: bool
) -> None:
    payload = {"think": True, "model": "thinker:8b"}
    assert refuses_thinking(ProviderError(code, message), payload) is expected
    assert not refuses_thinking(ProviderError(code, message), {"model": "m"})


def test_a_level_becomes_true_and_true_is_removed() -> None:
    payload: dict[str, Any] = {"think": "high"}
    reduce_thinking(payload, ProviderError("rejected", 'think value "high" is not supported'))
    assert payload == {"think": True}
    reduce_thinking(payload, ProviderError("rejected", "does not support thinking"))
    assert payload == {}


def test_the_notice_names_what_was_ignored() -> None:
    assert reduced_thinking_notice("high", "high") == reduced_thinking_notice(None, None) == ""
    assert "'high'" in reduced_thinking_notice("high", True)
    assert reduced_thinking_notice("high", None) == CANNOT_THINK
