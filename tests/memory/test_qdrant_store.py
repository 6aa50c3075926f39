"""A Qdrant server that is missing, refuses the key or is another server; files of local mode."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from orch.memory.qdrant_store import QdrantStore
from orch.memory.store import StoreError
from tests.support.fake_qdrant import FakeQdrant
from tests.support.vector_stores import BATCH, DIMENSION, kill_a_writer, makers


def test_a_killed_writer_of_the_local_mode_leaves_no_row_half_counted(tmp_path: Path) -> None:
    acknowledged = kill_a_writer("local", tmp_path, 300)
    store = makers("local", tmp_path)(DIMENSION)
    store.open()
    newest = store.newest_seq()
    assert acknowledged <= newest <= acknowledged + 1
    assert newest * BATCH <= store.count() < (newest + 1) * BATCH
    store.close()


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(StoreError, match=url) as caught:
        QdrantStore("index", DIMENSION, url=url).open()
    assert (caught.value.code, "qdrant_url" in caught.value.hint) == ("unreachable", True)


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "denied"), (403, "denied"), (404, "unreachable"), (200, "unreachable")],
)
def test_a_wrong_key_and_a_wrong_server_are_told_apart(
    status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # loopback must not go through it
    with answering(status) as url, pytest.raises(StoreError) as caught:
        QdrantStore("index", DIMENSION, url=url, api_key="wrong").open()
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)


@pytest.mark.parametrize("url", ["", "nonsense://x", "http://"])
def test_an_address_that_is_none_is_an_error_with_a_hint(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        QdrantStore("index", DIMENSION, url=url).open()
    assert caught.value.code == "unreachable"


class answering:
    """A server on loopback that gives every request the same status and a page that is not
    Qdrant's."""

    def __init__(self, status: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"hello": "there"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("left", [set[str](), {"run_id"}])
def test_indexes_that_the_creator_did_not_come_to_are_created(left: set[str]) -> None:
    with FakeQdrant() as server:
        store = QdrantStore("index", None, url=server.url)
        store.open()
        whole = set(server.indexes["index"])
        store.close()
        server.indexes["index"] = set(left)
        store.open()
        assert (store.newest_seq(), server.indexes["index"]) == (0, whole)
        store.close()
