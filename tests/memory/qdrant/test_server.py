"""What goes to a Qdrant server, and what its answers mean."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from orch.memory.qdrant.server import ServerConnection, _base_url
from orch.memory.store import StoreError


class Recorder:
    """A server that records requests and gives one answer."""

    def __init__(self) -> None:
        self.status, self.body = 200, b'{"result": 1, "status": "ok"}'
        self.headers = dict[str, str]()
        self.asked: list[tuple[str, str, str | None, bytes]] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                recorder.asked.append((self.command, self.path, self.headers.get("api-key"), body))
                self.send_response(recorder.status)
                for name, value in recorder.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(recorder.body)))
                self.end_headers()
                self.wfile.write(recorder.body)

            do_GET = do_PUT = do_POST = do_DELETE = _handle

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    Thread(target=recorder.server.serve_forever, args=(0.01,), daemon=True).start()
    yield recorder
    recorder.server.shutdown()
    recorder.server.server_close()


@pytest.fixture
def connection(recorder: Recorder) -> Iterator[ServerConnection]:
    opened = ServerConnection(recorder.url, "a key")
    yield opened
    opened.close()


def test_a_request_has_its_body_and_key_and_waits_where_it_changes_something(
    recorder: Recorder, connection: ServerConnection
) -> None:
    assert connection.ask("POST", "a/b c", "points/count", {"exact": True}) == 1
    connection.ask("PUT", "c", "points", {})
    connection.ask("POST", "c", "points/delete", {})
    connection.ask("GET", "c")
    assert [(method, path) for method, path, _, _ in recorder.asked] == [
        ("POST", "/collections/a%2Fb%20c/points/count"),
        ("PUT", "/collections/c/points?wait=true"),
        ("POST", "/collections/c/points/delete?wait=true"),
        ("GET", "/collections/c"),
    ]
    assert {key for _, _, key, _ in recorder.asked} == {"a key"}
    assert json.loads(recorder.asked[0][3]) == {"exact": True}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, b'{"status": {"error": "Not found: Collection `c` doesn\'t exist!"}}', "missing"),
        (409, b'{"status": {"error": "already exists"}}', "exists"),
        (403, b"", "denied"),
        (500, b'{"status": {"error": "disk \x1b[31m full"}}', "memory"),
        (404, b"<html>nginx</html>", "unreachable"),
        (301, b"", "unreachable"),
        (200, b"[" * 100_000, "unreachable"),
        (200, b'"result"', "unreachable"),
    ],
)
def test_an_error_is_told_by_its_kind(
    recorder: Recorder, connection: ServerConnection, status: int, body: bytes, code: str
) -> None:
    recorder.status, recorder.body = status, body
    with pytest.raises(StoreError) as caught:
        connection.ask("GET", "c")
    assert caught.value.code == code
    assert "\x1b" not in caught.value.message


def test_compressed_data_that_was_not_asked_for_is_not_unpacked(
    recorder: Recorder, connection: ServerConnection
) -> None:
    recorder.headers = {"Content-Encoding": "gzip"}
    recorder.body = gzip.compress(b" " * 1_000_000)
    with pytest.raises(StoreError, match="compressed"):
        connection.ask("GET", "c")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://localhost", "http://localhost:6333"),
        ("https://q.example:443/", "https://q.example:443"),
        ("http://[::1]/prefix/", "http://[::1]:6333/prefix"),
        ("http://127.0.0.1:", "http://127.0.0.1:6333"),
    ],
)
def test_an_address_without_a_port_has_qdrants(url: str, base: str) -> None:
    assert _base_url(url) == base


@pytest.mark.parametrize("url", ["http://me:geheim@127.0.0.1:1", "http://me:geheim@127.0.0.1:x"])
def test_a_password_in_the_address_is_not_shown(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        ServerConnection(url, None).ask("GET", "c")
    assert "geheim" not in f"{caught.value.message} {caught.value.hint}"


def test_blanks_around_a_key_are_not_sent(recorder: Recorder) -> None:
    opened = ServerConnection(recorder.url, "hunter2\n")
    opened.ask("GET", "memories")
    opened.close()
    assert recorder.asked[0][2] == "hunter2"


@pytest.mark.parametrize("key", ["hunter2é", "hunter2\nX: y"])
def test_a_key_that_no_header_can_carry_is_denied_and_not_quoted(key: str) -> None:
    with pytest.raises(StoreError) as caught:
        ServerConnection("http://127.0.0.1:9", key)
    assert caught.value.code == "denied"
    assert "hunter2" not in str(caught.value)
