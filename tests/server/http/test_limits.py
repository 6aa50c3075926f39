"""How much and how slowly one may send or read, over real sockets; and requests that could be read
in two ways."""

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
from tests.support.guarded_app import CHUNKED, DEADLINE_S, HOST, Client, Door, eventually, guarded
from tests.support.http_server import served
from tests.support.orch_command import orch
from tests.support.orch_process import serving

KEY, OTHER = "k" * 15 + "1", "k" * 15 + "2"


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """The usual bounds, but for a small body."""
    with guarded(Rules(max_body_bytes=1000, linger_s=0.1)) as there:
        yield there


# ---------------------------------------------------------------- bodies


def test_a_body_that_says_it_is_too_large_is_not_waited_for(door: Door) -> None:
    with Client(door.address) as client:
        reply = client.say(
            b"POST /big HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\n\r\n"
        ).hear()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert "/big" not in door.site.paths
    assert (
        door.ask(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n", b"x" * 1000
        ).status
        == 200
    )


def test_a_client_that_sends_a_large_body_anyway_can_read_why_it_was_refused(door: Door) -> None:
    size = 4_000_000
    assert (
        door.ask(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size, b"x" * size
        ).status
        == 413
    )


def test_a_chunked_body_is_counted_as_it_comes(door: Door) -> None:
    with Client(door.address) as client:
        chunks = b"1f4\r\n" + b"x" * 500 + b"\r\n"
        assert (
            client.say(b"POST / HTTP/1.1\r\n" + CHUNKED, chunks, chunks, b"1\r\nx\r\n")
            .hear()
            .status
            == 413
        )


def test_expect_is_answered_only_for_a_body_that_is_wanted(door: Door) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: "
    with Client(door.address) as client:
        assert client.say(head + b"2000\r\n\r\n").rest().startswith(b"HTTP/1.1 413")
    with Client(door.address) as client:
        client.say(head + b"2\r\n\r\n")
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.say(b"hi").hear().json["body"] == "hi"


def test_a_connection_is_not_used_again_after_an_answer_that_came_before_the_body() -> None:
    with guarded() as there, Client(there.address) as client:
        client.say(
            b"POST /hold HTTP/1.1\r\n"
            + HOST
            + b"Expect: 100-continue\r\nContent-Length: 99\r\n\r\n"
        )
        assert there.site.asked.wait(DEADLINE_S)
        there.site.allow()
        assert client.hear().body == b"held"
        assert client.say(b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n").rest() == b""
        assert "/smuggled" not in there.site.paths


def test_a_body_that_trickles_is_cut() -> None:
    with guarded(Rules(body_timeout_s=0.2)) as there, Client(there.address) as client:
        reply = client.say(
            b"POST /api/chat HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n", b"x"
        ).hear()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert there.site.ended.wait(DEADLINE_S)


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/api/chat", b"/orch/run"])
def test_an_upload_that_breaks_off_leaves_no_line_in_the_log(
    ollama: FakeOllama, caplog: pytest.LogCaptureFixture, path: bytes
) -> None:
    with served() as address:
        url = httpx.URL(address)
        with Client((url.host, url.port or 0)) as client:
            client.say(
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
def test_a_head_that_does_not_come_is_not_waited_for(said: bytes) -> None:
    with (
        guarded(bounds=ConnectionLimits(head_timeout_s=0.1)) as there,
        Client(there.address) as client,
    ):
        assert client.say(said).rest() == b""


def test_a_second_head_that_does_not_come_is_not_waited_for_either() -> None:
    with (
        guarded(bounds=ConnectionLimits(head_timeout_s=0.1)) as there,
        Client(there.address) as client,
    ):
        assert client.say(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").hear().status == 200
        assert client.say(b"\r\nGET / HT").rest() == b""


def test_a_slow_second_head_does_not_cut_the_answer_before_it() -> None:
    late = threading.Event()

    class Noting(protocol_class(ConnectionLimits(head_timeout_s=0.05))):  # type: ignore[misc]  # made by a function
        def _head_timed_out(self) -> None:
            super()._head_timed_out()
            late.set()

    with guarded(http=Noting) as there, Client(there.address) as client:
        client.say(b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n", b"GET")
        assert late.wait(DEADLINE_S)
        there.site.allow()
        assert client.hear().body == b"held"
        assert client.rest() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 3000,
        b"\r\n" * 1500,
    ],
)
def test_a_head_that_is_too_large_is_refused_whole_or_in_pieces(head: bytes) -> None:
    with guarded(bounds=ConnectionLimits(max_head_bytes=2000)) as there:
        assert there.ask(head).status == 431
        assert there.ask(*(head[start : start + 1] for start in range(len(head)))).status == 431
        assert there.site.paths == []


def test_a_head_that_grew_too_large_with_its_end_is_refused() -> None:
    with (
        guarded(bounds=ConnectionLimits(max_head_bytes=2000)) as there,
        Client(there.address) as client,
    ):
        client.say(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 1900)
        assert eventually(
            lambda: any(
                getattr(connection, "_head_bytes", 0) > 1900
                for connection in there.server.server_state.connections
            )
        )
        assert client.say(b"y" * 100 + b"\r\n\r\n").hear().status == 431


def test_heads_that_come_together_are_measured_one_by_one() -> None:
    with (
        guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there,
        Client(there.address) as client,
    ):
        request = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 80 + b"\r\n\r\n"
        client.say(request * 3 + request[:-1])
        assert [client.hear().status for _ in range(3)] == [200] * 3
        assert client.say(request[-1:]).hear().status == 200


def test_a_large_body_behind_a_head_does_not_count_as_head() -> None:
    with (
        guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there,
        Client(there.address) as client,
    ):
        request = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9000\r\n\r\n" + b"x" * 9000
        client.say(request + request[:50])
        assert client.hear().status == 200
        assert client.say(request[50:]).hear().status == 200


def test_large_bodies_in_a_row_are_none_of_each_other_s_framing() -> None:
    with (
        guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there,
        Client(there.address) as client,
    ):
        head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3000\r\n\r\n"
        client.say(head + b"x" * 2999)
        assert there.site.asked.wait(DEADLINE_S)
        assert len(client.say(b"x" + head + b"x" * 2999).hear().json["body"]) == 3000
        assert len(client.say(b"x").hear().json["body"]) == 3000


@pytest.mark.parametrize(
    "rest", [b"1;" + b"a" * 300_000, b"0\r\nX: " + b"y" * 300_000, b"0\r\n" + b"X: y\r\n" * 50_000]
)
def test_endless_extensions_and_trailers_are_cut(rest: bytes) -> None:
    with guarded() as there, Client(there.address) as client:
        with contextlib.suppress(ConnectionError):
            client.say(b"POST / HTTP/1.1\r\n" + CHUNKED, rest)
        assert client.rest()[:12] in (b"HTTP/1.1 400", b"")


def test_small_chunks_are_no_endless_extension() -> None:
    with guarded(bounds=ConnectionLimits(max_head_bytes=200)) as there:
        assert (
            len(
                there.ask(
                    b"POST / HTTP/1.1\r\n" + CHUNKED,
                    b"10\r\n0123456789abcdef\r\n" * 50_000,
                    b"0\r\n\r\n",
                ).json["body"]
            )
            == 800_000
        )


def test_trailers_do_not_become_headers(door: Door) -> None:
    reply = door.ask(
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
def test_a_request_that_can_be_read_in_two_ways_is_refused(door: Door, head: bytes) -> None:
    with Client(door.address) as client:
        said = client.say(
            b"POST /twice HTTP/1.1\r\n"
            + HOST
            + head
            + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n"
            + HOST
            + b"\r\n"
        ).rest()
    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1
    assert "/smuggled" not in door.site.paths


@pytest.mark.parametrize(
    "coding",
    [b"gzip", b"gzip, chunked", b"identity\r\nTransfer-Encoding: chunked", b"x-chunked, chunked"],
)
def test_a_transfer_encoding_that_it_does_not_know_is_refused(door: Door, coding: bytes) -> None:
    with Client(door.address) as client:
        said = client.say(
            b"POST /coded HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: "
            + coding
            + b"\r\n\r\n0\r\n\r\n"
        ).rest()
    assert said.startswith(b"HTTP/1.1 501")
    assert "/coded" not in door.site.paths
    assert (
        door.ask(
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        ).json["body"]
        == "hi"
    )


def test_requests_in_a_row_are_answered_in_their_order(door: Door) -> None:
    one, two = (
        b"POST /%d HTTP/1.1\r\n" % number + HOST + b"Content-Length: 1\r\n\r\n%d" % number
        for number in (1, 2)
    )
    with Client(door.address) as client:
        client.say(one + two)
        assert [
            (reply["path"], reply["body"]) for reply in (client.hear().json, client.hear().json)
        ] == [("/1", "1"), ("/2", "2")]


def test_an_endless_row_of_requests_is_cut() -> None:
    with guarded() as there, Client(there.address) as client:
        client.say((b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n") * 40)
        assert client.rest() == b""
        there.site.allow()


def test_nothing_is_written_into_an_answer_that_is_being_given() -> None:
    with guarded() as there, Client(there.address) as client:
        client.say(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        assert client.socket.recv(1)
        assert b"HTTP/1.1 400" not in client.say(b"nonsense\r\n\r\n").rest()
        there.site.allow()


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ],
)
@pytest.mark.parametrize("pieces", [1, 400])
def test_a_body_behind_an_offered_upgrade_is_a_body(
    door: Door, upgrade: bytes, pieces: int
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
    with Client(door.address) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.say(
            *(
                whole[len(whole) * part // pieces : len(whole) * (part + 1) // pieces]
                for part in range(pieces)
            )
        )
        replies = [client.hear().json for _ in range(4)]
    assert [(reply["path"], reply["body"]) for reply in replies] == [
        ("/one", body.decode()),
        ("/two", "hi"),
        ("/three", ""),
        ("/one", body.decode()),
    ]


# ---------------------------------------------------------------- connections, readers, answers


HOLD = b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n"


def held(there: Door, count: int, stack: contextlib.ExitStack) -> None:
    """So many connections whose requests are being answered."""
    for _ in range(count):
        stack.enter_context(Client(there.address)).say(HOLD)
    assert eventually(lambda: there.site.paths.count("/hold") == count)


def test_connections_beyond_the_bound_are_turned_away_until_one_closes() -> None:
    with guarded(bounds=ConnectionLimits(max_connections=2)) as there:
        with contextlib.ExitStack() as stack:
            held(there, 2, stack)
            reply = there.get("Host: localhost")
            assert (reply.status, reply.headers["retry-after"], reply.json["error"]["code"]) == (
                503,
                "1",
                "too_many_connections",
            )
        assert eventually(lambda: there.get("Host: localhost").status == 200)


def test_the_owner_has_64_places_more_and_then_is_turned_away_too(tmp_path: Path) -> None:
    with (
        guarded(bounds=ConnectionLimits(max_connections=2), path=tmp_path / "s") as there,
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
def test_who_is_waited_for_longest_makes_room_for_who_comes(said: bytes) -> None:
    with (
        guarded(bounds=ConnectionLimits(max_connections=4)) as there,
        contextlib.ExitStack() as stack,
    ):
        held(there, 1, stack)
        first, *others = [stack.enter_context(Client(there.address)).say(said) for _ in range(3)]
        if said.endswith(b"\r\n\r\n"):
            assert [client.hear().status for client in (first, *others)] == [200] * 3
        assert eventually(lambda: len(there.server.server_state.connections) == 4)
        assert there.get("Host: localhost").status == 200
        assert first.rest() == b""
        for client in others:
            client.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.socket.recv(1)


def test_a_connection_whose_request_is_being_answered_makes_no_room() -> None:
    with (
        guarded(bounds=ConnectionLimits(max_connections=2)) as there,
        Client(there.address) as asking,
        Client(there.address) as kept,
    ):
        asking.say(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").hear()
        kept.say(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").hear()
        asking.say(HOLD)  # kept for longer than the other one, and at work now
        assert eventually(lambda: "/hold" in there.site.paths)
        assert there.get("Host: localhost").status == 200
        there.site.allow()
        assert asking.hear().body == b"held"
        assert kept.rest() == b""


FILES, SPARE_FILES = 320, 256
"""What the server's process may open, and what of it is not for connections."""


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
    """A model that takes its time, and a queue that holds whoever asks for it."""
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 40, 0.1
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text("version: 1\nserve: {queue: 1000, most_wait: 60s}\n")
    return ollama


def test_the_owners_commands_work_while_others_take_every_place(
    home: Path, slow: FakeOllama
) -> None:
    with (
        serving("sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh") as served,
        contextlib.ExitStack() as held,
    ):
        url = httpx.URL(served.url)
        for _ in range(FILES - SPARE_FILES):
            held.enter_context(Client((url.host, url.port or 0))).say(ASKING)
        slow.wait_for(lambda: len(slow.chats()) == 1)
        assert eventually(lambda: httpx.get(f"{url}/api/version").status_code == 503)
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


def test_commands_that_find_no_place_say_so_or_work_alone(home: Path, slow: FakeOllama) -> None:
    with (
        serving("sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh"),
        contextlib.ExitStack() as held,
    ):
        for _ in range(FILES - SPARE_FILES + 64):
            held.enter_context(Client(str(socket_path()))).say(ASKING)
        assert eventually(lambda: b"takes no more" in orch("serve", "status").stderr)
        for words in (["status"], ["status", "--json"], ["--detach"]):
            refused = orch("serve", *words)
            assert (
                refused.returncode,
                b"the server takes no more connections now" in refused.stderr,
            ) == (1, True)
        assert orch("run", "-m", LLAMA, "hi").stdout == b"Hello world"
        assert orch("serve", "stop").returncode == 0


def metrics() -> list[bytes]:
    """What the server counted, over the owner's socket."""
    connection = LocalConnection("GET", "/metrics", timeout_s=DEADLINE_S)
    try:
        return list(connection.lines())
    finally:
        connection.close()


def test_a_client_that_does_not_read_is_cut_and_the_answer_ended() -> None:
    with guarded(Rules(write_timeout_s=0.2)) as there, Client(there.address, buffer=4096) as client:
        client.say(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        assert there.site.ended.wait(DEADLINE_S)
        assert eventually(
            lambda: (
                not there.server.server_state.connections and not there.server.server_state.tasks
            )
        )


def test_an_answer_that_is_given_but_not_fetched_does_not_hold_its_connection() -> None:
    with (
        guarded(bounds=ConnectionLimits(flush_timeout_s=0.2)) as there,
        Client(there.address, buffer=4096) as client,
    ):
        client.say(b"GET /huge HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert there.site.asked.wait(DEADLINE_S)
        assert eventually(lambda: not there.server.server_state.connections)


def test_an_answer_that_takes_too_long_is_cut() -> None:
    with guarded(Rules(request_timeout_s=0.2)) as there:
        with Client(there.address) as client:
            said = client.say(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n").rest()
        assert said.startswith(b"HTTP/1.1 200")
        assert not said.endswith(b"0\r\n\r\n")
        assert there.site.ended.wait(DEADLINE_S)
        assert there.get("Host: localhost", path="/hold").status == 504


def test_every_request_of_a_connection_hears_that_its_client_left() -> None:
    with guarded() as there:
        with Client(there.address) as client:
            client.say(b"GET /leave HTTP/1.1\r\n" + HOST + b"\r\n")
            assert there.site.asked.wait(DEADLINE_S)
            client.say(b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\nGET")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert there.site.told.wait(DEADLINE_S)


def test_a_server_that_stops_says_so() -> None:
    with guarded() as there, Client(there.address) as client:
        client.say(b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\n").hear()
        client.say(b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n")
        assert eventually(lambda: "/hold" in there.site.paths)
        there.server.should_exit = True
        assert client.hear().status == 503


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    assert fit_open_files(10) == 10
    assert 1 <= fit_open_files(10**9) < 10**9
