"""JSON's values are counted before it is parsed."""

from __future__ import annotations

import json

import pytest

from orch.server.http import json_limits


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
def test_values_are_counted_wherever_the_body_is_cut(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(json_limits, "SLICE_BYTES", size)
    value = {"a,[{": ["x\\", '"[,{"', '\\"', 1, None, {"b": []}], "c": '\\"\\\\,', "d,,": "\\\\\\"}
    data = json.dumps(value, separators=(",", ":")).encode()
    marks = 4 + 7  # openings, and commas between values
    assert [json_limits.has_more_values(data, most) for most in (marks - 1, marks)] == [True, False]


@pytest.mark.parametrize("text", ["a, b, [c]", 'a \\" , b', "\\\\", '{"a": [1, 2]}'])
def test_marks_inside_a_string_do_not_count(text: str) -> None:
    data = json.dumps([text] * 3, separators=(",", ":")).encode()
    assert [json_limits.has_more_values(data, most) for most in (2, 3)] == [True, False]


def test_a_long_list_has_as_many_values_as_items() -> None:
    data = b"[" + b"1," * 99_999 + b"1]"
    assert [json_limits.has_more_values(data, most) for most in (99_999, 100_000)] == [True, False]
