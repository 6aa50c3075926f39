"""Errors inside a stream: told in many forms, and not seen where a server says that there is
none."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.client import load_stream_error
from orch.providers.streams.failures import error_of, is_error


@pytest.mark.parametrize(
    "event",
    [
        {"error": "no slot"},
        {"error": {"message": "no slot"}},
        {"error": {"code": 500, "message": "no slot"}, "choices": []},
        {"error": True, "message": "no slot"},
        {"error": 503, "detail": "no slot"},
        {"object": "error", "message": "no slot", "code": 500},
        {"type": "error", "message": "no slot"},
        {"type": "error", "error": {"message": "no slot"}},
        {"choices": None, "error_type": "Busy", "error_message": "no slot"},
        {"error_code": 336100, "error_msg": "no slot"},
        {"detail": "no slot"},
        {"detail": [{"loc": ["body"], "msg": "no slot"}]},
        {"message": "no slot", "code": "busy"},
        {"message": "no slot", "status": 503},
        {"code": 500, "msg": "no slot", "success": False},
        {"errors": [{"message": "no slot"}]},
        {"base_resp": {"status_code": 1000, "status_msg": "no slot"}},
        {"choices": [], "x_groq": {"error": "no slot"}},
    ],
    ids=str,
)
def test_an_error_is_found_with_the_servers_words(event: dict[str, Any]) -> None:
    error = error_of(event)
    assert error is not None
    assert "no slot" in load_stream_error(error).message


@pytest.mark.parametrize("value", [None, "", False, 0, {}, [], "null", "ok", {"message": None}])
def test_a_value_that_says_nothing_is_no_error(value: Any) -> None:
    assert not is_error(value)
    assert error_of({"choices": [{"delta": {}}], "error": value}) is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"message": {"content": "the error is", "role": "assistant"}, "done": False},
        {"status": "success"},
        {"response": "detail", "done": False},
        {"detail": None},
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"choices": [{"delta": {}}], "message": "told beside the answer", "code": 200},
        {"x_groq": {"id": "a", "error": None}},
        {"prompt_filter_results": [], "choices": []},
    ],
    ids=str,
)
def test_an_event_without_an_error_has_none(event: dict[str, Any]) -> None:
    assert error_of(event) is None
