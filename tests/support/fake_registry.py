"""A real HTTP server on 127.0.0.1 that serves models as an Ollama registry does, and breaks where a
test tells it to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

WEIGHTS = "application/vnd.ollama.image.model"


@dataclass
class FakeRegistry:
    """Models by `space/name:tag`. `cuts` are the bytes after which the next answers for a file
    break off, `corrupt` gives other bytes than were announced.

    `ranges` False stands for a server that knows no Range, `redirect` for one that sends the reader
    elsewhere, `stall` holds an answer after half of it.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Any] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    corrupt: bool = False
    ranges: bool = True
    redirect: str = ""
    stall: threading.Event | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each request."""
    headers: list[dict[str, str]] = field(default_factory=list)

    def add(self, name: str, data: bytes) -> str:
        """Announces a model; gives its SHA-256."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[digest] = data
        licence = {
            "mediaType": "application/vnd.ollama.image.license",
            "digest": f"sha256:{'0' * 64}",
            "size": 11,
        }
        weights = {"mediaType": WEIGHTS, "digest": f"sha256:{digest}", "size": len(data)}
        self.manifests[name if "/" in name else f"library/{name}"] = {
            "schemaVersion": 2,
            "layers": [licence, weights],
        }
        return digest

    def blobs(self) -> list[str]:
        """The Range of each request for a file."""
        return [asked for path, asked in self.asked if "/blobs/" in path]

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.stall:
            self.stall.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, registry: FakeRegistry) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = registry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that leaves is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        registry = self.server.registry
        registry.asked.append((self.path, self.headers.get("range", "")))
        registry.headers.append({name.lower(): value for name, value in self.headers.items()})
        place, _, last = self.path.removeprefix("/v2/").rpartition("/")
        manifest = (
            registry.manifests.get(f"{place.removesuffix('/manifests')}:{last}")
            if place.endswith("/manifests")
            else None
        )
        data = (
            registry.files.get(last.removeprefix("sha256:"))
            if not place.endswith("/manifests")
            else None
        )
        with contextlib.suppress(ConnectionError):
            if manifest is not None:
                self._send(200, json.dumps(manifest).encode())
            elif data is None:
                self._send(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            elif registry.redirect:
                self._send(307, b"", {"Location": registry.redirect})
            else:
                self._file(registry, data)

    def _file(self, registry: FakeRegistry, data: bytes) -> None:
        if registry.corrupt:
            data = bytes(byte ^ 1 for byte in data[:64]) + data[64:]
        begin = (
            int(self.headers["range"].removeprefix("bytes=").rstrip("-"))
            if self.headers.get("range") and registry.ranges
            else 0
        )
        if begin >= len(data):
            self._send(416, b"")
            return
        status, more = (
            (206, {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"})
            if begin
            else (200, {})
        )
        rest = data[begin:]
        self._head(status, len(rest), more)
        if registry.cuts:
            self.wfile.write(rest[: registry.cuts.pop(0)])
            self.close_connection = True
        elif registry.stall:
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            registry.stall.wait(30)
            self.close_connection = True
        else:
            self.wfile.write(rest)

    def _send(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self._head(status, len(body), more or {})
        self.wfile.write(body)

    def _head(self, status: int, length: int, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
