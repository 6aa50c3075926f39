"""HTTP/1.1 over real sockets: a head too large or too slow, and a request that means two things."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from orch.server.http.connection_limits import ConnectionLimits
from orch.server.http.protocol import protocol_class
from tests.support.guarded_app import (
    CHUNKED,
    DEADLINE_S,
    HOST,
    KEY,
    GuardedServer,
    RawClient,
    becomes_true,
    run_guarded,
)

# ---------------------------------------------------------------- heads


@pytest.mark.parametrize("start", [b"", b"G", b"GET / HTTP/1.1\r\nHost: local", b"\r\n\r\n"])
def test_a_missing_head_times_out(start: bytes) -> None:
    with (
        run_guarded(bounds=ConnectionLimits(head_timeout_s=0.1)) as there,
        RawClient(there.address) as client,
    ):
        assert client.send(start).receive_rest() == b""


def test_a_missing_second_head_times_out() -> None:
    with (
        run_guarded(bounds=ConnectionLimits(head_timeout_s=0.1)) as there,
        RawClient(there.address) as client,
    ):
        assert client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").receive().status == 200
        assert client.send(b"\r\nGET / HT").receive_rest() == b""


def test_a_slow_second_head_does_not_abort_the_first_response() -> None:
    late = threading.Event()

    class Noting(protocol_class(ConnectionLimits(head_timeout_s=0.05))):  # type: ignore[misc]  # made by a function
        def _head_timed_out(self) -> None:
            super()._head_timed_out()
            late.set()

    with run_guarded(http=Noting) as there, RawClient(there.address) as client:
        client.send(b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n", b"GET")
        assert late.wait(DEADLINE_S)
        there.app.release()
        assert client.receive().body == b"held"
        assert client.receive_rest() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 3000,
        b"\r\n" * 1500,
    ],
)
def test_a_too_large_head_is_refused_in_one_read_or_many(head: bytes) -> None:
    with run_guarded(bounds=ConnectionLimits(max_head_bytes=2000)) as there:
        assert there.request(head).status == 431
        assert there.request(*(head[start : start + 1] for start in range(len(head)))).status == 431
        assert there.app.paths == []


def test_a_head_whose_end_exceeds_the_limit_is_refused() -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_head_bytes=2000)) as there,
        RawClient(there.address) as client,
    ):
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 1900)
        assert becomes_true(
            lambda: any(
                getattr(connection, "_head_bytes", 0) > 1900
                for connection in there.server.server_state.connections
            )
        )
        assert client.send(b"y" * 100 + b"\r\n\r\n").receive().status == 431


def test_pipelined_heads_are_measured_one_by_one() -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there,
        RawClient(there.address) as client,
    ):
        request = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 80 + b"\r\n\r\n"
        client.send(request * 3 + request[:-1])
        assert [client.receive().status for _ in range(3)] == [200] * 3
        assert client.send(request[-1:]).receive().status == 200


def test_a_large_body_does_not_count_as_head() -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there,
        RawClient(there.address) as client,
    ):
        request = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9000\r\n\r\n" + b"x" * 9000
        client.send(request + request[:50])
        assert client.receive().status == 200
        assert client.send(request[50:]).receive().status == 200


def test_pipelined_large_bodies_are_measured_separately() -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there,
        RawClient(there.address) as client,
    ):
        head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3000\r\n\r\n"
        client.send(head + b"x" * 2999)
        assert there.app.received.wait(DEADLINE_S)
        assert len(client.send(b"x" + head + b"x" * 2999).receive().json["body"]) == 3000
        assert len(client.send(b"x").receive().json["body"]) == 3000


@pytest.mark.parametrize(
    "rest", [b"1;" + b"a" * 300_000, b"0\r\nX: " + b"y" * 300_000, b"0\r\n" + b"X: y\r\n" * 50_000]
)
def test_endless_chunk_extensions_and_trailers_are_refused(rest: bytes) -> None:
    with run_guarded() as there, RawClient(there.address) as client:
        with contextlib.suppress(ConnectionError):
            client.send(b"POST / HTTP/1.1\r\n" + CHUNKED, rest)
        assert client.receive_rest()[:12] in (b"HTTP/1.1 400", b"")


def test_small_chunks_are_not_refused() -> None:
    with run_guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there:
        assert (
            len(
                there.request(
                    b"POST / HTTP/1.1\r\n" + CHUNKED,
                    b"10\r\n0123456789abcdef\r\n" * 50_000,
                    b"0\r\n\r\n",
                ).json["body"]
            )
            == 800_000
        )


def test_trailers_do_not_become_headers(server: GuardedServer) -> None:
    reply = server.request(
        b"POST / HTTP/1.1\r\n"
        + CHUNKED
        + b"2\r\nhi\r\n0\r\nX-Api-Key: "
        + KEY.encode()
        + b"\r\n\r\n"
    )
    assert (reply.json["body"], reply.json["names"]) == ("hi", ["host", "transfer-encoding"])


# ---------------------------------------------------------------- requests that mean two things


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length : 5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"X: y\r\n Content-Length: 5\r\n",
        b"X: y\nContent-Length: 5\r\n",
        b"X: y\rContent-Length: 5\r\n",
        b"X: \0\r\n",
    ],
)
def test_an_ambiguous_request_is_refused(server: GuardedServer, head: bytes) -> None:
    with RawClient(server.address) as client:
        received = client.send(
            b"POST /twice HTTP/1.1\r\n"
            + HOST
            + head
            + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n"
            + HOST
            + b"\r\n"
        ).receive_rest()
    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1") == 1
    assert "/smuggled" not in server.app.paths


@pytest.mark.parametrize(
    "coding",
    [b"gzip", b"gzip, chunked", b"identity\r\nTransfer-Encoding: chunked", b"x-chunked, chunked"],
)
def test_an_unknown_transfer_encoding_is_refused(server: GuardedServer, coding: bytes) -> None:
    with RawClient(server.address) as client:
        received = client.send(
            b"POST /coded HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: "
            + coding
            + b"\r\n\r\n0\r\n\r\n"
        ).receive_rest()
    assert received.startswith(b"HTTP/1.1 501")
    assert "/coded" not in server.app.paths
    assert (
        server.request(
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        ).json["body"]
        == "hi"
    )


def test_pipelined_requests_are_answered_in_order(server: GuardedServer) -> None:
    one, two = (
        b"POST /%d HTTP/1.1\r\n" % number + HOST + b"Content-Length: 1\r\n\r\n%d" % number
        for number in (1, 2)
    )
    with RawClient(server.address) as client:
        client.send(one + two)
        assert [
            (reply["path"], reply["body"])
            for reply in (client.receive().json, client.receive().json)
        ] == [("/1", "1"), ("/2", "2")]


def test_too_many_pipelined_requests_are_refused() -> None:
    with run_guarded() as there, RawClient(there.address) as client:
        client.send((b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n") * 40)
        assert client.receive_rest() == b""
        there.app.release()


def test_an_error_is_not_written_into_a_running_response() -> None:
    with run_guarded() as there, RawClient(there.address) as client:
        client.send(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        assert client.socket.recv(1)
        assert b"HTTP/1.1 400" not in client.send(b"nonsense\r\n\r\n").receive_rest()
        there.app.release()


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ],
)
@pytest.mark.parametrize("pieces", [1, 400])
def test_a_body_after_an_upgrade_offer_is_a_body(
    server: GuardedServer, upgrade: bytes, pieces: int
) -> None:
    body = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    one = (
        b"POST /one HTTP/1.1\r\n"
        + HOST
        + upgrade
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
    )
    two = (
        b"POST /two HTTP/1.1\r\n"
        + CHUNKED.replace(b"\r\n\r\n", b"\r\n" + upgrade + b"\r\n")
        + b"2\r\nhi\r\n0\r\n\r\n"
    )
    three = b"GET /three HTTP/1.1\r\n" + HOST + upgrade + b"\r\n"
    whole = one + two + three + one
    with RawClient(server.address) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(
            *(
                whole[len(whole) * part // pieces : len(whole) * (part + 1) // pieces]
                for part in range(pieces)
            )
        )
        replies = [client.receive().json for _ in range(4)]
    assert [(reply["path"], reply["body"]) for reply in replies] == [
        ("/one", body.decode()),
        ("/two", "hi"),
        ("/three", ""),
        ("/one", body.decode()),
    ]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost:1/x", 200),
        ("HTTP://[::1]:1/x", 200),
        ("http://evil.example/x", 403),
        ("http://u@localhost/x", 400),
        ("*", 400),
        ("evil:443", 400),
        ("ftp://localhost/x", 400),
    ],
)
def test_the_host_of_an_absolute_target_is_used(
    server: GuardedServer, target: str, status: int
) -> None:
    assert (
        server.get("Host: localhost" if status == 403 else "Host: evil.example", path=target).status
        == status
    )
