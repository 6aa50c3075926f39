"""The client for the server's Unix socket, and stuck servers."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orch.config.socket_path import socket_path
from orch.server import local_client
from orch.server.local_client import LocalConnection, NoServerError, StuckServerError, request_json

PONG = b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n"
ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"v":1}'


class Listener(socketserver.ThreadingUnixStreamServer):
    """A server at this ORCH_HOME's socket, which responds to a number of pings and to a request
    after the tenth."""

    def __init__(self, pings: int) -> None:
        super().__init__(str(socket_path()), Talk)
        self.pings, self.left, self.heard = 0, pings, list[bytes]()
        self.tenth = threading.Event()


class Talk(socketserver.BaseRequestHandler):
    """One connection."""

    server: Listener

    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.server.heard.append(data)
            if not data.startswith(b"HEAD"):
                self.server.tenth.wait(10)
                if self.server.pings >= 10:
                    self.request.sendall(ANSWER)
            elif self.server.left:
                self.server.left, self.server.pings = self.server.left - 1, self.server.pings + 1
                self.request.sendall(PONG)
            if self.server.pings >= 10:
                self.server.tenth.set()


@contextlib.contextmanager
def listening(pings: int) -> Iterator[Listener]:
    with Listener(pings) as there:
        thread = threading.Thread(target=there.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield there
        finally:
            there.tenth.set()
            there.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def short_probe_timeout(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detects a stuck server sooner than after three seconds."""
    home.mkdir(exist_ok=True)
    monkeypatch.setattr(local_client, "PROBE_TIMEOUT_S", 0.2)


def test_an_unresponsive_server_is_stuck_and_receives_no_request() -> None:
    with listening(pings=0) as there:
        with pytest.raises(StuckServerError, match="does not respond"):
            request_json("POST", "/orch/memory/add", {"texts": ["once"]})
        assert there.heard == [local_client._PING]


def test_a_server_that_accepts_no_connection_is_stuck() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path()))
        listener.listen()
        with pytest.raises(StuckServerError):
            request_json("GET", "/orch/server")


def test_a_slow_response_is_awaited_while_the_server_responds_to_probes() -> None:
    with listening(pings=1_000) as there:
        assert request_json("POST", "/orch/run", {}) == (200, {"v": 1})
        assert there.pings >= 10


def test_a_server_that_gets_stuck_during_a_response_is_detected() -> None:
    with listening(pings=3) as there:
        with pytest.raises(StuckServerError):
            LocalConnection("POST", "/orch/run", {})
        assert there.pings == 3


def test_a_missing_server_is_not_a_stuck_one() -> None:
    with pytest.raises(NoServerError) as none:
        request_json("GET", "/orch/server")
    assert not isinstance(none.value, StuckServerError)
