"""The table of HTTP errors: statuses, OpenAI's error types, and the body of each API."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from orch.server.http.errors import (
    ERRORS,
    UNKNOWN,
    error_body,
    error_location,
    failure_headers,
    http_error,
)

SERVER = Path(__file__).parents[3] / "orch" / "server"


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("bad_input", 400, "invalid_request_error"),
        ("ambiguous_header", 400, "invalid_request_error"),
        ("missing_api_key", 401, "authentication_error"),
        ("owner_only", 403, "permission_error"),
        ("model_not_found", 404, "invalid_request_error"),
        ("body_too_slow", 408, "timeout_error"),
        ("body_too_large", 413, "invalid_request_error"),
        ("busy", 429, "rate_limit_error"),
        ("internal_error", 500, "server_error"),
        ("all_failed", 502, "api_error"),
        ("stopping", 503, "server_error"),
        ("answer_too_long", 504, "timeout_error"),
        ("not in the table", 500, "api_error"),
    ],
)
def test_a_code_has_one_status_and_one_type(code: str, status: int, kind: str) -> None:
    assert http_error(code)[:2] == (status, kind)
    body = json.loads(error_body("/v1/chat/completions", code, "why"))
    assert body == {"error": {"message": "why", "type": kind, "param": None, "code": code}}


def test_each_api_has_its_own_format() -> None:
    assert json.loads(error_body("/api/chat", "stopping")) == {
        "error": "the server is shutting down"
    }
    assert json.loads(error_body("/v1/messages", "stopping")) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "the server is shutting down"},
        "request_id": None,
    }
    assert json.loads(error_body("/orch/run", "stopping")) == {
        "v": 1,
        "ok": False,
        "error": {"code": "stopping", "message": "the server is shutting down", "hint": ""},
    }


def test_statuses_of_errors_are_in_the_table_only() -> None:
    """A dictionary with error statuses in another module would be a second table."""
    statuses = {error.status for error in (*ERRORS.values(), UNKNOWN)}
    places = [
        path.relative_to(SERVER)
        for path in SERVER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict)
        for value in (*node.values, *node.keys)
        if isinstance(value, ast.Constant) and value.value in statuses
    ]
    assert places == []


@pytest.mark.parametrize(
    ("attempts", "retried"),
    [
        *(({"empty"}, False), ({"empty", "denied"}, False), ({"content_filter"}, False)),
        *(({"empty", "server_error"}, True), ({"cut"}, True), (set[str](), True)),
    ],
)
def test_a_failure_is_retried_unless_every_attempt_would_fail_again(
    attempts: set[str], retried: bool
) -> None:
    headers = failure_headers("all_failed", attempts)
    assert headers == ({} if retried else {"x-should-retry": "false"})


def test_an_errors_location_does_not_quote_its_message() -> None:
    try:
        raise ExceptionGroup("secret", [ValueError("secret")])
    except ExceptionGroup as error:
        location = error_location(error)
    assert location.startswith("ValueError at")
    assert "secret" not in location
