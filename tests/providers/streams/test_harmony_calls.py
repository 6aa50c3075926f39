"""The JSON of a call in harmony: markers in its strings are text, in any split."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.providers.streams.harmony_calls import CallText, is_call, tool_call
from tests.providers.streams.byte_splits import CUTS, split
from tests.support.untimed import untimed


def call_of(text: str) -> CallText:
    """A call whose text came at once."""
    call = CallText()
    call.add(text)
    return call


@untimed
@given(st.text(alphabet='a"\\\n{é', max_size=12), CUTS)
def test_a_marker_is_text_in_a_string_and_an_end_behind_it(value: str, cuts: list[int]) -> None:
    whole = json.dumps({"a": value, "b": "|"})
    call, at = CallText(), whole.rindex("|")
    for piece in split(whole[:at], cuts):
        call.add(piece)
    assert call.takes("<|end|>")
    for piece in split(whole[at:], cuts):
        call.add(piece)
    assert not call.takes("<|call|>")
    assert json.loads(call.text) == {"a": value, "b": "<|end|>|"}
    assert call.cut() == ""


@pytest.mark.parametrize("text", ['print("', "it's \"", ""])
def test_code_has_no_strings_that_are_followed(text: str) -> None:
    assert not call_of(text).takes("<|call|>")


@pytest.mark.parametrize(
    ("rest", "arguments", "cut"),
    [
        ("", '{"a": "b', "<|call|>"),
        (" \n", '{"a": "b', "<|call|> \n"),
        ("<|start|>assistant", '{"a": "b', "<|call|><|start|>assistant"),
        (" goes on", '{"a": "b<|call|> goes on', ""),
        ('"}', '{"a": "b<|call|>"}', ""),
    ],
)
def test_a_string_that_never_closes_ends_where_a_message_could(
    rest: str, arguments: str, cut: str
) -> None:
    call = call_of('{"a": "b')
    call.takes("<|call|>")
    call.add(rest)
    assert (call.cut(), call.text) == (cut, arguments)


def test_a_call_has_a_name_of_the_tools_or_an_object() -> None:
    assert is_call("functions.f", "")
    assert is_call("f", '{"a": 1}')
    assert not is_call("python", "1 + 1")
    assert tool_call("functions.f", "")["function"] == {"name": "f", "arguments": "{}"}
