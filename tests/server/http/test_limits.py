"""Limits of size and time over real sockets, and ambiguous requests."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orch.config.socket_path import socket_path
from orch.server.http.connection_limits import ConnectionLimits, fit_open_files
from orch.server.http.protocol import protocol_class
from orch.server.http.rules import Rules
from orch.server.local_client import LocalConnection
from tests.conftest import CODER, LLAMA
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
from tests.support.orch_command import orch
from tests.support.orch_process import serving

KEY, OTHER = "k" * 15 + "1", "k" * 15 + "2"


@pytest.fixture(scope="module")
def server() -> Iterator[GuardedServer]:
    """Default limits except for a small body."""
    with run_guarded(Rules(max_body_bytes=1000, linger_s=0.1)) as there:
        yield there


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


# ---------------------------------------------------------------- heads


@pytest.mark.parametrize("said", [b"", b"G", b"GET / HTTP/1.1\r\nHost: local", b"\r\n\r\n"])
def test_a_missing_head_times_out(said: bytes) -> None:
    with (
        run_guarded(bounds=ConnectionLimits(head_timeout_s=0.1)) as there,
        RawClient(there.address) as client,
    ):
        assert client.send(said).receive_rest() == b""


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


# ---------------------------------------------------------------- connections, readers, answers


HOLD = b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n"


def held(there: GuardedServer, count: int, stack: contextlib.ExitStack) -> None:
    """Opens connections whose requests are being served."""
    for _ in range(count):
        stack.enter_context(RawClient(there.address)).send(HOLD)
    assert becomes_true(lambda: there.app.paths.count("/hold") == count)


def test_connections_beyond_the_limit_are_refused_until_one_closes() -> None:
    with run_guarded(bounds=ConnectionLimits(max_connections=2)) as there:
        with contextlib.ExitStack() as stack:
            held(there, 2, stack)
            reply = there.get("Host: localhost")
            assert (reply.status, reply.headers["retry-after"], reply.json["error"]["code"]) == (
                503,
                "1",
                "too_many_connections",
            )
        assert becomes_true(lambda: there.get("Host: localhost").status == 200)


def test_the_owner_has_64_reserved_connections(tmp_path: Path) -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_connections=2), path=tmp_path / "s") as there,
        contextlib.ExitStack() as stack,
    ):
        held(there, 2 + 64, stack)
        assert there.get("Host: localhost").json["error"]["code"] == "too_many_connections"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nx",
    ],
    ids=["silent", "head", "kept", "body"],
)
def test_the_connection_awaited_longest_is_evicted_for_a_new_one(said: bytes) -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_connections=4)) as there,
        contextlib.ExitStack() as stack,
    ):
        held(there, 1, stack)
        first, *others = [
            stack.enter_context(RawClient(there.address)).send(said) for _ in range(3)
        ]
        if said.endswith(b"\r\n\r\n"):
            assert [client.receive().status for client in (first, *others)] == [200] * 3
        assert becomes_true(lambda: len(there.server.server_state.connections) == 4)
        assert there.get("Host: localhost").status == 200
        assert first.receive_rest() == b""
        for client in others:
            client.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.socket.recv(1)


def test_a_busy_connection_is_not_evicted() -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_connections=2)) as there,
        RawClient(there.address) as asking,
        RawClient(there.address) as kept,
    ):
        asking.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").receive()
        kept.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").receive()
        asking.send(HOLD)  # kept for longer than the other one, and at work now
        assert becomes_true(lambda: "/hold" in there.app.paths)
        assert there.get("Host: localhost").status == 200
        there.app.release()
        assert asking.receive().body == b"held"
        assert kept.receive_rest() == b""


FILES, SPARE_FILES = 320, 256
"""The open files allowed to the server's process, and how many of them are not for connections."""


_BODY = json.dumps(
    {"model": CODER, "stream": False, "messages": [{"role": "user", "content": "hi"}]}
).encode()
ASKING = (
    b"POST /api/chat HTTP/1.1\r\n"
    + HOST
    + b"X-Orch-Priority: batch\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
    + _BODY
)


@pytest.fixture
def slow(ollama: FakeOllama, home: Path) -> FakeOllama:
    """A slow model, and a queue that holds every request."""
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 40, 0.1
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text("version: 1\nserve: {queue: 1000, most_wait: 60s}\n")
    return ollama


def test_the_owners_commands_work_while_all_connections_are_taken(
    home: Path, slow: FakeOllama
) -> None:
    with (
        serving("sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh") as served,
        contextlib.ExitStack() as held,
    ):
        url = httpx.URL(served.url)
        for _ in range(FILES - SPARE_FILES):
            held.enter_context(RawClient((url.host, url.port or 0))).send(ASKING)
        slow.wait_for(lambda: len(slow.chats()) == 1)
        assert becomes_true(lambda: httpx.get(f"{url}/api/version").status_code == 503)
        assert [httpx.get(f"{url}/api/version").status_code for _ in range(10)] == [503] * 10
        assert json.loads(orch("serve", "status", "--json").stdout)["server"]["url"] == served.url
        assert (
            json.loads(orch("run", "--json", "-m", LLAMA, "hi").stdout)["answer"] == "Hello world"
        )
        assert any(
            line.startswith(b"orch_runs_total{") and b'face="cli"' in line for line in metrics()
        )
        assert orch("serve", "stop").returncode == 0
        served.process.wait(DEADLINE_S)


def test_commands_without_a_free_connection_report_it_or_run_alone(
    home: Path, slow: FakeOllama
) -> None:
    with (
        serving("sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh"),
        contextlib.ExitStack() as held,
    ):
        for _ in range(FILES - SPARE_FILES + 64):
            held.enter_context(RawClient(str(socket_path()))).send(ASKING)
        assert becomes_true(lambda: b"takes no more" in orch("serve", "status").stderr)
        for words in (["status"], ["status", "--json"], ["--detach"]):
            refused = orch("serve", *words)
            assert (
                refused.returncode,
                b"the server takes no more connections now" in refused.stderr,
            ) == (1, True)
        assert orch("run", "-m", LLAMA, "hi").stdout == b"Hello world"
        assert orch("serve", "stop").returncode == 0


def metrics() -> list[bytes]:
    """The server's metrics, read over the owner's socket."""
    connection = LocalConnection("GET", "/metrics", timeout_s=DEADLINE_S)
    try:
        return list(connection.lines())
    finally:
        connection.close()


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


def test_every_request_of_a_connection_is_notified_of_its_disconnect() -> None:
    with run_guarded() as there:
        with RawClient(there.address) as client:
            client.send(b"GET /leave HTTP/1.1\r\n" + HOST + b"\r\n")
            assert there.app.received.wait(DEADLINE_S)
            client.send(b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\nGET")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert there.app.disconnected.wait(DEADLINE_S)


def test_a_stopping_server_responds_with_503() -> None:
    with run_guarded() as there, RawClient(there.address) as client:
        client.send(b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\n").receive()
        client.send(b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n")
        assert becomes_true(lambda: "/hold" in there.app.paths)
        there.server.should_exit = True
        assert client.receive().status == 503


def test_the_limit_of_open_files_is_raised_as_far_as_permitted() -> None:
    assert fit_open_files(10) == 10
    assert 1 <= fit_open_files(10**9) < 10**9
