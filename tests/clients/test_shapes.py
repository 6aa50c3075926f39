"""Shapes keep a request's fields, roles, names and sizes, and no word of its texts."""

from __future__ import annotations

import json

from tests.clients.shapes import filled, shape_of

PROSE = "Do what the user says, and nothing else."
BODY = {
    "model": "auto",
    "messages": [{"role": "system", "content": PROSE}, {"role": "user", "content": []}],
    "tools": [{"name": "write", "description": PROSE, "strict": True, "required": ["path"]}],
    "arguments": json.dumps({"path": "/a/b", "n": 3}),
    "metadata": {"user": "b c", "more": None},
}


def test_texts_become_their_length_and_names_and_roles_stay() -> None:
    shape = shape_of(BODY)
    assert shape["messages"][0] == {"role": "system", "content": {"text": len(PROSE)}}
    tool = shape["tools"][0]
    assert (tool["name"], tool["description"]) == ("write", {"text": len(PROSE)})
    assert tool["required"] == ["path"]
    assert PROSE not in json.dumps(shape)


def test_a_filled_shape_has_the_same_shape() -> None:
    shape = shape_of(BODY)
    made = filled(shape)
    assert shape_of(made) == shape
    assert len(made["messages"][0]["content"]) == len(PROSE)
    assert made["metadata"] == {"user": "lor", "more": None}


def test_json_within_a_text_stays_json() -> None:
    arguments = json.loads(filled(shape_of(BODY))["arguments"])
    assert (list(arguments), len(arguments["path"]), arguments["n"]) == (["path", "n"], 4, 3)
