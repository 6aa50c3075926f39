"""Warnings in response headers: each has its own, within limits."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.responses import Response

from orch.server.api.warning_headers import (
    MAX_WARNING_CHARS,
    MAX_WARNING_HEADERS,
    with_warning_headers,
)


def test_each_warning_has_a_header_of_its_own_and_is_percent_encoded() -> None:
    response = with_warning_headers(Response(), ["a, b", "señal: 50 %\n", "a, b"])
    assert [value for name, value in response.raw_headers if name == b"x-orch-warning"] == [
        b"a%2C%20b",
        b"se%C3%B1al%3A%2050%20%25%0A",
    ]


def test_warnings_in_headers_are_limited() -> None:
    values = with_warning_headers(
        Response(), [f"{number} {'x' * 9_999}" for number in range(99)]
    ).headers.getlist("x-orch-warning")
    assert (len(values), {len(unquote(value)) for value in values}) == (
        MAX_WARNING_HEADERS,
        {MAX_WARNING_CHARS + 1},
    )
