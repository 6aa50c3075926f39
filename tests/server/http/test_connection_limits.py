"""Limits of connections: beyond them the idle ones give way; the owner still gets in."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import httpx
import pytest

from orch.config.socket_path import socket_path
from orch.server.http.connection_limits import ConnectionLimits, fit_open_files
from orch.server.local_client import LocalConnection
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama
from tests.support.guarded_app import (
    DEADLINE_S,
    HOST,
    GuardedServer,
    RawClient,
    becomes_true,
    run_guarded,
)
from tests.support.orch_command import orch
from tests.support.orch_process import serving

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
    "opening",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nx",
    ],
    ids=["silent", "head", "kept", "body"],
)
def test_the_connection_awaited_longest_is_evicted_for_a_new_one(opening: bytes) -> None:
    with (
        run_guarded(bounds=ConnectionLimits(max_connections=4)) as there,
        contextlib.ExitStack() as stack,
    ):
        held(there, 1, stack)
        first, *others = [
            stack.enter_context(RawClient(there.address)).send(opening) for _ in range(3)
        ]
        if opening.endswith(b"\r\n\r\n"):
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


# ---------------------------------------------------------------- open files


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
        slow.wait_for(lambda: len(slow.chats()) >= 1)
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


def test_the_limit_of_open_files_is_raised_as_far_as_permitted() -> None:
    assert fit_open_files(10) == 10
    assert 1 <= fit_open_files(10**9) < 10**9
