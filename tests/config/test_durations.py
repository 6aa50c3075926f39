"""Durations and dates on the command line."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from orch.config.durations import parse_since
from orch.errors import UsageError


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2h", 7200), ("7d", 604_800)])
def test_a_duration_is_that_long_ago(text: str, seconds: int) -> None:
    assert parse_since(text) == pytest.approx(time.time() - seconds, abs=5)


def test_a_date_is_its_moment_and_nothing_is_the_beginning() -> None:
    assert parse_since("2026-11-01") == datetime(2026, 11, 1).timestamp()
    assert parse_since("") == 0.0


@pytest.mark.parametrize("text", ["yesterday", "7", "d", "-7d", "7x"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_since(text, "--before")
