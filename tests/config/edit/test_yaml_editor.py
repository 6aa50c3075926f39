"""An edit of YAML text changes the bytes of the edited value and no others, or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.config.discovery import packaged_file
from orch.config.edit.yaml_editor import EditableYaml
from orch.config.edit.yaml_writing import YamlText
from orch.config.yaml_document import KeyPath, parse_yaml
from orch.errors import ConfigError

SHIPPED = {which: packaged_file(which).read_text("utf-8") for which in ("models", "routing")}
MADE = """\
# "a": 1
a: 1   # one\t, tab
'b': "a: 1"
c: &c
  d: 'it''s # no comment'
    # belongs to d
# before e
e:
- x
-   y   # why
- {f: [1, 2], g: }
flow: { h: 1, i: [ a, 'b, c' ],
  j: *c, # merged
  k: null }
m: {<<: *c, n: 2}
text: |
  a: 1

  # not a comment

o:
p: >+
  kept

q: [
  first, # 1
  second # 2
]
r: ñ 😀 done
"""
VARIANTS = (MADE, MADE.replace("\n", "\r\n"), "\ufeff" + MADE, MADE.removesuffix("\n"))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(["off", "1e3", "1:30", "a: b", "# c", "- d", "null", "<<", "*c", "x, y", "08"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("abc :#-'é", min_size=1, max_size=4), inner, max_size=3),
    ),
    max_leaves=5,
)


def document(text: str) -> EditableYaml:
    return EditableYaml.parse("f.yaml", text)


def paths_of(data: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Every path below the root."""
    children = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    return [
        each for key, value in children for each in ((*path, key), *paths_of(value, (*path, key)))
    ]


# ---------------------------------------------------------------- single edits, byte for byte


@pytest.mark.parametrize(
    ("text", "path", "value", "result"),
    [
        ("a: 1  # one\n", ("a",), 2, "a: 2  # one\n"),
        ("a:   # none\n", ("a",), 2, "a: 2   # none\n"),
        ("a: &x 1\n", ("a",), 2, "a: &x 2\n"),
        ("a: &x 1\nb: *x\n", ("b",), 2, "a: &x 1\nb: 2\n"),
        ("{a: 1, b}", ("b",), "x, y", "{a: 1, b: 'x, y'}"),
        ("a: |\n  b\n  c\n\nd: 1\n", ("a",), "b", "a: b\n\nd: 1\n"),
        ("a:  # why\n  b: 1\n  # b\nc: 1\n", ("a",), [1], "a: [1]  # why\n  # b\nc: 1\n"),
        ("a: [x, 'y']\n", ("a", 1), "z", "a: [x, z]\n"),
        ("a: 1\n", ("b",), {"c": [1, {"d": 2}], "e": []},
         "a: 1\nb:\n  c:\n    - 1\n    - d: 2\n  e: []\n"),
        ("a: 1", ("b",), 2, "a: 1\nb: 2\n"),
        ("a: 1\r\n\r\n# end\r\n", ("b",), 2, "a: 1\r\nb: 2\r\n\r\n# end\r\n"),
        ("a:\n  b: 1\n    # on b\n  # next\nc: 1\n", ("a", "d"), 2,
         "a:\n  b: 1\n    # on b\n  d: 2\n  # next\nc: 1\n"),
        ("a: {}  # none\n", ("a", "b"), 1, "a:  # none\n  b: 1\n"),
        ("a: ~\n", ("a", "b"), 1, "a:\n  b: 1\n"),
        ("{a: {b: 1,}}", ("a", "c"), 2, "{a: {b: 1, c: 2,}}"),
        ("x: &x {a: 1}\ny: {<<: *x, b: 2}\n", ("y", "a"), 3,
         "x: &x {a: 1}\ny: {<<: *x, b: 2, a: 3}\n"),
        ("# comments alone\n", ("a",), 1, "# comments alone\na: 1\n"),
        ("", ("a",), 1, "a: 1\n"),
        ("a: 1\n...\n", ("b",), YamlText("0x1F"), "a: 1\nb: 0x1F\n...\n"),
    ],
)  # fmt: skip
def test_a_value_is_set_where_it_belongs(text: str, path: KeyPath, value: Any, result: str) -> None:
    assert document(text).with_entry(path, value).text == result


@pytest.mark.parametrize(
    ("text", "at", "result"),
    [
        ("# mine\na: 1\nb: 2\n", 0, "# mine\nnew: x\na: 1\nb: 2\n"),
        ("a: 1  # one\nb: 2\n", 1, "a: 1  # one\nnew: x\nb: 2\n"),
        ("\ufeffa: 1\n", 0, "\ufeffnew: x\na: 1\n"),
        ("{a: 1, b: 2}", 0, "{new: x, a: 1, b: 2}"),
        ("{a: 1, b: 2}", 1, "{a: 1, new: x, b: 2}"),
    ],
)
def test_a_new_key_gets_the_place_that_was_asked_for(text: str, at: int, result: str) -> None:
    assert document(text).with_entry(("new",), "x", at=at).text == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("m:\n- a: 1\n  b: 2\n  # on a\n# end\n",
         "m:\n- a: 1\n  b: 2\n  # on a\n- c: 1  # ?\n  d: x\n# end\n"),
        ("m:\n    - a", "m:\n    - a\n    - c: 1  # ?\n      d: x\n"),
        ("m:   # none\nn: 1\n", "m:   # none\n  - c: 1  # ?\n    d: x\nn: 1\n"),
        ("m: []\n", "m:\n  - c: 1  # ?\n    d: x\n"),
        ("n: 1\n", "n: 1\nm:\n  - c: 1  # ?\n    d: x\n"),
        ("m: [a]\n", "m: [a, {c: 1  # ?\n  , d: x}]\n"),
    ],
)  # fmt: skip
def test_an_item_is_appended_with_its_comment(text: str, result: str) -> None:
    edited = document(text).with_item(("m",), {"c": 1, "d": "x"}, {"c": "?"})
    assert edited.text == result


@pytest.mark.parametrize(
    ("text", "path", "result"),
    [
        ("a: 1  # one\n# two\nb: 2\n", ("a",), "# two\nb: 2\n"),
        ("a: 1\nb: 2", ("b",), "a: 1\n"),
        ("a:\n  b: 1\nc: 2\n", ("a", "b"), "a: {}\nc: 2\n"),
        ("a:\n- b: 1 # x\n  c: 2\n", ("a", 0, "b"), "a:\n-  # x\n  c: 2\n"),
        ("a:\n- b: 1\n  c: 2\n", ("a", 0, "b"), "a:\n- c: 2\n"),
        ("a:\n- b\n- - c\n  - d\n", ("a", 1, 0), "a:\n- b\n- - d\n"),
        ("a: [b, c, d,]\n", ("a", 2), "a: [b, c, ]\n"),
        ("a: [b, c, d]\n", ("a", 0), "a: [c, d]\n"),
        ("a: [b, c, d]\n", ("a", 2), "a: [b, c]\n"),
        ("a: [b, # b\n  c]\n", ("a", 1), "a: [b # b\n  ]\n"),
        ("a: {b: 1}\n", ("a", "b"), "a: {}\n"),
        ("a: 1\n", ("a",), "{}\n"),
    ],
)
def test_an_entry_is_removed_with_its_line(text: str, path: KeyPath, result: str) -> None:
    assert document(text).without(path).text == result


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x 1\nb: *x\n", ("a",)),  # would change b as well
        ("a: &x {c: 1}\nb: *x\n", ("b", "c")),
        ("a: &x {c: 1}\nb: *x\n", ("b", "d")),
        ("a: &x\n  c: 1\nb: {<<: *x}\n", ("a",)),
        ("a: 1\n", ("a", "b")),
        ("a: [1]\n", ("a", "b")),
        ("a: 1\n", ("b", "c")),
    ],
)
def test_an_edit_that_would_change_something_else_is_refused(text: str, path: KeyPath) -> None:
    with pytest.raises(ConfigError, match="only a person can change") as refused:
        document(text).with_entry(path, 2)
    assert "orch config validate" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "f.yaml:1:5: not valid YAML"), ("a: 1\na: 2\n", "twice"), ("- a\n", "not a mapping")],
)
def test_a_text_that_can_not_be_edited_is_refused_with_its_problems(
    text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        document(text)


# ---------------------------------------------------------------- any edit


@pytest.mark.parametrize("which", SHIPPED)
@settings(max_examples=3, deadline=None)
@given(choice=st.data(), value=VALUES)
def test_setting_a_value_in_a_shipped_file_changes_only_that_value(
    which: str, choice: st.DataObject, value: Any
) -> None:
    before = document(SHIPPED[which])
    path = choice.draw(st.sampled_from(paths_of(before.data)))
    edited = before.with_values({path: value})
    assert _at(edited.data, path) == value
    assert _without(before.data, path) == _without(edited.data, path)
    parent = before.tree.find(path[:-1])
    entry = parent.entry(path[-1]) if parent else None
    assert parent is not None
    assert entry is not None
    start, end = before.tree.start(entry, parent), before.tree.entry_end(entry)
    assert edited.text.startswith(before.text[:start])
    assert edited.text.endswith(before.text[before.tree.line_end(end) :])


@settings(max_examples=60, deadline=None)
@given(
    text=st.sampled_from(VARIANTS),
    choice=st.data(),
    value=VALUES,
    edit=st.sampled_from(["set", "add", "append", "remove"]),
)
def test_any_edit_gives_the_edited_data_or_is_refused(
    text: str, choice: st.DataObject, value: Any, edit: str
) -> None:
    before = document(text)
    path = choice.draw(st.sampled_from(paths_of(before.data)))
    edited = _edited(before, edit, path, value)
    if edited is None:
        return
    assert parse_yaml("f", edited.text).data == edited.data
    assert edit != "set" or _at(edited.data, path) == value
    assert edit not in ("add", "append") or _kept_chars(text, edited.text) >= len(text) - 6
    assert "\r\n" not in text or "\n" not in edited.text.replace("\r\n", "")


def _edited(before: EditableYaml, edit: str, path: KeyPath, value: Any) -> EditableYaml | None:
    """The edited text; None if the edit is refused."""
    try:
        if edit == "set":
            return before.with_values({path: value})
        if edit == "add":
            return before.with_entry((*path[:-1], "new key"), value)
        return before.with_item(path, value) if edit == "append" else before.without(path)
    except ConfigError:
        return None


def _kept_chars(before: str, after: str) -> int:
    """How many characters at the beginning and the end are the same."""
    start, end, most = 0, 0, min(len(before), len(after))
    while start < most and before[start] == after[start]:
        start += 1
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start + end


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _without(data: Any, path: KeyPath) -> Any:
    """The data with a blank at the path."""
    if not path:
        return None
    if isinstance(data, dict):
        return {**data, path[0]: _without(data[path[0]], path[1:])}
    return [_without(each, path[1:]) if at == path[0] else each for at, each in enumerate(data)]
