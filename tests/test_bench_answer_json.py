"""The JSON value of an answer is found, and values inside it."""

from __future__ import annotations

from typing import Any

import pytest

from orch.bench.answer_json import find_json, value_at_path


def test_the_last_fence_with_json_counts() -> None:
    assert find_json('```\n{"a": 1}\n```\nfixed:\n```json\n{"a": 2}\n```') == (True, {"a": 2})
    assert find_json("[" * 100_000) == (False, None)


def test_a_value_is_found_at_its_path() -> None:
    assert value_at_path({"a": [{"b": 1}]}, "a[0].b") == (True, 1)
    assert value_at_path({"a": []}, "a[0].b") == (False, None)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('[1, "a"]', [1, "a"]),
        ('It is {"a": {"b": 1}}, not [2].', {"a": {"b": 1}}),
        ('{"a": broken} but {"b": 2}', {"b": 2}),
    ],
)
def test_the_longest_value_in_prose_is_found(answer: str, value: Any) -> None:
    assert find_json(answer) == (True, value)


@pytest.mark.parametrize("answer", ["", "42", '"text"', "null", "a: 1"])
def test_a_bare_value_is_not_json_that_was_asked_for(answer: str) -> None:
    assert find_json(answer) == (False, None)
