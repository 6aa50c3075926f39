"""The endpoint against the shapes that a real Ollama 0.32.15 answered with (recorded on 2026-11-30
by `wire_shapes`): equal, but for a list of differences, each of which docs/endpoint.md gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.api.wire_shapes import (
    CASES,
    EMBEDS,
    PLAIN,
    RECORDED,
    SHAPES,
    THINKS,
    TOOLS,
    Case,
    answer_shape,
)
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.http_server import served

HANDED_ON = {"tags", "show", "show verbose"}
"""Answers that are those of the Ollama behind, here a fake of an older version."""
REFUSED = {"status", "body.*"}
OPENAI_ERROR = {"body.error.code", "body.error.param", "body.error.type"}
LOGPROBS = {"*.logprobs"}
RESPONSE = {"*.reasoning", "*.cache_write_tokens"}
CUT = {"*.status", "*.incomplete_details", "*.completed_at", *RESPONSE}
CUT_RESPONSES = {"responses cut", "responses streamed"}
CUT_SHORT = json.dumps('="length"')
CONTEXT = {"*.context_length", "*.max_model_len"}
NOT_FOUND = {"type", "text", "body"}
DIFFERENCES: dict[str, set[str]] = {
    "version": {"body.orch"},
    "chat logprobs": {"body.logprobs.0.bytes", "body.logprobs.0.top_logprobs"},  # the fake has none
    "chat without model": REFUSED,
    "chat bad format": {"status"},
    "chat bad option": {"status"},
    "generate whole": {"body.context"},
    "generate streamed": {"stream.1.context"},
    "generate template": {"body.context"},
    "generate context": {"body.context"},
    "generate thinking": {"body.context"},
    "openai whole": LOGPROBS,
    "openai streamed": LOGPROBS,
    "openai streamed usage": LOGPROBS | {"*.usage"},
    "openai logprobs": {"*.refusal", "*.bytes", "*.top_logprobs"},
    "openai missing": OPENAI_ERROR,
    "openai without model": REFUSED,
    "openai two choices": REFUSED,
    "openai tools refused": {"body.error.code"},
    "openai bad temperature": {"body.error.code", "body.error.param", "type"},
    "openai without messages": {"body.error.code", "body.error.param", "type"},
    "completions whole": LOGPROBS,
    "completions streamed": LOGPROBS,
    "responses whole": RESPONSE,
    "responses cut": CUT,
    "responses streamed": CUT | {"*.type"},
    "responses missing": OPENAI_ERROR,
    "models": CONTEXT,
    "model": CONTEXT,
    "model missing": OPENAI_ERROR,
    "unknown path": NOT_FOUND,
    "unknown path of openai": NOT_FOUND,
    "wrong method": NOT_FOUND,
}
"""By the name of a case: the places that may differ; `*` stands for any part of a place."""


@pytest.fixture
def like_the_real(ollama: FakeOllama) -> FakeOllama:
    """A fake with the models that the recorded server had."""
    for model in (
        FakeModel(PLAIN),
        FakeModel("smollm2"),
        FakeModel(TOOLS, capabilities=["completion", "tools"]),
        FakeModel(THINKS, thinking=["Hm"], capabilities=["completion", "thinking"]),
        FakeModel(EMBEDS, capabilities=["embedding"]),
    ):
        ollama.add(model)
    return ollama


@pytest.fixture
def endpoint(like_the_real: FakeOllama) -> Iterator[str]:
    with served() as url:
        yield url


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in HANDED_ON], ids=lambda case: case.name
)
def test_an_answer_has_the_shape_of_ollamas(
    endpoint: str, like_the_real: FakeOllama, case: Case
) -> None:
    prepare(like_the_real, case)
    expected, shape = SHAPES[case.name], answer_shape(endpoint, case)
    places, allowed = set(different_places(expected, shape)), DIFFERENCES.get(case.name, set())
    unlisted = {place for place in places if not any(fits(place, each) for each in allowed)}
    outdated = {each for each in allowed if not any(fits(place, each) for place in places)}
    assert (unlisted, outdated) == (set(), set()), shape


def test_every_case_was_recorded() -> None:
    assert [case.name for case in CASES] == list(SHAPES)
    assert set(DIFFERENCES) <= set(SHAPES)
    assert RECORDED["server"] == "Ollama 0.32.15"


def prepare(ollama: FakeOllama, case: Case) -> None:
    """Makes the fake's answer end as the recorded one did."""
    for name, model in ollama.models.items():
        if CUT_SHORT in json.dumps(SHAPES[case.name]) or case.name in CUT_RESPONSES:
            model.faults = [Fault("length", after=2, times=-1)]
        if case.name == "chat schema":
            model.reply = ['{"a":', '"b"}']
        elif case.name == "chat bad option":
            message = 'option "temperature" must be of type float32'
            model.faults = [Fault("status", message=message, times=-1)]
        elif case.name == "ps" and name == PLAIN:
            ollama.resident[name] = 4096


def different_places(expected: Any, shape: Any, place: str = "") -> Iterator[str]:
    """The places where two shapes differ, such as `body.choices.0.logprobs`."""
    if isinstance(expected, list) and isinstance(shape, list) and len(expected) == len(shape):
        expected, shape = (dict(enumerate(each)) for each in (expected, shape))
    if isinstance(expected, dict) and isinstance(shape, dict):
        for key in {**expected, **shape}:
            inner = f"{place}.{key}".lstrip(".")
            yield from different_places(expected.get(key, MISSING), shape.get(key, MISSING), inner)
    elif expected != shape:
        yield place


MISSING = "(missing)"


def fits(place: str, pattern: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return place == pattern
    return place.startswith(head) and place.endswith(tail)
