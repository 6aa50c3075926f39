"""A fake model server with minimal cost: OpenAI's and Ollama's chat over uvloop, one write per
answer unless it is held."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import uvloop

from tests.bench.server.http1 import Request, chunk, request_in
from tests.bench.server.prompts import AFTER, BEFORE, MODELS, answer, number_of

Json = dict[str, Any]
WORDS = len(BEFORE) + 1 + len(AFTER)
_HOLD = re.compile(rb"hold (\S+) (\d+) ([\d.]+)")
_AT = "2026-01-01T00:00:00Z"
_END = b"0\r\n\r\n"


def _dump(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class OpenAI:
    """The format of `/v1/chat/completions`."""

    content_type = "text/event-stream"
    streams_unasked = False

    def token(self, model: str, text: str) -> bytes:
        """One token."""
        return _event(
            model,
            choices=[
                {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
            ],
        )

    def end(self, model: str, tokens: int) -> bytes:
        """The end of a stream."""
        stop = _event(model, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        return stop + _event(model, choices=[], usage=_usage(tokens)) + b"data: [DONE]\n\n"

    def whole(self, model: str, text: str) -> Json:
        """An answer without streaming."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": _usage(WORDS),
        }


def _event(model: str, **parts: Any) -> bytes:
    return (
        b"data: "
        + _dump(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": model,
                **parts,
            }
        )
        + b"\n\n"
    )


def _usage(tokens: int) -> Json:
    return {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}


class Ollama:
    """The format of `/api/chat`; durations are nanoseconds."""

    content_type = "application/x-ndjson"
    streams_unasked = True

    def token(self, model: str, text: str) -> bytes:
        """One token."""
        return (
            _dump(
                {
                    "model": model,
                    "created_at": _AT,
                    "message": {"role": "assistant", "content": text},
                    "done": False,
                }
            )
            + b"\n"
        )

    def end(self, model: str, tokens: int) -> bytes:
        """The last line."""
        return _dump(_last(model, "", tokens)) + b"\n"

    def whole(self, model: str, text: str) -> Json:
        """An answer without streaming."""
        return _last(model, text, WORDS)


def _last(model: str, text: str, tokens: int) -> Json:
    message = {"role": "assistant", "content": text}
    times = {
        "total_duration": 12_000_000,
        "load_duration": 1_000,
        "prompt_eval_duration": 2_000_000,
        "eval_duration": tokens * 1_000_000,
    }
    counts = {"prompt_eval_count": 20, "eval_count": tokens}
    return {
        "model": model,
        "created_at": _AT,
        "message": message,
        "done": True,
        "done_reason": "stop",
        **times,
        **counts,
    }


Wire = OpenAI | Ollama


def _whole(status: str, value: Json) -> bytes:
    data = _dump(value)
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length:"
        f" {len(data)}\r\n\r\n".encode()
        + data
    )


def _head(wire: Wire) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: {wire.content_type}\r\ntransfer-encoding:"
        " chunked\r\n\r\n".encode()
    )


@cache
def _around(wire: Wire, model: str) -> tuple[bytes, bytes]:
    """A streamed answer's bytes before and after its number; each token is its own chunk."""
    before = _head(wire) + b"".join(chunk(wire.token(model, word)) for word in BEFORE)
    behind = b"".join(chunk(wire.token(model, word)) for word in AFTER)
    return before, behind + chunk(wire.end(model, WORDS)) + _END


def _details() -> Json:
    return {
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "8.0B",
        "quantization_level": "Q4_K_M",
    }


def _listed(name: str, **more: Any) -> Json:
    return {
        "name": name,
        "model": name,
        "size": 4_000_000_000,
        "digest": f"{MODELS.index(name):064x}",
        "details": _details(),
        **more,
    }


def _shown(request: Json) -> Json:
    info = {
        "general.architecture": "llama",
        "llama.context_length": 32_768,
        "llama.block_count": 32,
        "llama.attention.head_count": 32,
    }
    info |= {"llama.attention.head_count_kv": 8, "llama.embedding_length": 4096}
    return {"details": _details(), "model_info": info, "capabilities": ["completion", "tools"]}


LISTS: dict[tuple[bytes, bytes], Callable[[Json], Json]] = {
    (b"GET", b"/v1/models"): lambda _: {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 1, "owned_by": "bench"} for name in MODELS
        ],
    },
    (b"GET", b"/api/tags"): lambda _: {
        "models": [_listed(name, modified_at=_AT) for name in MODELS]
    },
    (b"GET", b"/api/ps"): lambda _: {
        "models": [
            _listed(name, size_vram=0, context_length=8192, expires_at="2100-01-01T00:00:00Z")
            for name in MODELS
        ],
    },
    (b"GET", b"/api/version"): lambda _: {"version": "0.12.0"},
    (b"POST", b"/api/show"): _shown,
}
CHATS: dict[tuple[bytes, bytes], Wire] = {
    (b"POST", b"/v1/chat/completions"): OpenAI(),
    (b"POST", b"/api/chat"): Ollama(),
}


class Connection(asyncio.Protocol):
    """One connection: answers its requests in order."""

    def __init__(self) -> None:
        self._data = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stores the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it

    def connection_lost(self, error: Exception | None) -> None:
        """Cancels held answers."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answers each complete request."""
        self._data += data
        while (found := request_in(self._data)) is not None:
            request, self._data = found
            self._answer(request)

    def _answer(self, request: Request) -> None:
        key = (request.method, request.path)
        wire, lists = CHATS.get(key), LISTS.get(key)
        if wire is not None:
            self._chat(wire, request.body)
        elif lists is not None:
            self._transport.write(_whole("200 OK", lists(json.loads(request.body or b"{}"))))
        else:
            self._transport.write(_whole("404 Not Found", {"error": "no such path"}))

    def _chat(self, wire: Wire, body: bytes) -> None:
        asked = json.loads(body)
        model, stream = asked.get("model"), asked.get("stream", wire.streams_unasked)
        if model not in MODELS:
            self._transport.write(_whole("404 Not Found", {"error": f"model '{model}' not found"}))
        elif not stream:
            self._transport.write(
                _whole("200 OK", wire.whole(model, answer(number_of(body)).decode()))
            )
        elif held := _HOLD.search(body):
            self._transport.write(_head(wire))
            self._hold(wire, model, held[1].decode(), int(held[2]), float(held[3]), 0)
        else:
            before, behind = _around(wire, model)
            self._transport.write(
                b"".join((before, chunk(wire.token(model, f" {number_of(body)}")), behind))
            )

    def _hold(
        self, wire: Wire, model: str, name: str, count: int, interval_s: float, number: int
    ) -> None:
        """Sends token `number` of `count`, and the next one later."""
        self._transport.write(chunk(wire.token(model, f"{name}-{number} ")))
        if number + 1 < count:
            self._timer = asyncio.get_running_loop().call_later(
                interval_s, self._hold, wire, model, name, count, interval_s, number + 1
            )
        else:
            self._transport.write(chunk(wire.end(model, count)) + _END)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, backlog=4096
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Entry point: prints its URL as its first line and serves until it is stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.server.upstream", description=__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="Default: a free one.")
    uvloop.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
