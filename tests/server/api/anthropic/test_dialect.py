"""Errors in the form of Anthropic's API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from orch.errors import OrchError
from orch.server.api.anthropic.dialect import anthropic_error
from orch.server.http.errors import error_body
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.conftest import CODER
from tests.support.http_server import served

KEY = "a-key-that-is-long-enough-to-be-one-0123456789"


def test_an_error_has_a_type_a_message_and_the_id_of_its_request() -> None:
    error = OrchError("no model is called 'x'", "try y", code="model_not_found", run_id="r1")
    assert anthropic_error(error) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "no model is called 'x'; try y"},
        "request_id": "req_r1",
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("bad_input", "invalid_request_error"),
        ("context_overflow", "invalid_request_error"),
        ("missing_api_key", "authentication_error"),
        ("owner_only", "permission_error"),
        ("model_not_found", "not_found_error"),
        ("body_too_large", "request_too_large"),
        ("busy", "rate_limit_error"),
        ("stopping", "overloaded_error"),
        ("timeout", "timeout_error"),
        ("all_failed", "api_error"),
        ("no_provider", "api_error"),
    ],
)
def test_every_code_has_one_of_anthropics_types(code: str, kind: str) -> None:
    assert json.loads(error_body("/v1/messages", code, "why"))["error"]["type"] == kind


@pytest.mark.parametrize(
    ("tokens", "limit", "begins"),
    [
        (40_000, 32_768, "prompt is too long: 40000 tokens > 32768 maximum; why"),
        (9, 32_768, "prompt is too long: 32769 tokens > 32768 maximum; why"),
        (None, 8_192, "prompt is too long: 8193 tokens > 8192 maximum; why"),
        (None, None, "prompt is too long: why"),
    ],
)
def test_too_long_a_prompt_is_told_by_two_numbers_the_first_greater(
    tokens: int | None, limit: int | None, begins: str
) -> None:
    error = OrchError("why", code="context_overflow", prompt_tokens=tokens, context_tokens=limit)
    assert anthropic_error(error)["error"]["message"] == begins


def test_too_large_a_body_is_refused_in_anthropics_form(url: str) -> None:
    with served(Rules(max_body_bytes=1_000)) as small:
        response = httpx.post(f"{small}/v1/messages", content=b"x" * 2_000)
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")


@pytest.mark.parametrize("name", ["api_key", "auth_token"])
def test_both_ways_in_which_the_client_sends_a_key_are_accepted(
    url: str, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"laptop: {KEY}\n")
    file.chmod(0o600)
    asked: Any = {"model": CODER, "messages": [{"role": "user", "content": "hi"}]}
    with served(Rules(keys=ApiKeys.read(str(file), {}))) as locked:
        right: Any = {"base_url": locked, "max_retries": 0, name: KEY}
        with anthropic.Anthropic(**right) as client:
            assert client.messages.count_tokens(**asked).input_tokens > 0
        with (
            anthropic.Anthropic(**{**right, name: "wrong"}) as client,
            pytest.raises(anthropic.AuthenticationError) as caught,
        ):
            client.messages.count_tokens(**asked)
    assert caught.value.type == "authentication_error"


def test_a_path_that_does_not_exist_is_told_in_anthropics_form(url: str) -> None:
    response = httpx.post(f"{url}/v1/messages/batches", json={})
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
