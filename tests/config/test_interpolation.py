"""Variables in parsed strings."""

from __future__ import annotations

import pytest

from orch.config.interpolation import fill_and_find_unset, interpolate, strings_with_variables

ENV = {"KEY": "secret", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${KEY}", "secret"),
        ("a ${KEY} b ${KEY}", "a secret b secret"),
        ("${UNSET:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("$KEY ${1X}", "$KEY ${1X}"),
    ],
)
def test_variables_are_replaced_at_any_depth(text: str, filled: str) -> None:
    assert interpolate({"a": [text, 1, None]}, ENV) == {"a": [filled, 1, None]}


def test_an_unset_variable_without_default_is_an_error() -> None:
    with pytest.raises(KeyError, match="UNSET"):
        interpolate(["${UNSET}"], ENV)


def test_unset_variables_are_found_with_their_path() -> None:
    data = {"a": [{"b": "${UNSET}"}], "c": "${KEY}"}
    filled, unset = fill_and_find_unset(data, ENV)
    assert (unset, filled["c"]) == ([(("a", 0, "b"), "UNSET")], "secret")
    assert list(strings_with_variables(data)) == [("a", 0, "b"), ("c",)]
