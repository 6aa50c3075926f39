"""A real HTTP server on 127.0.0.1 that speaks Ollama's wire, native and OpenAI, and breaks where a
test tells it to."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]
"""A JSON object."""

DEFAULT_NUM_CTX = 4096
"""The context a model is loaded with when the request names none."""

OVERFLOW = "the input length exceeds the context length"
"""What Ollama says when a prompt that must not be truncated does not fit."""

EARLY_FAULTS = frozenset({"status", "html", "html_502", "slow", "close", "overflow"})
"""Faults that strike before the first byte of the answer."""

BODY_FAULTS = frozenset({"error_line", "cut", "end", "stall", "malformed"})
"""Faults that strike in the middle of the answer, after `Fault.after` chunks."""

ANSWER_FAULTS = frozenset({"empty", "thinking_only", "length"})
"""Faults that leave the wire whole and change what the model says."""

_TICK_S = 0.02
_SLOT = "\N{REPLACEMENT CHARACTER}slot"
_JSON = "application/json; charset=utf-8"
_NDJSON = "application/x-ndjson"
_BLOBS = "/api/blobs/"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Fault:
    """One way to break one answer; `kind` is in EARLY_FAULTS, BODY_FAULTS or ANSWER_FAULTS, `times`
    -1 is for ever."""

    kind: str
    after: int = 0
    status: int = 500
    message: str = "something broke"
    retry_after: str | None = None
    seconds: float = 0.0
    times: int = 1

    def __post_init__(self) -> None:
        """Refuses a kind that no code acts on, which would let a test pass for nothing."""
        if self.kind not in EARLY_FAULTS | BODY_FAULTS | ANSWER_FAULTS:
            raise ValueError(f"unknown fault kind: {self.kind!r}")


@dataclass
class FakeModel:
    """One installed model: what it says, how fast, and the faults its next answers meet, one per
    answer.

    Its tools are called until it is told what one of them gave.
    """

    name: str
    reply: list[str] = field(default_factory=lambda: ["Hello", " ", "world"])
    thinking: list[str] = field(default_factory=list)
    tool_calls: list[Json] = field(default_factory=list)
    turns: list[tuple[str, list[Json]]] = field(default_factory=list)
    """Text and calls of the next answers, one each, before the others."""
    calls_once_offered: bool = False
    """Calls those tools alone that the request offers, and none once the conversation has a
    result."""
    capabilities: list[str] = field(default_factory=lambda: ["completion"])
    tells_capabilities: bool = True
    context_length: int = 32768
    size: int = 4_700_000_000
    family: str = "llama"
    parameter_size: str = "8.0B"
    quantization: str = "Q4_K_M"
    digest: str = ""
    load_s: float = 0.0
    chunk_delay_s: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    num_ctx: int | None = None
    """`PARAMETER num_ctx` of its Modelfile."""
    modelfile: str = ""
    """More lines of its Modelfile."""
    template: str = "{{ .Prompt }}"
    metadata: Json = field(default_factory=dict)
    """More of its GGUF's metadata, such as `general.basename`, which /api/show tells."""
    bytes_per_token: float = 4.0
    vocabulary: Callable[[str], int] | None = None
    """Counts the tokens of a text in its place."""
    overflow: str = OVERFLOW
    """What it says of too long a prompt; {tokens} and {context} are filled in."""
    remote_host: str = ""
    """The host that a cloud model is forwarded to; nothing is forwarded, it is only said."""
    says_remote_in: frozenset[str] = frozenset({"tags", "show", "answer"})
    """Where the server says so."""

    def __post_init__(self) -> None:
        """Gives the model a digest when the test did not."""
        self.digest = self.digest or hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def full_name(self) -> str:
        """The name with its tag."""
        return full_name(self.name)

    def remote(self, place: str) -> Json:
        """The fields of a cloud model in that place; none for a model of the server's own."""
        said = self.remote_host and place in self.says_remote_in
        return (
            {"remote_model": self.full_name.replace("-cloud", ""), "remote_host": self.remote_host}
            if said
            else {}
        )

    def prompt_tokens(self, messages: Sequence[Json]) -> int:
        """The tokens of messages, by its vocabulary if it has one."""
        if self.vocabulary is None:
            return prompt_tokens(messages, self.bytes_per_token)
        return sum(8 + self.vocabulary(_text_of(message)) for message in messages)

    @property
    def details(self) -> Json:
        """The `details` object of /api/tags, /api/ps and /api/show."""
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": self.parameter_size,
            "quantization_level": self.quantization,
        }

    @property
    def info(self) -> Json:
        """The `model_info` object of /api/show."""
        return {
            "general.architecture": "llama",
            "llama.attention.head_count": 32,
            "llama.attention.head_count_kv": 8,
            "llama.block_count": 32,
            "llama.context_length": self.context_length,
            "llama.embedding_length": 4096,
            **self.metadata,
        }


@dataclass
class Request:
    """One request as the server read it; `aborted` says that the client left before its answer was
    complete."""

    method: str
    path: str
    body: Json
    headers: dict[str, str]
    aborted: bool = False


class FakeOllama:
    """The server: models and faults go in, requests come out, and it runs between start() and
    stop()."""

    def __init__(
        self,
        models: Sequence[FakeModel] = (),
        version: str = "0.12.0",
        latency_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self.version = version
        self.latency_s = latency_s
        self.models: dict[str, FakeModel] = {}
        self.resident: dict[str, int] = {}
        self.loads = 0
        self.requests: list[Request] = []
        self.pulled: list[str] = []
        self.pushed: list[str] = []
        self.blobs: dict[str, int] = {}
        """The sizes of the files that new models are made of, by digest."""
        self.pull_fault: Fault | None = None
        """How each pull breaks."""
        self.server_status: Fault | None = None
        self.path_faults: dict[str, Fault] = {}
        """How each answer to a path breaks, before its first byte."""
        self.path_answers: dict[str, Any] = {}
        """What a path answers in place of the truth."""
        self.tells_in_lists = False
        """Whether /api/tags has capabilities and context lengths, as since Ollama 0.30."""
        self.changed = threading.Condition()
        self._load_locks: dict[str, threading.Lock] = {}
        self._thread: threading.Thread | None = None
        for model in models:
            self.add(model)
        self._hung_up_on: Any = None
        # bound from here on, so that `url` is known, and refusing connections until start() listens
        self._server = _Server(self, port)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def add(self, model: FakeModel) -> None:
        """Installs a model."""
        self.models[model.full_name] = model

    def loaded_as(self, model: FakeModel) -> str:
        """The name under which the model is loaded, by whichever of its names; its own where it is
        not."""
        with self.changed:
            others = (
                name
                for name in self.resident
                if (other := self.models.get(name)) and other.digest == model.digest
            )
            return next(others, model.full_name)

    def remove(self, name: str) -> None:
        """Deletes a model, also from memory."""
        self.models.pop(full_name(name), None)
        self.resident.pop(full_name(name), None)

    def asked(self, name: str) -> list[Request]:
        """The requests by which a text was sent to that model, or the model was loaded."""
        paths = (
            "/api/chat",
            "/api/generate",
            "/api/embed",
            "/v1/chat/completions",
            "/v1/embeddings",
        )
        with self.changed:
            return [
                r
                for r in self.requests
                if r.path in paths and full_name(str(r.body.get("model"))) == full_name(name)
            ]

    def chats(self) -> list[Request]:
        """The requests that asked for a chat answer, without those that only load or unload a
        model."""
        paths = ("/api/chat", "/v1/chat/completions")
        with self.changed:
            return [
                r
                for r in self.requests
                if r.method == "POST" and r.path in paths and r.body.get("messages")
            ]

    def start(self) -> None:
        """Begins to listen; after a stop(), again on the same port."""
        if self._thread is not None:
            return
        if self._server.stopping.is_set():
            self._server = _Server(self, self.port)
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve, name="fake-ollama", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes every connection and the port; requests under way end without another byte."""
        self._server.stopping.set()
        if self._thread is not None:
            # the thread waits for a connection: give it one
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.hang_up()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Returns when the condition holds; asked anew whenever a request begins, ends or is
        aborted."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f"not true within {timeout_s} s; requests: {self.requests}"
                    )
                # in ticks, because the condition may look at something that nobody notifies about
                self.changed.wait(min(left, _TICK_S))

    def begin(self, request: Request) -> None:
        """Records a request."""
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()

    def end(self, request: Request, *, aborted: bool) -> None:
        """Records how a request ended."""
        with self.changed:
            request.aborted = aborted
            self.changed.notify_all()

    def take_fault(self, model: FakeModel, asked: Any) -> Fault | None:
        """The fault that the model's next answer meets, counted down. What was hung up on and is
        sent again meets the same."""
        with self.changed:
            again, self._hung_up_on = self._hung_up_on == (model.full_name, asked), None
            if again:
                return Fault("close")
            if not model.faults:
                return None
            fault = model.faults[0]
            if fault.times > 1:
                model.faults[0] = replace(fault, times=fault.times - 1)
            elif fault.times >= 0:
                del model.faults[0]
            self._hung_up_on = (model.full_name, asked) if fault.kind == "close" else None
            return fault

    def load_lock(self, name: str) -> threading.Lock:
        """The lock that makes two requests for one cold model load it once."""
        with self.changed:
            return self._load_locks.setdefault(name, threading.Lock())


class _Hangup(Exception):
    """The connection is to be closed without another byte."""


class _ClientLeft(Exception):
    """The client closed its side before the answer was complete."""


class _Refusal(Exception):
    """An answer other than 200, or a page that is not JSON; decided before the first byte."""

    def __init__(
        self, status: int, message: str, *, retry_after: str | None = None, page_type: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.page_type = page_type


@dataclass(frozen=True)
class _Ask:
    """A request for an answer, whichever of the three endpoints it came in by."""

    model: str
    messages: list[Json]
    stream: bool
    num_ctx: int | None = None
    num_predict: int | None = None
    truncate: bool = True
    think: object = None
    keep_alive: object = None
    logprobs: bool = False
    offered: frozenset[str] = frozenset()
    """The names of the tools."""


@dataclass
class _Answer:
    """What the model says to one request, and the clock that runs while it does. No `done_reason`
    is no end."""

    thinking: list[str]
    reply: list[str]
    tool_calls: list[Json]
    done_reason: str | None
    prompt_tokens: int = 0
    begun_ns: int = 0
    load_ns: int = 0
    speaking_ns: int = 0
    prompt_ns: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of the answer; at least the one that ends it."""
        return max(1, len(self.thinking) + len(self.reply) + len(self.tool_calls))

    def limit(self, tokens: int | None) -> None:
        """Cuts the answer, thinking included, to that many chunks."""
        if tokens is None or tokens <= 0 or len(self.thinking) + len(self.reply) <= tokens:
            return
        self.thinking = self.thinking[:tokens]
        self.reply = self.reply[: tokens - len(self.thinking)]
        self.tool_calls = []
        self.done_reason = "length"

    def stats(self) -> Json:
        """The numbers of a native done line, in nanoseconds up to now."""
        now = time.perf_counter_ns()
        return {
            "total_duration": max(1, now - self.begun_ns),
            "load_duration": self.load_ns,
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": self.prompt_ns,
            "eval_count": self.tokens,
            "eval_duration": max(1, now - self.speaking_ns),
        }


def full_name(name: str) -> str:
    """The name with its tag, `latest` when it has none."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def prompt_tokens(messages: Sequence[Json], bytes_per_token: float = 4.0) -> int:
    """How many tokens the fake counts for messages: a quarter of their bytes, and 8 for each
    message."""
    return int(
        sum(len(_text_of(message).encode()) for message in messages) / bytes_per_token
    ) + 8 * len(messages)


def _text_of(message: Json) -> str:
    """The text of a message, also of one in OpenAI's parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return str(content or "")


def _line(value: Json) -> bytes:
    """A JSON object as one line; like Ollama's, with the characters themselves and not escapes."""
    return _encode(value).encode() + b"\n"


def _iso(moment: datetime) -> str:
    """A time as Ollama writes it."""
    return moment.isoformat().replace("+00:00", "Z")


def _now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def _is_zero(keep_alive: object) -> bool:
    """Whether a keep_alive, a number or a Go duration, asks to unload at once."""
    if isinstance(keep_alive, str):
        return re.fullmatch(r"0+(\.0+)?(ns|us|ms|s|m|h)?", keep_alive.strip()) is not None
    return isinstance(keep_alive, int | float) and keep_alive == 0


def _embedding(text: str) -> list[float]:
    """Eight numbers of length 1 that depend on the text alone."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:8]]
    norm = math.sqrt(sum(number * number for number in numbers))
    return [number / norm for number in numbers]


def _plan(model: FakeModel, ask: _Ask, fault: Fault | None) -> _Answer:
    """What the model says to this request under this fault."""
    kind = fault.kind if fault else ""
    thinking = [] if ask.think is False else list(model.thinking)
    if kind == "empty":
        answer = _Answer([], [], [], "stop")
    elif kind == "thinking_only":
        answer = _Answer(list(model.thinking) or ["Hmm", "."], [], [], "length")
    elif fault and kind == "length":
        answer = _Answer(thinking, model.reply[: fault.after], [], "length")
    elif model.turns:
        text, calls = model.turns.pop(0)
        answer = _Answer(thinking, [text] if text else [], calls, "stop")
    else:
        answer = _Answer(thinking, list(model.reply), _calls(model, ask), "stop")
    answer.limit(ask.num_predict)
    return answer


def _calls(model: FakeModel, ask: _Ask) -> list[Json]:
    """The tools that the model calls now."""
    results = [message.get("role") == "tool" for message in ask.messages]
    if not model.calls_once_offered:
        return [] if results[-1:] == [True] else list(model.tool_calls)
    calls = [] if any(results) else model.tool_calls
    return [call for call in calls if call["function"]["name"] in ask.offered]


def _names(tools: object) -> frozenset[str]:
    """The names of the tools of a request."""
    listed = tools if isinstance(tools, list) else []
    return frozenset(str((tool.get("function") or {}).get("name")) for tool in listed)


def _ask_native(body: Json, messages: list[Json]) -> _Ask:
    """What a body of /api/chat or /api/generate asks for."""
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise _Refusal(
            400,
            "json: cannot unmarshal into Go struct field .options of type map[string]interface {}",
        )
    for name in ("num_ctx", "num_predict"):
        if not isinstance(options.get(name), int | None):
            raise _Refusal(400, f'option "{name}" must be of type integer')
    return _Ask(
        model=str(body.get("model") or ""),
        messages=messages,
        stream=body.get("stream") is not False,
        num_ctx=options.get("num_ctx"),
        num_predict=options.get("num_predict"),
        truncate=body.get("truncate") is not False,
        think=body.get("think"),
        keep_alive=body.get("keep_alive"),
        logprobs=body.get("logprobs") is True,
        offered=_names(body.get("tools")),
    )


def _ask_openai(body: Json) -> _Ask:
    """What a body of /v1/chat/completions asks for."""
    return _Ask(
        model=str(body.get("model") or ""),
        messages=list(body.get("messages") or ()),
        stream=body.get("stream") is True,
        num_predict=body.get("max_tokens") or body.get("max_completion_tokens"),
        logprobs=body.get("logprobs") is True,
        offered=_names(body.get("tools")),
    )


class _Wire:
    """How an endpoint writes an answer down; this one is /api/chat."""

    content_type = _NDJSON
    verb = "chat"
    broken = b'{"model":"broken","message":{"role":"assis\n'

    def __init__(self, ask: _Ask, remote: Json | None = None) -> None:
        self.model = ask.model
        self._remote = remote or {}
        self._tells_logprobs = False
        # one split for the whole stream: a chunk then costs an encoded string, not an encoded
        # object; its
        # created_at is that of the stream's start
        self._before, self._behind = self.delta(content=_SLOT).split(_encode(_SLOT).encode())
        self._tells_logprobs = ask.logprobs

    def text(self, piece: str) -> bytes:
        """A chunk of the answer, which is one token."""
        if self._tells_logprobs:
            return self.delta(content=piece)
        return self._before + _encode(piece).encode() + self._behind

    def thinking(self, piece: str) -> bytes:
        """A chunk of the model's thinking."""
        return self.delta(thinking=piece)

    def delta(self, **said: Any) -> bytes:
        """A chunk with the given `content`, `thinking` or `tool_calls`."""
        return _line({**self.head(), **self.said(**said), **self.logprobs(**said), "done": False})

    def logprobs(self, content: str = "", **other: Any) -> Json:
        """The part of a chunk that tells how probable its token was; like Ollama's, without what
        would be empty."""
        return (
            {"logprobs": [{"token": content, "logprob": -0.5}]}
            if self._tells_logprobs and content
            else {}
        )

    def done(self, answer: _Answer) -> bytes:
        """The last chunk."""
        return _line(
            {
                **self.head(),
                **self.said(),
                "done": True,
                "done_reason": answer.done_reason,
                **answer.stats(),
            }
        )

    def whole(self, answer: _Answer) -> Json:
        """The answer that is not streamed."""
        calls = {"tool_calls": answer.tool_calls} if answer.tool_calls else {}
        thinking = {"thinking": "".join(answer.thinking)} if answer.thinking else {}
        body = {**self.head(), **self.said(content="".join(answer.reply), **thinking, **calls)}
        if answer.done_reason is None:
            return {**body, "done": False}
        return {**body, "done": True, "done_reason": answer.done_reason, **answer.stats()}

    def bare(self, done_reason: str) -> Json:
        """The answer to a request that only loads or unloads the model."""
        return {**self.head(), **self.said(), "done": True, "done_reason": done_reason}

    def error(self, message: str) -> bytes:
        """A line in the middle of a stream that reports an error."""
        return _line({"error": message})

    def head(self) -> Json:
        """What every chunk begins with."""
        return {"model": self.model, **self._remote, "created_at": _iso(_now())}

    def said(self, content: str = "", **more: Any) -> Json:
        """The part of a chunk that holds what was said."""
        return {"message": {"role": "assistant", "content": content, **more}}


class _GenerateWire(_Wire):
    """How /api/generate writes an answer down."""

    verb = "generate"
    broken = b'{"model":"broken","respon\n'

    def said(self, content: str = "", **more: Any) -> Json:
        """The part of a chunk that holds what was said."""
        return {"response": content, **more}


class _OpenAIWire(_Wire):
    """How /v1/chat/completions writes an answer down."""

    content_type = "text/event-stream"
    broken = b'data: {"id":"chatcmpl-1","choices":[{"ind\n\n'

    def __init__(self, ask: _Ask, body: Json, remote: Json) -> None:
        self._usage_wanted = bool((body.get("stream_options") or {}).get("include_usage"))
        super().__init__(ask, remote)

    def delta(self, **said: Any) -> bytes:
        """A chunk with the given `content`, `thinking` or `tool_calls`."""
        return self._event(
            choices=[
                {
                    "index": 0,
                    "delta": self.said(**said),
                    "finish_reason": None,
                    **self.logprobs(**said),
                }
            ]
        )

    def logprobs(self, content: str = "", **other: Any) -> Json:
        """The part of a choice that tells how probable its token was."""
        token = {"token": content, "logprob": -0.5, "bytes": list(content.encode())}
        return (
            {"logprobs": {"content": [{**token, "top_logprobs": [token]}]}}
            if self._tells_logprobs and content
            else {}
        )

    def done(self, answer: _Answer) -> bytes:
        """The last chunk, the usage when it was asked for, and the end mark."""
        reason = _finish_reason(answer)
        last = self._event(choices=[{"index": 0, "delta": self.said(), "finish_reason": reason}])
        usage = self._event(choices=[], usage=_usage(answer)) if self._usage_wanted else b""
        return last + usage + b"data: [DONE]\n\n"

    def whole(self, answer: _Answer) -> Json:
        """The answer that is not streamed."""
        more: Json = {"thinking": "".join(answer.thinking)} if answer.thinking else {}
        if answer.tool_calls:
            more["tool_calls"] = answer.tool_calls
        message = self.said("".join(answer.reply), **more)
        choice = {"index": 0, "message": message, "finish_reason": _finish_reason(answer)}
        return {
            **self.head(),
            "object": "chat.completion",
            "choices": [choice],
            "usage": _usage(answer),
        }

    def error(self, message: str) -> bytes:
        """An event in the middle of a stream that reports an error."""
        return b"data: " + _line(_openai_error(500, message)) + b"\n"

    def head(self) -> Json:
        """What every chunk begins with."""
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": self.model,
            "system_fingerprint": "fp_ollama",
            **self._remote,
        }

    def said(
        self, content: str = "", thinking: str = "", tool_calls: Sequence[Json] = (), **more: Any
    ) -> Json:
        """The part of a chunk that holds what was said."""
        said: Json = {"role": "assistant", "content": content}
        if thinking:
            said["reasoning"] = thinking
        if tool_calls:
            said["tool_calls"] = [
                _openai_call(index, call) for index, call in enumerate(tool_calls)
            ]
        return said

    def _event(self, **parts: Any) -> bytes:
        """A server-sent event."""
        return b"data: " + _line({**self.head(), **parts}) + b"\n"


def _finish_reason(answer: _Answer) -> str | None:
    """OpenAI's word for why an answer ended."""
    return "tool_calls" if answer.tool_calls and answer.done_reason else answer.done_reason


def _usage(answer: _Answer) -> Json:
    """OpenAI's token counts."""
    total = answer.prompt_tokens + answer.tokens
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.tokens,
        "total_tokens": total,
    }


def _openai_call(index: int, call: Json) -> Json:
    """A tool call in OpenAI's form, where the arguments are a string."""
    function = call.get("function") or {}
    arguments = function.get("arguments") or {}
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "id": call.get("id") or f"call_{index}",
        "index": index,
        "type": "function",
        "function": {"name": function.get("name", ""), "arguments": written},
    }


def _openai_error(status: int, message: str) -> Json:
    """An error in OpenAI's form."""
    kinds = {400: "invalid_request_error", 404: "not_found_error"}
    return {
        "error": {
            "message": message,
            "type": kinds.get(status, "api_error"),
            "param": None,
            "code": None,
        }
    }


def _page(title: str) -> str:
    """A page like a proxy in front of Ollama would send."""
    body = f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx/1.24.0</center>"
    head = f"<head><title>{title}</title></head>"
    return f"<html>\r\n{head}\r\n<body>\r\n{body}\r\n</body>\r\n</html>\r\n"


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests and answers them, or breaks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        """Prepares the connection."""
        super().setup()
        self.fake = self.server.fake
        self.fault: Fault | None = None
        self.begun_ns = 0

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps stderr quiet."""

    def do_GET(self) -> None:
        """Answers a GET."""
        self._serve()

    def do_POST(self) -> None:
        """Answers a POST."""
        self._serve()

    def do_HEAD(self) -> None:
        """Answers a HEAD."""
        self._serve()

    def do_DELETE(self) -> None:
        """Answers a DELETE."""
        self._serve()

    def _serve(self) -> None:
        """Reads the rest of one request, answers it and records how that ended."""
        self.begun_ns = time.perf_counter_ns()
        self.fault = None
        aborted = False
        request, readable = self._read()
        self.fake.begin(request)
        try:
            self._answer(request, readable)
        except _Hangup:
            self.close_connection = True
        except (_ClientLeft, ConnectionError):
            self.close_connection = True
            aborted = not self.server.stopping.is_set()
        finally:
            self.fake.end(request, aborted=aborted)

    def _read(self) -> tuple[Request, bool]:
        """The request, and whether its body is an object or empty."""
        if self.path.startswith(_BLOBS):
            self._receive_blob()
            return Request(self.command, self.path, {}, dict(self.headers)), True
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = None
        readable = isinstance(body, dict)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return (
            Request(self.command, self.path.partition("?")[0], body if readable else {}, headers),
            readable,
        )

    def _answer(self, request: Request, readable: bool) -> None:
        """Answers a request by its route, or with the refusal that came up before the first
        byte."""
        try:
            self._pause(self.fake.latency_s)
            if self.fake.server_status is not None:
                self._strike_early(self.fake.server_status)
                self.fault = self.fake.server_status
            if (broken := self.fake.path_faults.get(request.path)) is not None:
                self._strike_early(broken)
            if request.path in self.fake.path_answers:
                self._send_json(self.fake.path_answers[request.path])
                return
            path = _BLOBS if request.path.startswith(_BLOBS) else request.path
            route = _ROUTES.get((request.method, path))
            if route is None:
                known = any(path == request.path for _, path in _ROUTES)
                status, text = (
                    (405, "405 method not allowed") if known else (404, "404 page not found")
                )
                raise _Refusal(status, text, page_type="text/plain")
            if not readable:
                raise _Refusal(400, "invalid character in request body")
            route(self, request.body)
        except _Refusal as refusal:
            self._refuse(refusal)

    def _strike_early(self, fault: Fault) -> None:
        """Breaks the answer before its first byte, when the fault is of that kind."""
        if fault.kind == "slow":
            self._pause(fault.seconds)
        elif fault.kind == "close":
            raise _Hangup
        elif fault.kind == "status":
            raise _Refusal(fault.status, fault.message, retry_after=fault.retry_after)
        elif fault.kind == "overflow":
            raise _Refusal(400, OVERFLOW)
        elif fault.kind == "html":
            raise _Refusal(200, _page("Welcome to nginx!"), page_type="text/html")
        elif fault.kind == "html_502":
            raise _Refusal(
                502, _page("502 Bad Gateway"), retry_after=fault.retry_after, page_type="text/html"
            )

    def _refuse(self, refusal: _Refusal) -> None:
        """Sends a refusal in the form of the endpoint."""
        more = {"Retry-After": refusal.retry_after} if refusal.retry_after is not None else {}
        if refusal.page_type:
            self._send(refusal.status, refusal.page_type, refusal.message.encode(), more)
        elif self.path.startswith("/v1/"):
            self._send(
                refusal.status, _JSON, _line(_openai_error(refusal.status, refusal.message)), more
            )
        else:
            self._send(refusal.status, _JSON, _line({"error": refusal.message}), more)

    def _pause(self, seconds: float) -> None:
        """Sleeps, and wakes up when the server stops or the client leaves."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.server.stopping.wait(min(left, _TICK_S)):
                raise _Hangup
            if self._client_left():
                raise _ClientLeft

    def _client_left(self) -> bool:
        """Whether the client closed its side; a write alone would tell only after a second
        write."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def _head(self, status: int, content_type: str, headers: dict[str, str]) -> None:
        """Sends the status line and the headers."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(
        self, status: int, content_type: str, data: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Sends a whole answer."""
        self._head(status, content_type, {"Content-Length": str(len(data)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _send_json(self, value: Json) -> None:
        """Sends an object, or what the fault leaves of it."""
        data = _line(value)
        kind = self.fault.kind if self.fault else ""
        if self.fault and kind == "stall":
            self._pause(self.fault.seconds)
            raise _Hangup
        if self.fault and kind == "error_line":
            raise _Refusal(500, self.fault.message)
        if kind == "cut":
            self._head(200, _JSON, {"Content-Length": str(len(data))})
            self.wfile.write(data[: len(data) // 2])
            raise _Hangup
        self._send(200, _JSON, data[: len(data) // 2] if kind == "malformed" else data)

    def _send_stream(self, content_type: str, lines: Iterable[bytes]) -> None:
        """Sends every line as a chunk of its own, each with its own write."""
        self._head(200, content_type, {"Transfer-Encoding": "chunked"})
        write = self.wfile.write
        for line in lines:
            write(b"%x\r\n%b\r\n" % (len(line), line))
        write(b"0\r\n\r\n")

    def _until_fault(self, chunks: Iterable[bytes], wire: _Wire) -> Generator[bytes, None, bool]:
        """The chunks up to the fault; returns whether the stream goes on behind them."""
        rest = iter(chunks)
        fault = self.fault
        if fault is None or fault.kind not in BODY_FAULTS:
            yield from rest
            return True
        yield from islice(rest, fault.after)
        if fault.kind == "stall":
            self._pause(fault.seconds)
        if fault.kind in ("stall", "cut"):
            raise _Hangup
        if fault.kind == "error_line":
            yield wire.error(fault.message)
        if fault.kind != "malformed":
            return False
        yield wire.broken
        yield from rest
        return True

    def _model(self, name: str) -> FakeModel:
        """The installed model of that name."""
        if not name:
            raise _Refusal(400, "model is required")
        model = self.fake.models.get(full_name(name))
        if model is None:
            raise _Refusal(404, f"model '{name}' not found")
        return model

    def _load(self, model: FakeModel, num_ctx: int | None) -> tuple[int, int]:
        """Makes the model resident; returns its context, and the nanoseconds it took."""
        begun_ns = time.perf_counter_ns()
        context = min(num_ctx or model.num_ctx or DEFAULT_NUM_CTX, model.context_length)
        with self.fake.load_lock(model.digest):
            # as with the real one, another context is another load, and names that share a digest
            # are one model, listed by its first name
            name = self.fake.loaded_as(model)
            if self.fake.resident.get(name) != context:
                self._pause(model.load_s)
                self.fake.resident[name] = context
                self.fake.loads += 1
        return context, max(1, time.perf_counter_ns() - begun_ns)

    def _release(self, model: FakeModel, keep_alive: object) -> None:
        """Unloads the model when the request asked for it."""
        if _is_zero(keep_alive):
            self.fake.resident.pop(self.fake.loaded_as(model), None)

    def _converse(self, ask: _Ask, wire: _Wire) -> None:
        """Answers a chat or generate request."""
        model = self._model(ask.model)
        unloads = not ask.messages and _is_zero(ask.keep_alive)
        if "completion" not in model.capabilities and not unloads:
            raise _Refusal(400, f'"{ask.model}" does not support {wire.verb}')
        if ask.think and "thinking" not in model.capabilities:
            raise _Refusal(400, f'"{ask.model}" does not support thinking')
        if isinstance(ask.think, str) and model.family != "gptoss":
            raise _Refusal(400, f'think value "{ask.think}" is not supported for this model')
        if not ask.messages:
            self._send_json(wire.bare(self._touch(model, ask)))
            return
        # a fault of the whole server leaves the model's own for later
        self.fault = self.fault or self.fake.take_fault(model, ask.messages)
        if self.fault is not None and self.fault is not self.fake.server_status:
            self._strike_early(self.fault)
        try:
            answer = self._prepare(model, ask)
            if ask.stream:
                self._send_stream(wire.content_type, self._lines(model, ask, answer, wire))
            else:
                self._send_json(self._whole(model, ask, answer, wire))
        finally:
            self._release(model, ask.keep_alive)

    def _touch(self, model: FakeModel, ask: _Ask) -> str:
        """Loads or unloads the model as a request without messages asks for; returns the
        done_reason."""
        if _is_zero(ask.keep_alive):
            self._release(model, ask.keep_alive)
            return "unload"
        self._load(model, ask.num_ctx)
        return "load"

    def _prepare(self, model: FakeModel, ask: _Ask) -> _Answer:
        """Loads the model and makes its answer, with the clock running."""
        context, load_ns = self._load(model, ask.num_ctx)
        loaded_ns = time.perf_counter_ns()
        tokens = model.prompt_tokens(ask.messages)
        if tokens > context and not ask.truncate:
            raise _Refusal(400, model.overflow.format(tokens=tokens, context=context))
        answer = _plan(model, ask, self.fault)
        answer.prompt_tokens = min(tokens, context)
        answer.begun_ns = self.begun_ns
        answer.load_ns = load_ns
        answer.speaking_ns = time.perf_counter_ns()
        answer.prompt_ns = max(1, answer.speaking_ns - loaded_ns)
        return answer

    def _lines(self, model: FakeModel, ask: _Ask, answer: _Answer, wire: _Wire) -> Iterator[bytes]:
        """The lines of a streamed answer."""
        yield from self._paced(map(wire.thinking, answer.thinking), model.chunk_delay_s)
        goes_on = yield from self._until_fault(
            self._paced(map(wire.text, answer.reply), model.chunk_delay_s), wire
        )
        if not goes_on:
            return
        if answer.tool_calls:
            yield wire.delta(tool_calls=answer.tool_calls)
        # before the last line, so that a client that has read it finds the model gone
        self._release(model, ask.keep_alive)
        yield wire.done(answer)

    def _paced(self, lines: Iterable[bytes], delay_s: float) -> Iterator[bytes]:
        """The lines, each after a delay."""
        if delay_s <= 0:
            yield from lines
            return
        for line in lines:
            self._pause(delay_s)
            yield line

    def _whole(self, model: FakeModel, ask: _Ask, answer: _Answer, wire: _Wire) -> Json:
        """The body of an answer that is not streamed."""
        if self.fault and self.fault.kind == "end":
            answer.reply = answer.reply[: self.fault.after]
            answer.tool_calls = []
            answer.done_reason = None
        self._pause(model.chunk_delay_s * (len(answer.thinking) + len(answer.reply)))
        self._release(model, ask.keep_alive)
        return wire.whole(answer)

    def root(self, body: Json) -> None:
        """GET /."""
        self._send(200, "text/plain; charset=utf-8", b"Ollama is running")

    def version(self, body: Json) -> None:
        """GET /api/version."""
        self._send_json({"version": self.fake.version})

    def tags(self, body: Json) -> None:
        """GET /api/tags."""
        models = list(self.fake.models.values())
        more = self._told_in_lists if self.fake.tells_in_lists else lambda _: {}
        self._send_json({"models": [{**self._listed(each), **more(each)} for each in models]})

    def ps(self, body: Json) -> None:
        """GET /api/ps."""
        expires = _iso(_now() + timedelta(minutes=5))
        rows = [
            {
                **self._listed(model),
                **model.remote("ps"),
                "expires_at": expires,
                "size_vram": 0,
                "context_length": num_ctx,
            }
            for name, num_ctx in list(self.fake.resident.items())
            if (model := self.fake.models.get(full_name(name)))
        ]
        for row in rows:
            del row["modified_at"]
        self._send_json({"models": rows})

    def _listed(self, model: FakeModel) -> Json:
        """A model's row in /api/tags."""
        return {
            "name": model.full_name,
            "model": model.full_name,
            "modified_at": "2025-10-01T12:00:00Z",
            "size": model.size,
            "digest": model.digest,
            "details": model.details,
            **model.remote("tags"),
        }

    @staticmethod
    def _told_in_lists(model: FakeModel) -> Json:
        """What Ollama has told in its lists since 0.30, as recorded of 0.32.15."""
        details = {**model.details, "context_length": model.context_length}
        return {"details": details, "capabilities": model.capabilities}

    def show(self, body: Json) -> None:
        """POST /api/show."""
        model = self._model(str(body.get("model") or body.get("name") or ""))
        self._send_json(
            {
                "modelfile": f"FROM {model.full_name}\n{model.modelfile}",
                "parameters": (
                    f"num_ctx                        {model.num_ctx}\nstop                         "
                    '  "<|end|>"'
                    if model.num_ctx
                    else ""
                ),
                "template": model.template,
                "details": model.details,
                "model_info": model.info,
                **({"capabilities": model.capabilities} if model.tells_capabilities else {}),
                "modified_at": "2025-10-01T12:00:00Z",
                **model.remote("show"),
            }
        )

    def delete(self, body: Json) -> None:
        """DELETE /api/delete."""
        self.fake.remove(self._model(str(body.get("model") or body.get("name") or "")).name)
        self._send(200, _JSON, b"")

    def copy(self, body: Json) -> None:
        """POST /api/copy."""
        model = self._model(str(body.get("source") or ""))
        self.fake.add(replace(model, name=full_name(str(body.get("destination") or ""))))
        self._send(200, _JSON, b"")

    def create(self, body: Json) -> None:
        """POST /api/create."""
        for digest in dict(body.get("files") or {}).values():
            if digest not in self.fake.blobs:
                raise _Refusal(400, f"blob {digest} not found")
        self.fake.add(FakeModel(full_name(str(body.get("model") or ""))))
        steps = [{"status": "writing manifest"}, {"status": "success"}]
        self._send_stream(_NDJSON, map(_line, steps))

    def push(self, body: Json) -> None:
        """POST /api/push."""
        model = self._model(str(body.get("model") or ""))
        self.fake.pushed.append(model.full_name)
        steps = [{"status": "retrieving manifest"}, {"error": "no account"}]
        self._send_stream(_NDJSON, map(_line, steps))

    def account(self, body: Json) -> None:
        """POST /api/me, signed out."""
        said = {"error": "unauthorized", "signin_url": "https://ollama.com/connect"}
        self._send(401, _JSON, _line(said))

    def has_blob(self, body: Json) -> None:
        """HEAD /api/blobs/DIGEST."""
        self._head(200 if self.path.removeprefix(_BLOBS) in self.fake.blobs else 404, _JSON, {})

    def store_blob(self, body: Json) -> None:
        """POST /api/blobs/DIGEST."""
        digest = self.path.removeprefix(_BLOBS)
        if self._blob[0] != digest:
            raise _Refusal(400, f'digest mismatch, expected "{digest}", got "{self._blob[0]}"')
        self.fake.blobs[digest] = self._blob[1]
        self._send(201, _JSON, b"")

    def _receive_blob(self) -> None:
        """Reads a body in parts, and keeps its digest and its size."""
        hashed, size = hashlib.sha256(), 0
        for part in self._parts():
            hashed.update(part)
            size += len(part)
        self._blob = f"sha256:{hashed.hexdigest()}", size

    def _parts(self) -> Iterator[bytes]:
        """The parts of a body, chunked or not."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def pull(self, body: Json) -> None:
        """POST /api/pull."""
        self.fault = self.fault or self.fake.pull_fault
        name = str(body.get("model") or body.get("name") or "")
        wire = _Wire(_ask_native(body, []))
        steps = self._pull_steps(name)
        if body.get("stream") is not False:
            self._send_stream(_NDJSON, self._until_fault(map(_line, steps), wire))
            return
        last = list(steps)[-1]
        if "error" in last:
            raise _Refusal(500, str(last["error"]))
        self._send_json(last)

    def _pull_steps(self, name: str) -> Iterator[Json]:
        """What a pull reports; the model is there when it reports success."""
        yield {"status": "pulling manifest"}
        if name.startswith("missing"):
            yield {"error": "pull model manifest: file does not exist"}
            return
        model = self.fake.models.get(full_name(name)) or FakeModel(full_name(name))
        step = {
            "status": f"pulling {model.digest[:12]}",
            "digest": f"sha256:{model.digest}",
            "total": model.size,
        }
        for quarter in range(5):
            yield {**step, "completed": model.size * quarter // 4}
        self.fake.add(model)
        self.fake.pulled.append(model.full_name)
        yield {"status": "success"}

    def chat(self, body: Json) -> None:
        """POST /api/chat."""
        ask = _ask_native(body, list(body.get("messages") or ()))
        self._converse(ask, _Wire(ask, self._remote(ask.model)))

    def generate(self, body: Json) -> None:
        """POST /api/generate."""
        if body.get("suffix"):
            model = self._model(str(body.get("model") or ""))
            if "insert" not in model.capabilities:
                full = f"registry.ollama.ai/library/{model.full_name}"
                raise _Refusal(400, f"{full} does not support insert")
        said = [{"content": body[key]} for key in ("system", "prompt") if body.get(key)]
        ask = _ask_native(body, said if body.get("prompt") else [])
        self._converse(ask, _GenerateWire(ask, self._remote(ask.model)))

    def _remote(self, name: str) -> Json:
        """What an answer of that model says of where it came from."""
        model = self.fake.models.get(full_name(name))
        return model.remote("answer") if model else {}

    def completions(self, body: Json) -> None:
        """POST /v1/chat/completions."""
        ask = _ask_openai(body)
        if not ask.messages:
            raise _Refusal(400, "[] is too short - 'messages'")
        self._converse(ask, _OpenAIWire(ask, body, self._remote(ask.model)))

    def openai_models(self, body: Json) -> None:
        """GET /v1/models."""
        names = list(self.fake.models)
        data = [
            {"id": name, "object": "model", "created": 1_759_320_000, "owned_by": "library"}
            for name in names
        ]
        self._send_json({"object": "list", "data": data})

    def _embed(self, body: Json) -> Json:
        """The native answer to a request for embeddings."""
        ask = _ask_native(body, [])
        model = self._model(ask.model)
        given = body.get("input", [])
        texts = [given] if isinstance(given, str) else [str(text) for text in given]
        load_ns = self._load(model, ask.num_ctx)[1]
        self._release(model, ask.keep_alive)
        return {
            "model": ask.model,
            **model.remote("answer"),
            "embeddings": [_embedding(text) for text in texts],
            "total_duration": max(1, time.perf_counter_ns() - self.begun_ns),
            "load_duration": load_ns,
            "prompt_eval_count": sum(max(1, len(text.encode()) // 4) for text in texts),
        }

    def embed(self, body: Json) -> None:
        """POST /api/embed."""
        self._send_json(self._embed(body))

    def openai_embeddings(self, body: Json) -> None:
        """POST /v1/embeddings."""
        native = self._embed(body)
        vectors = enumerate(native["embeddings"])
        data = [
            {"object": "embedding", "embedding": vector, "index": index}
            for index, vector in vectors
        ]
        count = native["prompt_eval_count"]
        usage = {"prompt_tokens": count, "total_tokens": count}
        self._send_json({"object": "list", "data": data, "model": native["model"], "usage": usage})


_ROUTES: dict[tuple[str, str], Callable[[_Handler, Json], None]] = {
    ("GET", "/"): _Handler.root,
    ("GET", "/api/version"): _Handler.version,
    ("GET", "/api/tags"): _Handler.tags,
    ("GET", "/api/ps"): _Handler.ps,
    ("POST", "/api/show"): _Handler.show,
    ("POST", "/api/chat"): _Handler.chat,
    ("POST", "/api/generate"): _Handler.generate,
    ("POST", "/api/embed"): _Handler.embed,
    ("POST", "/api/pull"): _Handler.pull,
    ("DELETE", "/api/delete"): _Handler.delete,
    ("POST", "/api/copy"): _Handler.copy,
    ("POST", "/api/create"): _Handler.create,
    ("POST", "/api/push"): _Handler.push,
    ("POST", "/api/me"): _Handler.account,
    ("HEAD", "/api/blobs/"): _Handler.has_blob,
    ("POST", "/api/blobs/"): _Handler.store_blob,
    ("GET", "/v1/models"): _Handler.openai_models,
    ("POST", "/v1/chat/completions"): _Handler.completions,
    ("POST", "/v1/embeddings"): _Handler.openai_embeddings,
}


class _Server(ThreadingHTTPServer):
    """The listening socket and the connections it accepted."""

    daemon_threads = True
    block_on_close = False
    # a test may open many connections at once, and one that is not queued waits a second for its
    # next try
    request_queue_size = 128

    def __init__(self, fake: FakeOllama, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler, bind_and_activate=False)
        self.fake = fake
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._idle = threading.Condition()
        try:
            self.server_bind()
        except OSError:
            self.server_close()
            raise

    def server_bind(self) -> None:
        """Binds without looking up the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)

    def serve(self) -> None:
        """Accepts connections until the server stops; serve_forever() would notice a stop only at
        its next poll."""
        while not self.stopping.is_set():
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Turns away the connection that wakes serve() up."""
        return not self.stopping.is_set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serves a connection, and knows it while it is open."""
        with self._idle:
            if self.stopping.is_set():
                return
            self._connections.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            with self._idle:
                self._connections.discard(request)
                self._idle.notify_all()

    def hang_up(self) -> None:
        """Closes every connection and waits a moment for their threads."""
        with self._idle:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._idle.wait_for(lambda: not self._connections, timeout=1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing about a lost connection; a mistake in this file still shows on stderr."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _parse_model(text: str, chunk_delay_s: float) -> FakeModel:
    """A model from NAME or NAME=CHUNKS."""
    name, _, count = text.partition("=")
    return FakeModel(name, reply=["word "] * int(count or 50), chunk_delay_s=chunk_delay_s)


def main() -> None:
    """Serves models from the command line until killed; the first line on stdout is the URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", default=[], metavar="NAME[=CHUNKS]")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--chunk-delay", type=float, default=0.0, metavar="SECONDS")
    args = parser.parse_args()
    models = [_parse_model(text, args.chunk_delay) for text in args.model]
    with FakeOllama(models, port=args.port) as fake, contextlib.suppress(KeyboardInterrupt):
        print(fake.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
