"""Suggestions for mistyped words."""

from __future__ import annotations

import pytest

from orch.text.suggestion import did_you_mean


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [("olama", ", did you mean ollama?"), ("llamacp", ", did you mean llamacpp?"), ("zzz", "")],
)
def test_the_closest_known_word_is_suggested(word: str, suggestion: str) -> None:
    assert did_you_mean(word, ["ollama", "openai", "llamacpp"]) == suggestion


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert did_you_mean("ollama", []) == ""
