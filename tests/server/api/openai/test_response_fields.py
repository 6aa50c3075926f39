"""The response object without its items."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response

from orch.server.api.openai.chat import chat_usage
from orch.server.api.openai.response_fields import (
    MAX_ECHO_BYTES,
    bounded,
    end_fields,
    initial_response,
    responses_usage,
)
from orch.server.api.openai.schemas import ResponsesRequest
from orch.types import Usage


@pytest.mark.parametrize(
    "fields",
    [{}, {"tools": [{"type": "function", "name": "a", "parameters": {}, "strict": None}] * 500}],
    ids=["least", "long"],
)
def test_a_response_has_the_types_of_openais_library(fields: dict[str, Any]) -> None:
    body = ResponsesRequest.model_validate({"input": "hi", **fields})
    start = initial_response(body, "1", "m", is_stored=False, created_at=5)
    whole = {**start, **end_fields(7, responses_usage(Usage(3, 4)), is_cut=False)}
    parsed = Response.model_validate(whole)
    assert (parsed.id, parsed.status, parsed.tools, parsed.completed_at) == (
        "resp_1",
        "completed",
        [],
        7,
    )
    assert parsed.usage is not None
    assert parsed.usage.total_tokens == 7


def test_a_value_is_repeated_up_to_a_size_of_its_json() -> None:
    fits = "x" * (MAX_ECHO_BYTES - 2)
    assert (bounded(fits, None), bounded(fits + "x", None)) == (fits, None)
    assert (bounded(None, 1), bounded(0, 1), bounded({"a": fits}, {})) == (1, 0, {})


def test_a_cut_response_is_incomplete_and_says_why() -> None:
    fields = end_fields(7, {}, is_cut=True)
    assert (fields["status"], fields["completed_at"]) == ("incomplete", None)
    assert fields["incomplete_details"] == {"reason": "max_output_tokens"}


def test_cached_tokens_stand_in_the_usage_of_both_apis() -> None:
    counted = Usage(900, 5, cached_tokens=860)
    assert chat_usage(counted)["prompt_tokens_details"] == {"cached_tokens": 860}
    assert responses_usage(counted)["input_tokens_details"]["cached_tokens"] == 860


def test_a_server_that_does_not_tell_what_it_cached_is_not_said_to_have_cached_nothing() -> None:
    assert "prompt_tokens_details" not in chat_usage(Usage(900, 5))
