"""Options of the command line become fields of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orch.cli.task_input import chosen_profile, parse_options, read_schema
from orch.errors import InputError, UsageError

UNSET: dict[str, Any] = {"speed": False, "quality": False, "profile": "", "dial": None}


@pytest.mark.parametrize(
    ("given", "profile"),
    [
        ({}, "balanced"),
        ({"speed": True}, "speed"),
        ({"quality": True}, "quality"),
        ({"profile": "own"}, "own"),
        ({"dial": 0.0}, "balanced"),
    ],
)
def test_one_profile_is_chosen(given: dict[str, Any], profile: str) -> None:
    assert chosen_profile(UNSET | given) == profile


def test_dial_zero_excludes_a_profile_too() -> None:
    with pytest.raises(UsageError, match="--profile and --dial exclude each other"):
        chosen_profile(UNSET | {"profile": "own", "dial": 0.0})


def test_option_values_are_json_or_text() -> None:
    options = parse_options(["temperature=0", 'stop=["END"]', "name=a=b", "raw=yes"])
    assert options == {"temperature": 0, "stop": ["END"], "name": "a=b", "raw": "yes"}


@pytest.mark.parametrize("pair", ["temperature", "=1", " =1"])
def test_an_option_without_key_or_value_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        parse_options([pair])


def test_a_schema_file_becomes_a_response_format(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"type": "object"}), encoding="utf-8-sig")
    response_format = read_schema(str(file))
    assert response_format is not None
    assert response_format["json_schema"]["schema"] == {"type": "object"}
    assert read_schema("") is None


@pytest.mark.parametrize("text", ["[1]", "{", "\udc80"])
def test_a_schema_file_that_is_not_a_schema_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "schema.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="--schema"):
        read_schema(str(file))
