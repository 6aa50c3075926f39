"""Errors of transports: the same category and words for the same cause, by httpx and by aiohttp."""

from __future__ import annotations

import ssl

import httpx
import pytest

from orch.providers.http.errors import BrokenBody, to_provider_error, transport_errors
from tests.support.raw_server import EVENTS, failure, raw_server


async def test_a_first_line_that_is_not_http_is_said_so(concurrent: bool) -> None:
    async with raw_server(b"\x15\x03\x01\0\x02\x02F" + b"\0" * 200) as server:
        error = await failure(server.url, concurrent=concurrent)
    assert (error.code, error.message) == (
        "cut",
        f"{server.url}/v1 does not speak HTTP: check the port in base_url, and write https:// if it"
        " speaks TLS",
    )


async def test_a_connection_that_ends_before_an_answer_is_said_so(concurrent: bool) -> None:
    async with raw_server() as server:
        error = await failure(server.url, concurrent=concurrent)
    assert (error.code, error.message) == (
        "cut",
        f"the connection to {server.url}/v1 broke: it was closed before an answer; check that a"
        " model server listens there",
    )


async def test_a_connection_that_ends_within_an_answer_is_said_so(concurrent: bool) -> None:
    async with raw_server(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: ") as server:
        error = await failure(server.url, concurrent=concurrent)
    at = f"{server.url}/v1/chat/completions"
    said = f"the connection to {at} broke: it was closed within an answer"
    assert (error.code, error.message) == ("cut", said)


@pytest.mark.parametrize(
    "body",
    [
        b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 9%b\r\n\r\n" % (b"9" * 30),
    ],
    ids=["transfer encoding", "length"],
)
async def test_a_broken_head_is_one_line_without_the_address_again(
    body: bytes, concurrent: bool
) -> None:
    async with raw_server(EVENTS + body) as server:
        error = await failure(server.url, concurrent=concurrent)
    assert error.code == "cut"
    assert error.message.startswith(f"the connection to {server.url}/v1 broke: ")
    assert error.message.count(server.url) == 1


def test_a_broken_body_is_a_cut_connection() -> None:
    assert BrokenBody in transport_errors()
    error = to_provider_error(BrokenBody("its gzip data ends too early"), "http://h:1")
    assert (error.code, error.message) == (
        "cut",
        "the connection to http://h:1 broke: its gzip data ends too early",
    )


@pytest.mark.parametrize(
    ("code", "cause"), [(18, "certificate"), (20, "certificate"), (10, "unfit_certificate")]
)
def test_a_refused_certificate_has_a_cause_for_hints(code: int, cause: str) -> None:
    error = ssl.SSLCertVerificationError(1, "refused")
    error.verify_code, error.verify_message = code, "why"
    assert to_provider_error(error, "https://h").cause == cause


def test_a_header_that_can_not_be_sent_is_not_quoted() -> None:
    error = httpx.LocalProtocolError("Illegal header value b'Bearer hunter2 '")
    assert "hunter2" not in to_provider_error(error, "http://127.0.0.1:1").message
