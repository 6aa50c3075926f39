"""A model server on a real socket that answers as a case says, and in plain words when it is asked
once more."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.evals.tool_call_cases.verdicts import Case, Json

MODEL = "scripted"
SECOND = "I was asked once more."
"""The answer to every request after the first of a conversation."""
PIECE = 9
"""Characters in a piece of a stream: no name and no mark fits into one."""


class ScriptedServer:
    """Speaks OpenAI's chat completions. The first user message of a request begins with the id of a
    case; `asked` counts the requests by that message."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.cases = {case.id: case for case in cases}
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"scripted": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, body: Json) -> tuple[str, list[Json]]:
        """Text and calls for a request."""
        prompt = next(each["content"] for each in body["messages"] if each["role"] == "user")
        with self.lock:
            self.asked[prompt] += 1
            if self.asked[prompt] > 1:
                return SECOND, []
        case = self.cases[prompt.split()[0]]
        return case.text, [_on_the_wire(index, call) for index, call in enumerate(case.calls)]


def _on_the_wire(index: int, call: Json) -> Json:
    """A call with its place, and arguments as text."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {**call, "index": index, "function": {"name": name, "arguments": written}}


def chunks(text: str, calls: list[Json]) -> Iterator[Json]:
    """The pieces of a streamed answer."""
    yield {"delta": {"role": "assistant", "content": ""}}
    for piece in _pieces(text):
        yield {"delta": {"content": piece}}
    for call in calls:
        opened = {**call, "function": {**call["function"], "arguments": ""}}
        yield {"delta": {"tool_calls": [opened]}}
        for piece in _pieces(call["function"]["arguments"]):
            more = {"index": call["index"], "function": {"arguments": piece}}
            yield {"delta": {"tool_calls": [more]}}
    yield {"delta": {}, "finish_reason": "tool_calls" if calls else "stop"}


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


class _Handler(BaseHTTPRequestHandler):
    scripted: ScriptedServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text, calls = self.scripted.answer(body)
        if body.get("stream"):
            return self._stream(chunks(text, calls))
        message = {"role": "assistant", "content": text or None, "tool_calls": calls or None}
        reason = "tool_calls" if calls else "stop"
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        self._send(
            {"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage}
        )

    def _send(self, value: Json) -> None:
        written = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def _stream(self, choices: Iterable[Json]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for choice in choices:
            event = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True
