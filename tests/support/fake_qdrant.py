"""A fake Qdrant server: the requests that orch makes, over a real socket. Collections and points
are those of orch.memory.qdrant.local, which answers by Qdrant's own client; what a server alone has
stands here: keys, the list of collections, indexes, and its errors."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from qdrant_client import QdrantClient

from orch.memory.qdrant import local

Json = Any
VERSION = "1.19.0"


class FakeQdrant:
    """The server, which runs inside a `with`. `api_key` is asked for where there is one."""

    def __init__(self, api_key: str = "") -> None:
        self.api_key, self.client, self.lock = api_key, QdrantClient(":memory:"), Lock()
        self.indexes: dict[str, set[str]] = {}
        """The indexed fields of each collection."""
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self})
        )

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def collections(self) -> dict[str, int]:
        """Collections by name, with how many points each has."""
        names = [each.name for each in self.client.get_collections().collections]
        return {name: self.client.count(name).count for name in sorted(names)}

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.client.close()

    # ------------------------------------------------------------ what is asked

    def answer(self, method: str, path: str, body: Json) -> Json:
        """The result of a request. Raises LookupError for a collection that is not there."""
        parts = path.strip("/").split("/")
        if parts == ["collections"]:
            return self.client.get_collections().model_dump(mode="json")
        name, what = parts[1], "/".join(parts[2:])
        if (method, what) == ("GET", "exists"):
            return {"exists": self.client.collection_exists(name)}
        if (method, what) == ("PUT", ""):
            self.indexes[name] = set()
        elif not self.client.collection_exists(name):
            if (method, what) == ("DELETE", ""):
                return False
            raise LookupError(name)
        indexed = self.indexes.setdefault(name, set())
        if what == "index":
            indexed.add(body["field_name"])
        if what == "points/scroll" and (by := body.get("order_by")) and by["key"] not in indexed:
            raise ValueError(f"Bad request: No range index for `order_by` key: `{by['key']}`")
        result = local.answer(self.client, method, name, what, body or {})
        if (method, what) == ("GET", ""):
            result["payload_schema"] = {key: {"data_type": "keyword"} for key in indexed}
        return result


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeQdrant

    def _handle(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        key = self.headers.get("api-key") or self.headers.get("Authorization", "").removeprefix(
            "Bearer "
        )
        path = self.path.partition("?")[0]
        if path == "/":
            return self._send(200, {"title": "qdrant - vector search engine", "version": VERSION})
        if key != self.fake.api_key:
            return self._send(401, {"status": {"error": "Must provide an API key"}})
        try:
            with self.fake.lock:
                result = self.fake.answer(self.command, path, body)
        except LookupError as error:
            return self._send(
                404,
                {
                    "status": {"error": f"Not found: Collection `{error}` doesn't exist!"},
                    "time": 0.0,
                },
            )
        except ValueError as error:
            return self._send(400, {"status": {"error": str(error)}, "time": 0.0})
        return self._send(200, {"result": result, "status": "ok", "time": 0.0})

    do_GET = do_PUT = do_POST = do_DELETE = _handle

    def _send(self, status: int, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
