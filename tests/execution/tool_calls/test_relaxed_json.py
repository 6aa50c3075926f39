"""Broken JSON: rewritten where it can be read in one way, else not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.execution.tool_calls.relaxed_json import MAX_CHARS, MAX_DEPTH, parse_strictly, rewrite

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value", "repairs"),
    [
        ('{"a": 1,}', {"a": 1}, ("trailing_comma",)),
        ('{"a": [1, 2,], }', {"a": [1, 2]}, ("trailing_comma",)),
        ("{'a': 'x'}", {"a": "x"}, ("single_quotes",)),
        ("{'a': 'it\\'s \"so\"'}", {"a": 'it\'s "so"'}, ("single_quotes",)),
        ('```json\n{"a": 1}\n```', {"a": 1}, ("fence",)),
        ('```\n{"a": 1}', {"a": 1}, ("fence",)),
        ('{"a": "``` in it"}\n```', {"a": "``` in it"}, ("fence",)),
        ('{"a": {"b": [1, "x"', {"a": {"b": [1, "x"]}}, ("missing_brace",)),
        ('{"a": 1}}', {"a": 1}, ("surplus_brace",)),
        ('{"a": True, "b": None}', {"a": True, "b": None}, ("python_literal",)),
        ("{a: 1, b_2: false}", {"a": 1, "b_2": False}, ("unquoted_key",)),
        ('{"a": "two\nlines\t"}', {"a": "two\nlines\t"}, ("control_character",)),
        ('{"a": "it\\\'s"}', {"a": "it's"}, ("escape",)),
        ("{'a': [1,],", None, ()),
        ('{"a": "\\d+\\s*C:\\Users"}', {"a": "\\d+\\s*C:\\Users"}, ("backslash",)),
        ('{"a": 1, // one\n "b": "//" /* two */}', {"a": 1, "b": "//"}, ("comment",)),
        ("{\u201ca\u201d: \u201cb\u201d}", {"a": "b"}, ("curly_quotes",)),
        ('{"a": \\n 1\\n}', {"a": 1}, ("escape",)),
    ],
)
def test_text_with_one_reading_is_rewritten(
    text: str, value: Any, repairs: tuple[str, ...]
) -> None:
    rewritten = rewrite(text)
    if value is None:
        assert rewritten is None
    else:
        assert rewritten is not None
        assert (json.loads(rewritten.text), rewritten.repairs) == (value, repairs)


@pytest.mark.parametrize(
    "text",
    [
        '{"path": "a.txt", "text": "half a sen',  # the string is cut
        '{"a": ',
        '{"a": 1,',  # another value was to follow
        '{"a": 1, "b',
        '{"a": tru',
        '{"a": {',
        "{",
        "{'a': 'it's'}",  # where does the string end?
        '{"a": "He said "no" to it"}',
        '{"a": "C:\\Users\\new"}',  # a line break?
        '{"a": "\\x41"}',
        '{"a": "\\$HOME"}',
        '{"a": 1 // is it all? }',
        '{"a": 1} Now I look.',
        '{"a": 1}\nand {"b": 2}',
        '{"a": 1 "b": 2}',
        '{"a": 1, "a": 2,}',  # which of the two?
        '{"a": 01}',
        '{"a": NaN}',
        '{"a": [1}',
        '{"a": 1} {"b": 2}',
        '{"a": 1}, or so',
        'Sure: {"a": 1}',
        '{"a": maybe}',
        "[1]",
        '"text"',
        "",
    ],
)
def test_text_with_several_readings_or_none_is_not_rewritten(text: str) -> None:
    assert rewrite(text) is None


def test_numbers_and_escapes_stay_as_they_were_written() -> None:
    text = (
        '{"n": 0.10000000000000000001, "e": "\\u00e9\\n", "big": 123456789012345678901234567890,}'
    )
    rewritten = rewrite(text)
    assert rewritten is not None
    assert rewritten.text == text.replace(",}", "}")


@given(st.dictionaries(st.text(), VALUES))
def test_json_is_never_changed(value: dict[str, Any]) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        rewritten = rewrite(text)
        assert rewritten is not None
        assert (rewritten.text, rewritten.repairs) == (text, ())


@given(st.dictionaries(st.text(), VALUES, min_size=1), st.data())
def test_a_cut_text_gives_no_string_that_was_not_whole(
    value: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    if rewritten := rewrite(cut):
        assert json.loads(rewritten.text).keys() <= value.keys()
        strings = {each for each in _strings(json.loads(rewritten.text))}
        assert strings <= set(_strings(value))


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return [each for inner in value for each in _strings(inner)] if isinstance(value, list) else []


def test_size_and_depth_are_bounded() -> None:
    assert rewrite('{"a": "' + "x" * MAX_CHARS + '",}') is None
    assert rewrite('{"a": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + ",}") is None
    assert rewrite('{"a": ' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + ",}") is not None


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', "[" * 100_000, "{'a': 1}"])
def test_what_json_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_strictly(text)


def test_words_behind_are_left_out_only_where_that_is_allowed() -> None:
    text = '{"a": 1}\n\nNow I look.'
    assert rewrite(text) is None
    assert rewrite(text, talks=True) == ('{"a": 1}', ("words_behind",))
    assert rewrite('{"a": 1} Now I look.', talks=True) is None
    assert rewrite('{"a": 1}\nand {"b": 2}', talks=True) is None
