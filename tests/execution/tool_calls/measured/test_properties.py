"""Random schemas and values: a call that was written wrongly comes back as it was meant, or with a
fault; never with another value."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orch.execution.tool_calls import settle
from tests.evals.tool_call_cases.verdicts import is_same, read_calls
from tests.execution.tool_calls.measured.rendering import (
    PIECES,
    TEXT_WAYS,
    WAYS,
    Json,
    Way,
    commented,
    object_schema,
    plain,
    value_of,
)

ROOT = Path(__file__).parents[4]
TIMES = 60
"""For each way, with a fixed seed; `tests/evals/tool_calls.py --random 1000` takes more of them."""
MAY_ASK = {commented}
"""Ways that need not be repaired."""
GENEROUS_S = 500


def tool(schema: Json) -> list[Json]:
    return [{"type": "function", "function": {"name": "tool", "parameters": schema}}]


def call(written: str) -> list[Json]:
    return [{"id": "c", "type": "function", "function": {"name": "tool", "arguments": written}}]


def drawn(way: Way, seed: int = 0) -> Any:
    """Schemas with values and what became of them in that way."""
    chance = random.Random(f"{way.__name__} {seed}")
    for _ in range(TIMES):
        schema = object_schema(chance)
        value = value_of(schema, chance)
        yield schema, value, way(value, schema, chance)


def test_a_valid_call_is_left_alone_whatever_its_strings_hold() -> None:
    for schema, value, written in drawn(plain):
        settled = settle("", call(written), tool(schema))
        assert (settled.fault, len(settled.repairs)) == ("", 0), written
        assert is_same(read_calls(settled.calls), [("tool", value)]), written


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_very_value_comes_back_or_a_fault(way: Way) -> None:
    repaired = 0
    for schema, value, written in drawn(way):
        settled = settle("", call(written), tool(schema))
        if not settled.fault:
            assert is_same(read_calls(settled.calls), [("tool", value)]), written
            repaired += 1
    assert repaired >= TIMES / 4 or way in MAY_ASK


@pytest.mark.parametrize("way", TEXT_WAYS, ids=lambda way: way.__name__)
def test_a_call_that_is_text_comes_back_or_stays_text(way: Way) -> None:
    repaired = 0
    for schema, value, written in drawn(way):
        settled = settle(written, [], tool(schema))
        if settled.calls and not settled.fault:
            assert is_same(read_calls(settled.calls), [("tool", value)]), written
            repaired += 1
    assert repaired >= TIMES / 4


def test_a_cut_call_is_whole_or_a_fault() -> None:
    for schema, value, written in drawn(plain, seed=1):
        chance = random.Random(written)
        cut = written[: chance.randrange(len(written))]
        settled = settle("", call(cut), tool(schema), cut=True)
        if not settled.fault:
            assert is_same(read_calls(settled.calls), [("tool", value)]) or not cut.strip(), cut


def test_a_cut_call_has_no_shortened_string() -> None:
    """Where nothing says that the answer was cut, a brace may be missing at its end, no more."""
    for schema, value, written in drawn(plain, seed=2):
        chance = random.Random(written)
        cut = written[: chance.randrange(len(written))]
        settled = settle("", call(cut), tool(schema))
        if not settled.fault:
            [(_, arguments)] = read_calls(settled.calls)
            assert strings_of(arguments) <= strings_of(value), cut


def strings_of(value: Any) -> set[str]:
    """The strings in a value."""
    if isinstance(value, dict):
        return set(value).union(*(strings_of(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(strings_of(each) for each in value))
    return {value} if isinstance(value, str) else set()


def test_a_text_of_marks_is_no_call() -> None:
    chance = random.Random(5)
    words = [*PIECES, "tool", '"name"', '"arguments"', "<function=tool>", "call the tool:"]
    for _ in range(3 * TIMES):
        text = " ".join(chance.choice(words) for _ in range(chance.randrange(1, 20)))
        settled = settle(text, [], tool({"type": "object", "required": ["a"]}))
        assert len(settled.calls) == 0, text
        assert settled.fault or settled.text == text


def test_a_call_in_another_case_is_that_tool_only_where_there_is_one() -> None:
    tools = [*tool({"type": "object"}), {"type": "function", "function": {"name": "TOOL"}}]
    named = [{"function": {"name": "Tool", "arguments": "{}"}}]
    assert settle("", named, tools).fault
    assert [name for name, _ in read_calls(settle("", named, tools[:1]).calls)] == ["tool"]


def test_hostile_answers_and_schemas_are_settled_in_time() -> None:
    command = [sys.executable, "-m", "tests.execution.tool_calls.measured.hostile"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=GENEROUS_S)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (lines[-1:], done.stderr[-2_000:])
    assert lines[-1] == "settled all"


def test_ten_megabytes_come_through_as_they_are() -> None:
    value = {"a": "x" * 10_000_000}
    settled = settle("", call(json.dumps(value)), tool({"type": "object"}))
    assert read_calls(settled.calls) == [("tool", value)]
    assert not settled.repairs
