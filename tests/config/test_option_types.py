"""Sampling options of a wrong type, told before a server is asked and recognized when it tells."""

from __future__ import annotations

from typing import Any

import pytest

from orch.config.spec.option_types import (
    KEEP_ALIVE_FORMS,
    check_options,
    is_keep_alive,
    option_problems,
    refused_option,
)
from orch.errors import InputError


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("temperature", "warm", "temperature must be a number, not 'warm'"),
        ("temperature", True, "temperature must be a number, not true"),
        ("top_p", [0.5], "top_p must be a number, not [0.5]"),
        ("min_p", float("nan"), "min_p must be a number, not nan"),
        ("seed", "42", "seed must be a whole number, not '42'"),
        ("num_ctx", "8k", "num_ctx must be a whole number, not '8k'"),
        ("max_tokens", {"n": 5}, "max_tokens must be a whole number, not {'n': 5}"),
        ("use_mmap", "yes", "use_mmap must be true or false, not 'yes'"),
        ("keep_alive", "soon", f"keep_alive must be {KEEP_ALIVE_FORMS}, not 'soon'"),
        ("keep_alive", True, f"keep_alive must be {KEEP_ALIVE_FORMS}, not true"),
        ("stop", 5, "stop must be a text or a list of texts, not 5"),
        ("stop", ["END", None], "stop must be a text or a list of texts, not ['END', None]"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(name: str, value: Any, fault: str) -> None:
    assert list(option_problems({"top_k": 20, name: value})) == [(name, fault)]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0, "top_p": 0.9, "seed": -1, "stop": "END", "use_mmap": False},
        {"top_k": 40.0, "stop": ["a", "b"], "num_ctx": None, "think": "high"},
        {"keep_alive": "1h30m"},
        {"keep_alive": "-1"},
        {"keep_alive": 0},
        {"some_new_option": {"of": "any form"}},
        {},
    ],
)
def test_values_that_ollama_takes_are_right(options: dict[str, Any]) -> None:
    check_options(options)


def test_the_error_shows_every_fault_and_an_example() -> None:
    with pytest.raises(InputError) as caught:
        check_options({"temperature": "warm", "seed": "x" * 500})
    assert "temperature must be a number, not 'warm'; seed must be a whole" in caught.value.message
    assert len(caught.value.message) < 200
    assert caught.value.hint == "for example -o temperature=0.7"


@pytest.mark.parametrize("option", ["top_k=40", "mirostat=2", "num_predict=1024"])
def test_the_example_is_a_usual_value_of_the_option(option: str) -> None:
    with pytest.raises(InputError) as caught:
        check_options({option.partition("=")[0]: "x"})
    assert caught.value.hint == f"for example -o {option}"


@pytest.mark.parametrize(
    ("message", "option"),
    [
        ('option "repeat_penalty" must be of type float32', "repeat_penalty"),
        ('option "stop" must be of an array of strings', "stop"),
        ("temperature must be non-negative, got -3.", "temperature"),
        ("Invalid type for 'seed': expected an integer, but got a string instead.", "seed"),
        ("body.top_p: Input should be a valid number", "top_p"),
        ("the model must be loaded first; stop it and seed it", ""),
        ("conversation roles must be alternating", ""),
        ("temperature is too low for this model", ""),
    ],
)
def test_a_server_s_complaint_names_its_option(message: str, option: str) -> None:
    assert refused_option(message) == option


@pytest.mark.parametrize(
    "value", [int("9" * 400), -(10**5000), float("inf")], ids=["400 nines", "5000 digits", "inf"]
)
@pytest.mark.parametrize("name", ["seed", "temperature"])
def test_a_number_that_no_server_can_hold_is_named(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} must be a"):
        check_options({name: value})


@pytest.mark.parametrize("text", ["٥m", "５", "²s"])
def test_digits_of_other_scripts_are_no_duration(text: str) -> None:
    assert not is_keep_alive(text)
