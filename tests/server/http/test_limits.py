"""Limits of a request over real sockets: the size of its body, and the time of each step."""

from __future__ import annotations

import asyncio
from time import monotonic

import httpx
import pytest
from starlette.types import Message

from orch.server.http.connection_limits import ConnectionLimits
from orch.server.http.limits import RequestLimits
from orch.server.http.rules import Rules
from tests.support.fake_ollama import FakeOllama
from tests.support.guarded_app import (
    CHUNKED,
    DEADLINE_S,
    HOST,
    GuardedServer,
    RawClient,
    becomes_true,
    run_guarded,
)
from tests.support.http_server import served

# ---------------------------------------------------------------- bodies


def test_a_body_declared_too_large_is_refused_at_once(server: GuardedServer) -> None:
    with RawClient(server.address) as client:
        reply = client.send(
            b"POST /big HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\n\r\n"
        ).receive()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert "/big" not in server.app.paths
    assert (
        server.request(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n", b"x" * 1000
        ).status
        == 200
    )


def test_a_client_that_sends_a_too_large_body_can_read_the_error(server: GuardedServer) -> None:
    size = 4_000_000
    assert (
        server.request(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size, b"x" * size
        ).status
        == 413
    )


def test_a_chunked_body_is_counted_as_it_comes(server: GuardedServer) -> None:
    with RawClient(server.address) as client:
        chunks = b"1f4\r\n" + b"x" * 500 + b"\r\n"
        assert (
            client.send(b"POST / HTTP/1.1\r\n" + CHUNKED, chunks, chunks, b"1\r\nx\r\n")
            .receive()
            .status
            == 413
        )


def test_expect_continue_is_answered_only_for_an_acceptable_body(server: GuardedServer) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: "
    with RawClient(server.address) as client:
        assert client.send(head + b"2000\r\n\r\n").receive_rest().startswith(b"HTTP/1.1 413")
    with RawClient(server.address) as client:
        client.send(head + b"2\r\n\r\n")
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.send(b"hi").receive().json["body"] == "hi"


def test_a_connection_is_not_reused_after_a_response_that_preceded_the_body() -> None:
    with run_guarded() as there, RawClient(there.address) as client:
        client.send(
            b"POST /hold HTTP/1.1\r\n"
            + HOST
            + b"Expect: 100-continue\r\nContent-Length: 99\r\n\r\n"
        )
        assert there.app.received.wait(DEADLINE_S)
        there.app.release()
        assert client.receive().body == b"held"
        assert client.send(b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n").receive_rest() == b""
        assert "/smuggled" not in there.app.paths


def test_a_slow_body_times_out() -> None:
    with run_guarded(Rules(body_timeout_s=0.2)) as there, RawClient(there.address) as client:
        reply = client.send(
            b"POST /api/chat HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n", b"x"
        ).receive()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert there.app.cancelled.wait(DEADLINE_S)


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/api/chat", b"/orch/run"])
def test_an_aborted_upload_is_not_logged(
    ollama: FakeOllama, caplog: pytest.LogCaptureFixture, path: bytes
) -> None:
    with served() as address:
        url = httpx.URL(address)
        with RawClient((url.host, url.port or 0)) as client:
            client.send(
                b"POST "
                + path
                + b" HTTP/1.1\r\n"
                + HOST
                + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
            )
            assert client.socket.recv(100).startswith(b"HTTP/1.1 100")
        assert httpx.get(f"{address}/api/version").status_code == 200
    assert caplog.text == ""


# ---------------------------------------------------------------- responses


def test_a_client_that_does_not_read_is_disconnected() -> None:
    with (
        run_guarded(Rules(write_timeout_s=0.2)) as there,
        RawClient(there.address, buffer=4096) as client,
    ):
        client.send(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        assert there.app.cancelled.wait(DEADLINE_S)
        assert becomes_true(
            lambda: (
                not there.server.server_state.connections and not there.server.server_state.tasks
            )
        )


def test_an_unread_response_does_not_hold_its_connection() -> None:
    with (
        run_guarded(bounds=ConnectionLimits(flush_timeout_s=0.2)) as there,
        RawClient(there.address, buffer=4096) as client,
    ):
        client.send(b"GET /huge HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert there.app.received.wait(DEADLINE_S)
        assert becomes_true(lambda: not there.server.server_state.connections)


def test_a_request_times_out() -> None:
    with run_guarded(Rules(request_timeout_s=0.2)) as there:
        with RawClient(there.address) as client:
            received = client.send(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n").receive_rest()
        assert received.startswith(b"HTTP/1.1 200")
        assert not received.endswith(b"0\r\n\r\n")
        assert there.app.cancelled.wait(DEADLINE_S)
        assert there.get("Host: localhost", path="/hold").status == 504


def test_a_stopping_server_responds_with_503() -> None:
    with run_guarded() as there, RawClient(there.address) as client:
        client.send(b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\n").receive()
        client.send(b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n")
        assert becomes_true(lambda: "/hold" in there.app.paths)
        there.server.end()
        assert client.receive().status == 503


def test_a_file_of_a_model_may_be_larger_than_any_body(server: GuardedServer) -> None:
    for path, status in ((b"/api/blobs/x", 200), (b"/other", 413)):
        head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 5000\r\n\r\n"
        assert server.request(head, b"x" * 5000).status == status
        head = b"POST " + path + b" HTTP/1.1\r\n" + CHUNKED
        assert server.request(head, b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n").status == status


def test_a_file_of_a_model_that_stops_coming_times_out() -> None:
    with run_guarded(Rules(body_timeout_s=0.2)) as there, RawClient(there.address) as client:
        client.send(b"POST /api/blobs/x HTTP/1.1\r\n" + HOST + b"Content-Length: 5000\r\n\r\n")
        client.send(b"x" * 1000)
        assert client.receive().status == 408


@pytest.mark.parametrize(
    ("path", "code"), [("/api/blobs/x", ""), ("/api/pull", ""), ("/api/chat", "body_too_slow")]
)
async def test_a_transfer_takes_as_long_as_its_parts_come(path: str, code: str) -> None:
    arrived: asyncio.Queue[Message] = asyncio.Queue()

    async def sent(message: Message) -> None:
        raise AssertionError

    async def limits() -> RequestLimits:  # in a task of its own, which is over when it is aborted
        rules = Rules(body_timeout_s=10, request_timeout_s=15)
        return RequestLimits(rules, {"path": path, "headers": []}, arrived.get, sent)

    request, now = await asyncio.create_task(limits()), monotonic()
    for part in range(1, 5):
        reading = asyncio.create_task(request.receive())
        await asyncio.sleep(0)
        request.check_timeouts(now + 8 * part)
        arrived.put_nowait({"type": "http.request", "body": b"x", "more_body": True})
        await reading
    assert request.abort_code == code
    request.check_timeouts(now + 100)  # the app is busy with a part, not the client
    reading = asyncio.create_task(request.receive())
    await asyncio.sleep(0)
    request.check_timeouts(now + 109)
    assert request.abort_code == code
    request.check_timeouts(now + 111)
    assert request.abort_code == "body_too_slow"
    reading.cancel()


# ---------------------------------------------------------------- a body that nobody reads


def test_a_response_before_the_body_was_read_says_that_the_connection_closes(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = b"POST /v1/nosuch HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n"
    with RawClient((host, int(port))) as client:
        client.send(head)
        client.send(b'{"a": 12}')
        answer = client.receive()
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        assert "there is no /v1/nosuch" in answer.json["error"]["message"]
        assert client.receive_rest() == b""


def test_a_request_without_a_body_keeps_the_connection(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with RawClient((host, int(port))) as client:
        for _ in range(2):
            answer = client.send(b"GET /v1/nosuch HTTP/1.1\r\n" + HOST + b"\r\n").receive()
            assert (answer.status, "connection" in answer.headers) == (404, False)
