"""The time of a user's regular expressions is bounded."""

from __future__ import annotations

import pytest

from orch.config.regex_limits import MAX_LENGTH, max_steps, pattern_problem


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", ".*.*x", "("])
def test_a_pattern_with_exponential_time_is_refused(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize("pattern", [r"\bdef \w+\(", ".*x", "(?:a|b){0,40}", "^.{0,200}$", ""])
def test_a_usual_pattern_is_accepted(pattern: str) -> None:
    assert pattern_problem(pattern) is None


def test_an_anchored_pattern_starts_at_one_position_only() -> None:
    assert max_steps("^a.*", 1_000) * 1_000 == max_steps("a.*", 1_000)


def test_a_long_pattern_is_refused() -> None:
    assert "characters" in (pattern_problem("a" * (MAX_LENGTH + 1)) or "")
