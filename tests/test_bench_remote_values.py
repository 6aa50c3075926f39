"""Values between two processes: plain ones are copied, anything else is refused or named."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from orch.bench.remote_proxy import LinkBroken
from orch.bench.remote_values import ValueCodec, builtin_error


def copied(value: Any) -> Any:
    """The value as the other side decodes it, through JSON."""
    return ValueCodec(None).decode(json.loads(json.dumps(ValueCodec(None).encode(value))))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0.5,
        "ñ",
        2**200,
        b"\x00\xff",
        1 + 2j,
        ...,
        [1, [2, {"a": (3, frozenset({4}))}]],
        {(1, 2): {3}},
        bytearray(b"ab"),
        range(2, 9, 3),
        slice(1, None),
        date(2026, 11, 30),
        timedelta(days=1, microseconds=2),
        Decimal("1.10"),
        Fraction(1, 3),
        Path("a/b"),
        len,
        int,
    ],
)
def test_a_plain_value_arrives_as_it_was(value: Any) -> None:
    copy = copied(value)
    assert (type(copy), copy) == (type(value), value)


def test_a_list_that_holds_itself_arrives_so() -> None:
    value: list[Any] = [1]
    value.append(value)
    copy = copied(value)
    assert copy[0] == 1
    assert copy[1] is copy


def test_changes_of_a_copy_are_applied_to_the_original() -> None:
    mine, theirs = ValueCodec(None), ValueCodec(None)
    original = {"a": [1]}
    copy = theirs.decode(mine.encode(original))
    copy["b"] = 2
    copy["a"].append(3)
    mine.apply_changes([[place, theirs.contents(place)] for place in range(len(theirs.containers))])
    assert original == {"a": [1, 3], "b": 2}


@pytest.mark.parametrize(
    "packed",
    [
        ["python", "exec"],
        ["python", "open"],
        ["made", "os", "system", ["true"]],
        ["made", "pathlib", "Path", ["a"]],
        ["constant", "True"],
        ["int", "0xzz"],
        ["ref", 3],
        ["nothing"],
        [],
    ],
)
def test_what_no_encoder_sends_breaks_the_link(packed: list[Any]) -> None:
    with pytest.raises(LinkBroken):
        ValueCodec(None).decode(packed)


def test_only_an_exception_is_a_builtin_error() -> None:
    assert builtin_error("KeyError") is KeyError
    assert builtin_error("print") is builtin_error("nothing") is Exception
