"""Arguments of memory operations, which come from outside: checked before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from orch.errors import UsageError
from orch.memory.operation_arguments import check_arguments, parse_filter
from orch.memory.resident import ResidentMemory
from orch.memory.store import Filter
from tests.support.resident_memory import (
    Result,
    ask,
    held,
    kept,
)

__all__ = ["held", "kept"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fly", {}),
        ("search", {}),
        ("search", {"query": 3}),
        ("search", {"query": "x", "k": -1}),
        ("search", {"query": "x", "k": True}),
        ("search", {"query": "x", "kind": "nope"}),
        ("search", {"query": "x", "since": "soon"}),
        ("search", {"query": "x", "means": None}),
        ("list", {"colour": "red"}),
        ("show", {"id": "nope"}),
        ("add", {"texts": []}),
        ("add", {"texts": [{"title": "no text"}]}),
        ("add", {"texts": [{"text": 3}]}),
        ("forget", {}),
        ("forget", {"ids": "abc"}),
        ("forget", {"ids": [3]}),
        ("forget", {"all": "yes"}),
        ("forget", {"all": True, "session": "x"}),
        ("forget", {"session": "nope"}),
        ("export", {"after": 1 << 70}),
    ],
)
async def test_invalid_arguments_are_an_error(
    held: ResidentMemory, name: str, arguments: Result
) -> None:
    with pytest.raises(UsageError):
        await ask(held, name, **arguments)


async def search(means: None, query: str, k: int = 5, ids: Sequence[str] = ()) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "missing a required argument: 'query'"),
        ({"query": "x", "colour": "red"}, "unexpected keyword argument 'colour'"),
        ({"query": "x", "k": "3"}, "k can't be '3'"),
        ({"query": "x", "k": 1 << 63}, "k can't be 9223372036854775808"),
        ({"query": "x", "ids": [3]}, r"ids can't be \[3\]"),
    ],
    ids=str,
)
def test_an_argument_that_does_not_fit_is_named(arguments: Result, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        check_arguments("search", search, arguments)


def test_arguments_that_fit_are_accepted() -> None:
    check_arguments("search", search, {"query": "", "k": 0, "ids": ("a", "b")})


def test_a_filter_is_parsed_and_empty_values_match_anything() -> None:
    where = parse_filter(session="s", kind="coding", model="", before="2026-11-30")
    assert (where.session, where.task_type, where.model, where.since) == ("s", "coding", None, None)
    assert where.before == datetime(2026, 11, 30).timestamp()
    assert parse_filter() == Filter()


def test_an_unknown_task_type_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'nope' is not a task type") as caught:
        parse_filter(kind="nope")
    assert "coding" in caught.value.hint
