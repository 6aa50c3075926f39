"""What every endpoint of orch's own API checks: the fingerprint of a command, and numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from starlette.requests import Request

from orch.errors import OrchError
from orch.server.api.native.request_checks import check_fingerprint, native_error, number_parameter


def request(fingerprint: str = "", query: str = "") -> Request:
    service = SimpleNamespace(fingerprint="mine")
    return Request(
        {
            "type": "http",
            "headers": [(b"x-orch-fingerprint", fingerprint.encode())] if fingerprint else [],
            "query_string": query.encode(),
            "app": SimpleNamespace(state=SimpleNamespace(service=service)),
        }
    )


def test_a_command_with_another_configuration_is_refused() -> None:
    check_fingerprint(request())
    check_fingerprint(request("mine"))
    with pytest.raises(OrchError, match="another version, folder or configuration") as caught:
        check_fingerprint(request("other"))
    assert caught.value.code == "another"


@pytest.mark.parametrize(
    ("query", "number"), [("", 50), ("limit=", 50), ("limit=7", 7), ("limit=1e3", 1000)]
)
def test_a_number_of_the_query_has_a_default(query: str, number: float) -> None:
    assert number_parameter(request(query=query), "limit", 50) == number


@pytest.mark.parametrize("text", ["many", "nan", "inf", "-1e12", "1e13"])
def test_a_text_that_is_not_a_usable_number_is_rejected(text: str) -> None:
    with pytest.raises(OrchError, match="limit is not a number") as caught:
        number_parameter(request(query=f"limit={text}"), "limit", 50)
    assert caught.value.code == "bad_input"


def test_an_error_has_code_message_and_hint() -> None:
    error = native_error(OrchError("what", "how", code="not_found"))
    assert (error["ok"], error["error"]) == (
        False,
        {"code": "not_found", "message": "what", "hint": "how"},
    )
