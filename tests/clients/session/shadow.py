"""A server that answers by a script and has a real llama-server read every prompt: what that had
cached and what it had to read is written down. All other requests go to the real one."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from tests.clients.session import replies
from tests.clients.session.replies import Read, Reply
from tests.clients.session.scripts import Calls, next_reply, results_of, tools_of

Json = dict[str, Any]
TIMEOUT_S = 600.0


class Api(NamedTuple):
    """One API: the field that limits an answer, where its usage stands, and the forms of a
    reply."""

    limit: str
    read: Callable[[Json], Read]
    stream: Callable[[Reply, Read, str], Iterator[bytes]]
    whole: Callable[[Reply, Read, str], Json]


def _chat_read(answer: Json) -> Read:
    timings = answer["timings"]
    return Read(timings["prompt_n"] + timings["cache_n"], timings["prompt_n"])


def _messages_read(answer: Json) -> Read:
    usage = answer["usage"]
    read = int(usage["input_tokens"])
    return Read(read + int(usage["cache_read_input_tokens"]), read)


def _responses_read(answer: Json) -> Read:
    usage = answer["usage"]
    cached = int(usage["input_tokens_details"]["cached_tokens"])
    return Read(int(usage["input_tokens"]), int(usage["input_tokens"]) - cached)


APIS = {
    "/v1/chat/completions": Api("max_tokens", _chat_read, replies.chat_stream, replies.chat_whole),
    "/v1/messages": Api(
        "max_tokens", _messages_read, replies.messages_stream, replies.messages_whole
    ),
    "/v1/responses": Api(
        "max_output_tokens", _responses_read, replies.responses_stream, replies.responses_whole
    ),
}


@dataclass
class Asked:
    """One request for an answer, and what the real server counted; `fault` is its refusal."""

    path: str
    body: Json
    results: int
    is_step: bool
    at: float
    read: Read = Read(0, 0)
    fault: str = ""
    reply: Reply | None = None


@dataclass
class Shadow:
    """The server. `calls` are those of the client that is asked; `after` is called after each
    answer that ended with a call, in a thread of its own."""

    behind: str
    calls: Calls
    folder: str
    name: str
    after: Callable[[int], None] | None = None
    asked: list[Asked] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def settle(self) -> None:
        """Waits for what was asked after answers."""
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def answer(self, path: str, body: Json) -> tuple[Asked, Reply]:
        """Has the real server read a prompt, and finds the reply to it."""
        results, after_result = results_of(body)
        asked = Asked(path, body, results, bool(tools_of(body)), time.time())
        with self._lock:
            self.asked.append(asked)
            number = len(self.asked)
        reply = Reply(number, "Parcels of a shop")
        if asked.is_step:
            reply = next_reply(
                self.calls, results, after_result=after_result, folder=self.folder, number=number
            )
        self._have_read(asked)
        asked.reply = reply
        if reply.tool and self.after is not None:
            thread = threading.Thread(target=self.after, args=(results,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return asked, reply

    def _have_read(self, asked: Asked) -> None:
        api = APIS[asked.path]
        limits = {"max_tokens", "max_completion_tokens", "max_output_tokens", "stream_options"}
        body = {key: value for key, value in asked.body.items() if key not in limits}
        status, data = self.pass_on(
            "POST", asked.path, json.dumps({**body, api.limit: 1, "stream": False}).encode()
        )
        if status == 200:
            asked.read = api.read(json.loads(data))
        else:
            asked.fault = f"{status} {data[:300].decode('utf-8', 'replace')}"

    def pass_on(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        """The real server's answer."""
        request = urllib.request.Request(
            self.behind + path, data, {"Content-Type": "application/json"}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def _handler(shadow: Shadow) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._send(200, b"")

        def do_GET(self) -> None:
            self._send(*shadow.pass_on("GET", self.path, None))

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            api = APIS.get(path)
            if api is None:
                self._send(*shadow.pass_on("POST", path, data))
                return
            body = json.loads(data)
            asked, reply = shadow.answer(path, body)
            if asked.fault:
                status, _, text = asked.fault.partition(" ")
                self._send(int(status), text.encode())
            elif body.get("stream"):
                self._stream(api.stream(reply, asked.read, shadow.name))
            else:
                whole = api.whole(reply, asked.read, shadow.name)
                self._send(200, json.dumps(whole).encode())

        def _send(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def _stream(self, parts: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for part in parts:
                self.wfile.write(part)
            self.close_connection = True

    return Handler
