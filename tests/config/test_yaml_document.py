"""YAML files: any input is parsed or reported, with the position of every value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.config.discovery import packaged_file
from orch.config.yaml_document import MAX_DEPTH, format_key_path, parse_yaml


@pytest.mark.parametrize("which", ["models", "routing"])
def test_libyaml_reads_the_shipped_files_as_python_does(which: str) -> None:
    text = packaged_file(which).read_text(encoding="utf-8")
    assert parse_yaml(which, text, shipped=True) == parse_yaml(which, text)


@given(st.text(max_size=200))
def test_parsing_never_raises(text: str) -> None:
    parse_yaml("models.yaml", text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", "f:2:1: a: appears twice"),
        ("a: [\n", "f:2:1: not valid YAML"),
        ("[a]: 1\n", "f:1:1: a key must be a word"),
        ("a: &x [*x]\n", "an alias that contains itself"),
        ("[" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_a_malformed_file_is_reported_with_its_position(text: str, problem: str) -> None:
    assert problem in str(parse_yaml("f", text).problems[0])


def test_words_of_yaml_1_1_stay_words() -> None:
    data = parse_yaml("f", "a: off\nb: yes\nc: 1:30\nd: true\ne: 1_000\n").data
    assert data == {"a": "off", "b": "yes", "c": "1:30", "d": True, "e": 1000}


def test_every_value_has_its_position() -> None:
    document = parse_yaml("f", "models:\n  - id: a\n")
    assert document.positions["models", 0, "id"] == (2, 5)
    assert format_key_path(("models", 0, "id")) == "models[0].id"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n", {"a": 1, "b": 3}),
        ("x: &x {a: 1, b: 2}\ny: {b: 3, <<: *x}\n", {"a": 1, "b": 3}),
        ("x: [&x {a: 1}, &z {a: 2, c: 3}]\ny: {<<: [*x, *z]}\n", {"a": 1, "c": 3}),
        ("y:\n  <<: {<<: {a: 1}, b: 2}\n", {"a": 1, "b": 2}),
        ("y: {'<<': 1}\n", {"<<": 1}),
    ],
)
def test_a_merge_key_takes_the_keys_that_the_mapping_does_not_set(
    text: str, data: dict[str, int]
) -> None:
    document = parse_yaml("f", text)
    assert (document.problems, document.data["y"]) == ([], data)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: {<<: 1}\n", "f:1:9: a.<<: takes a mapping, or a list of mappings"),
        ("a: {<<: [{b: 1}, c]}\n", "f:1:18: a.<<: takes a mapping, or a list of mappings"),
        ("a: {<<: {b: 1}, <<: {c: 1}}\n", "f:1:17: a.<<: appears twice"),
        ("a: &a {<<: *a}\n", "an alias that contains itself"),
    ],
)
def test_a_merge_of_anything_but_mappings_is_reported(text: str, problem: str) -> None:
    assert problem in str(parse_yaml("f", text).problems[0])
