"""What a model server reports as an error: one kind for each cause, whatever its form and place."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import RUN_CODES
from orch.providers.error_reports import ErrorReport, parse_report
from orch.providers.server_errors import answer_error, error_code, stream_error

TOO_LONG = [
    "request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it",
    "Requested tokens (700) exceed context window of 512",
    "the input length exceeds the context length",
    "This model's maximum context length is 2048 tokens. However, your request has 3000 input"
    " tokens.",
    "The decoder prompt (length 70) is longer than the maximum model length of 64.",
    "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
    "Prompt length 9000 is greater than max_seq_len 4096",
    "prompt is too long: 213462 tokens > 200000 maximum",
    "Input is too long for requested model.",
    "Prompt too large: 900 tokens (context window: 512)",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 1730",
    "Trying to keep the first 900 tokens when context the overflows. However, the model is loaded"
    " with context length of only 512 tokens",
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    "Please reduce the length of the messages or completion.",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
]
NOT_TOO_LONG = [
    "Budget has been exceeded! Current cost: 3.2, Max budget: 3.0",
    "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6291 KB",
    "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum"
    " length 40, but got a string with length 64 instead.",
    "Post http://127.0.0.1:4000/completion: context deadline exceeded",
    "Request too large on tokens per min (TPM): Limit 6000, Requested 9100",
    "max_tokens: 9000 exceeds the limit of 4096",
    "the context was canceled",
]


UNREAD = "The model produced output that does not match the expected"
"""What llama.cpp's server says of a call that it could not read."""


@pytest.mark.parametrize("message", TOO_LONG)
@pytest.mark.parametrize(
    "form",
    [
        lambda text: {"error": text},
        lambda text: {"error": {"message": text, "type": "BadRequestError", "code": 400}},
        lambda text: {"object": "error", "message": text, "code": 400},
        lambda text: {"detail": text},
        lambda text: {"error": json.dumps({"error": {"message": text}})},
    ],
)
def test_a_prompt_that_is_too_long_is_one_in_each_form_and_place(message: str, form: Any) -> None:
    body = form(message)
    codes = {answer_error(status, json.dumps(body).encode(), "").code for status in (400, 413, 422)}
    assert codes | {stream_error(body).code} == {"context_overflow"}


@pytest.mark.parametrize("message", NOT_TOO_LONG)
def test_another_limit_is_not_the_context(message: str) -> None:
    body = {"error": {"message": message, "type": "invalid_request_error"}}
    errors = [answer_error(status, json.dumps(body).encode(), "") for status in (400, 500)]
    assert "context_overflow" not in {each.code for each in (*errors, stream_error(body))}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "no"}}, "context_overflow"),
        (400, {"error": {"type": "exceed_context_size_error"}}, "context_overflow"),
        (400, {"error": {"code": "string_above_max_length", "message": "…"}}, "rejected"),
        (413, {}, "context_overflow"),
        (413, {"error": "image is over 5 MB"}, "rejected"),
        (500, {"error": 'option "top_k" must be of type integer'}, "bad_option"),
        (400, {"error": {"message": "top_p must be in (0, 1], got 7."}}, "bad_option"),
        (413, {"error": {"code": "rate_limit_exceeded", "type": "tokens"}}, "rate_limited"),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error"}}, "loading"),
        (503, {"status": "loading model"}, "loading"),
        (503, {"error": "Model x/y is currently loading", "estimated_time": 20.5}, "loading"),
        (503, {"error": {"message": "no slot available", "type": "unavailable_error"}}, "busy"),
        (503, {"error": "server busy, please try again. maximum pending requests"}, "busy"),
        (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, "busy"),
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}, "busy"),
        (429, {"error": {"code": "insufficient_quota"}}, "denied"),
        (400, {"error": {"message": "Budget has been exceeded!", "code": "400"}}, "denied"),
        (400, {"error": {"code": "invalid_api_key"}}, "denied"),
        (404, {"error": {"message": "The model `q` does not exist."}}, "model_not_found"),
        (400, {"error": {"message": "No models loaded. Please load one"}}, "model_not_found"),
        (404, {"detail": "Not Found"}, "bad_response"),
        (404, {"error": {"message": "File Not Found", "type": "not_found_error"}}, "bad_response"),
        (405, {"detail": "Method Not Allowed"}, "bad_response"),
        (404, {"error": {"code": "DeploymentNotFound", "message": "no"}}, "model_not_found"),
        (404, {"error": {"message": "Model resource not found"}}, "model_not_found"),
        (400, {"error": {"message": "Invalid URL (image_url) in the message"}}, "rejected"),
        (400, [{"error": {"code": 400, "message": "API key not valid. Pass one."}}], "denied"),
        (429, {"error": {"type": "exceeded_current_quota_error", "message": "no"}}, "denied"),
        (500, {"error": "error loading model: unable to allocate"}, "server_error"),
        (400, {"error": {"code": "content_filter", "message": "filtered"}}, "content_filter"),
        (400, {"error": {"message": "violates our content policy"}}, "content_filter"),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "field required"}]}, "rejected"),
        (402, {}, "denied"),
        (400, {"error": {"code": "tool_use_failed", "message": "…"}}, "tool_call_invalid"),
        (500, {"error": {"message": f"{UNREAD} peg-native format"}}, "tool_call_invalid"),
        (500, {"error": "Failed to parse tool call arguments as JSON: [1]"}, "server_error"),
    ],
)
def test_the_code_field_decides_then_the_words_then_the_status(
    status: int, body: Any, code: str
) -> None:
    assert answer_error(status, json.dumps(body).encode(), "fallback").code == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"message": "Rate limit reached", "code": 429}, "rate_limited"),
        ({"message": "Invalid token", "code": "401"}, "denied"),
        ({"message": "Loading model", "code": 503, "type": "unavailable_error"}, "loading"),
        ("an error was encountered while running the model", "stream_error"),
        ({"message": "bad grammar", "code": 400, "type": "invalid_request_error"}, "stream_error"),
        ({"choices": None, "error_type": "quota", "error_message": "used up"}, "stream_error"),
        ("Unexpected endpoint or method. (POST /api/chat). Returning 200 anyway", "bad_response"),
        ([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], "rate_limited"),
        ({"message": f"{UNREAD} Hermes format", "code": 500}, "tool_call_invalid"),
        ("error parsing tool call: raw='{', err=unexpected end of JSON input", "tool_call_invalid"),
        ("XML syntax error on line 3: unexpected EOF", "tool_call_invalid"),
    ],
)
def test_an_error_inside_a_stream_has_the_same_kinds(value: Any, code: str) -> None:
    assert stream_error(value).code == code


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Invalid URL (POST /v1/v1/models)", "type": "invalid_request_error"}},
        {"error": {"message": "Unknown request URL: POST /openai/models. Please check the URL."}},
        {"error": {"message": "no such thing", "code": "unknown_url"}},
        {"message": "no Route matched with those values"},
        {"error": {"code": "404", "message": "Resource not found"}},
    ],
)
def test_a_path_that_a_server_does_not_have_is_no_missing_model(body: Any) -> None:
    error = answer_error(404, json.dumps(body).encode(), "", url="http://h/v1/v1")
    assert (error.code, error.cause) == ("bad_response", "path")
    assert "http://h/v1/v1" in error.message


def test_the_message_of_the_server_behind_a_proxy_is_told() -> None:
    raw = json.dumps({"error": {"message": "the prompt is too long"}})
    value = {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}
    error = stream_error({"error": value})
    assert (error.code, error.message) == ("context_overflow", "the prompt is too long")


def test_the_counts_of_an_overflow_inside_a_stream_are_kept() -> None:
    error = stream_error({"message": "exceeds the context", "n_prompt_tokens": 9000, "n_ctx": 8192})
    assert (error.prompt_tokens, error.context_tokens) == (9000, 8192)


def test_the_estimate_of_a_loading_server_is_kept_and_bounded() -> None:
    body = {"error": "Model x is currently loading", "estimated_time": 9000}
    assert stream_error(body).retry_after_s == 60.0
    assert answer_error(503, b"{}", "", retry_after_s=2.0).retry_after_s == 2.0


def test_terminal_escapes_of_a_server_are_not_passed_on() -> None:
    assert "\x1b" not in stream_error({"error": {"message": "\x1b]52;c;eA==\x07gone"}}).message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "detail", "msg", "loc", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([400, 404, 413, 429, 500, 503]))
def test_any_json_becomes_an_error_with_a_known_code(value: Any, status: int) -> None:
    body = json.dumps(value).encode()
    errors = (stream_error(value), answer_error(status, body, "fallback"))
    assert {each.code for each in errors} <= set(RUN_CODES)
    assert all(each.message for each in errors)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body(body: bytes) -> None:
    assert answer_error(500, body, "fallback").message.startswith("status 500: ")


def test_nested_errors_are_read_to_a_limit() -> None:
    deep: Any = "the prompt is too long"
    for _ in range(500):
        deep = {"error": deep}
    assert isinstance(parse_report(deep), ErrorReport)
    assert error_code(parse_report(deep), "answer", 400) == "rejected"


def test_a_run_without_errors_does_not_import_the_phrases() -> None:
    check = (
        "import sys, orch.providers.ollama.client, orch.providers.openai_compatible;"
        "names = ('server_errors', 'error_reports', 'context_overflow');"
        "print([m for m in sys.modules if m.rpartition('.')[2] in names])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
