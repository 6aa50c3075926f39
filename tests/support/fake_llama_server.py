"""A real HTTP server on 127.0.0.1 that speaks as llama.cpp's `llama-server` b10488 does, alone and
as a router, and as llama-swap does by its source of August 2026.

The forms of llama-server were recorded from the program itself; those of llama-swap were not.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.simulated_gpus import SimulatedGpus

Json = dict[str, Any]
CAPS = (
    *("object_arguments", "parallel_tool_calls", "preserve_reasoning", "reasoning_effort"),
    *("string_content", "system_role", "tool_calls", "tools", "typed_content"),
)
END = b"data: [DONE]\n\n"


@dataclass
class ServedModel:
    """One model, or one preset of a model. `num_ctx` is that of a slot; `fails` makes each load end
    with this exit code; `peer` is llama-swap's other server that runs it, `calls` the tool that its
    answers call."""

    id: str
    status: str = "unloaded"
    num_ctx: int = 1024
    slots: int = 2
    busy: int = 0
    size: int = 96_576_768
    parameters: int = 134_515_008
    caps: frozenset[str] = frozenset()
    template: str = "{{ messages }}"
    sees: bool = False
    args: list[str] = field(default_factory=list)
    fails: int = 0
    exit_code: int = 0
    peer: str = ""
    cached: int = 0
    draft: tuple[int, int] | None = None
    calls: str = ""

    @property
    def meta(self) -> Json:
        """The metadata of a loaded model."""
        return {
            "vocab_type": 2,
            "n_vocab": 49152,
            "n_ctx": self.num_ctx,
            "n_ctx_train": 8192,
            "n_params": self.parameters,
            "size": self.size,
            "ftype": "Q4_1",
        }

    @property
    def props(self) -> Json:
        """`/props` of its process."""
        return {
            "default_generation_settings": {"params": {}, "n_ctx": self.num_ctx},
            "total_slots": self.slots,
            "modalities": {"vision": self.sees, "video": False, "audio": False},
            "chat_template": self.template,
            "chat_template_caps": {f"supports_{name}": name in self.caps for name in CAPS},
            "build_info": "b10488-fake",
            "is_sleeping": self.status == "sleeping",
        }


class FakeLlamaServer:
    """Serves its models until the block ends. `requests` are method, path and body of each;
    `answers` replaces the answer to a path: a status with a body, or None for a connection that is
    closed. A load waits for `gate`, and fails where the model does not fit on `gpus`."""

    def __init__(
        self,
        *models: ServedModel,
        mode: Literal["single", "router", "swap"] = "router",
        max_models: int = 4,
        gpus: SimulatedGpus | None = None,
    ) -> None:
        self.models = {model.id: model for model in models}
        self.mode, self.max_models, self.gpus = mode, max_models, gpus
        self.requests: list[tuple[str, str, Json]] = []
        self.answers: dict[str, tuple[int, Any] | None] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.has_events = True
        self._listeners: list[queue.Queue[Json | None]] = []
        self._order: list[str] = []
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.gate.set()
        for listener in self._listeners:
            listener.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def asked(self, path: str) -> int:
        """How often a path was asked for, whatever its query."""
        return sum(urlsplit(each).path == path for _, each, _ in self.requests)

    # ---------------------------------------------------------------- loads

    def listen(self) -> queue.Queue[Json | None]:
        """The router's events from now on."""
        events: queue.Queue[Json | None] = queue.Queue()
        self._listeners.append(events)
        return events

    def set_status(self, model: ServedModel, status: str, **data: Any) -> None:
        """Changes a model's state and tells the listeners."""
        with self._lock:
            model.status = status
            if status == "unloaded" and self.gpus:
                self.gpus.give_back(model.id)
            event = {"model": model.id, "event": "status_change", "data": {"status": status} | data}
            for listener in self._listeners:
                listener.put(event)

    def start_load(self, model: ServedModel) -> threading.Thread:
        """Begins a load, after ending the process of the model that is loaded longest where there
        are as many as may be."""
        with self._lock:
            running = [name for name in self._order if self.models[name].status == "loaded"]
            if len(running) >= self.max_models:
                self.set_status(self.models[running[0]], "unloaded", exit_code=0)
            self._order = [*(name for name in self._order if name != model.id), model.id]
            model.exit_code = 0
            self.set_status(model, "loading")
        thread = threading.Thread(target=self._load, args=(model,), daemon=True)
        thread.start()
        return thread

    def _load(self, model: ServedModel) -> None:
        stages = {"stages": ["text_model"], "current": "text_model"}
        self.set_status(model, "loading", progress={**stages, "value": 0.5})
        self.gate.wait(20)
        if model.status != "loading":
            return
        if model.fails or (self.gpus and not self.gpus.take(model.id)):
            model.exit_code = model.fails or 1
            self.set_status(model, "unloaded", exit_code=model.exit_code)
        else:
            self.set_status(model, "loaded", info={"id": model.id, "meta": model.meta})

    # ---------------------------------------------------------------- lists

    def entry(self, model: ServedModel) -> Json:
        """A model's entry in the list."""
        entry: Json = {"id": model.id, "object": "model", "created": 1}
        if self.mode == "swap":
            kind = {"type": "peer", "peerID": model.peer} if model.peer else {"type": "model"}
            is_up = model.status in ("loaded", "loading")
            status = {"value": "loaded" if is_up else "unloaded"}
            own = {"owned_by": "llama-swap", "status": status, "meta": {"llamaswap": kind}}
            return entry | own
        entry |= {"owned_by": "llamacpp", "aliases": [], "tags": []}
        if self.mode == "single":
            return entry | {"meta": model.meta}
        state: Json = {"value": model.status, "args": model.args}
        if model.exit_code:
            state |= {"exit_code": model.exit_code, "failed": True}
        inputs = ["text", *(["image"] if model.sees else [])]
        more = {"status": state, "architecture": {"input_modalities": inputs}}
        return entry | more | ({"meta": model.meta} if model.status == "loaded" else {})

    def find(self, name: str) -> ServedModel | None:
        """The model that a request names; a server alone has one, whatever the name."""
        if self.mode == "single":
            return next(iter(self.models.values()))
        return self.models.get(name)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeLlamaServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer(json.loads(data or b"{}"))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _answer(self, body: Json) -> None:
        parts = urlsplit(self.path)
        self.fake.requests.append((self.command, self.path, body))
        with contextlib.suppress(ConnectionError):
            if parts.path in self.fake.answers:
                self._replaced(self.fake.answers[parts.path])
                return
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            path = parts.path.removeprefix("/v1")
            handlers: dict[str, Callable[[Json, dict[str, str]], None]] = {
                "/models": self._list,
                "/props": self._props,
                "/slots": self._slots,
                "/running": self._running,
                "/models/sse": self._events,
                "/models/load": self._load,
                "/models/unload": self._unload,
                "/chat/completions": self._chat,
                "/chat/completions/input_tokens": self._count,
            }
            if path.startswith("/api/models/unload/") and self.fake.mode == "swap":
                self._swap_unload(unquote(path.removeprefix("/api/models/unload/")))
            elif path in handlers and self._has(path):
                handlers[path](body, query)
            else:
                self._fail(404, "File Not Found", "not_found_error")

    def _has(self, path: str) -> bool:
        mode = self.fake.mode
        if path == "/models/sse" and not self.fake.has_events:
            return False
        of_router = path.startswith("/models/")
        return (mode == "router" or not of_router) and (mode == "swap" or path != "/running")

    def _replaced(self, answer: tuple[int, Any] | None) -> None:
        if answer is None:
            self.close_connection = True
        else:
            self._json(answer[1], answer[0])

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status, "application/json; charset=utf-8")

    def _send(self, data: bytes, status: int = 200, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status: int, message: str, kind: str, **more: Any) -> None:
        error = {"code": status, "message": message, "type": kind} | more
        self._json({"error": error}, status)

    # ---------------------------------------------------------------- questions

    def _list(self, body: Json, query: dict[str, str]) -> None:
        fake = self.fake
        self._json({"object": "list", "data": [fake.entry(each) for each in fake.models.values()]})

    def _props(self, body: Json, query: dict[str, str]) -> None:
        if self.fake.mode == "router" and "model" not in query:
            head = {"role": "router", "max_instances": self.fake.max_models}
            self._json(head | {"build_info": "b10488-fake", "total_slots": None})
        elif model := self._running_model(query):
            self._json(model.props)

    def _slots(self, body: Json, query: dict[str, str]) -> None:
        if model := self._running_model(query):
            states = [{"is_processing": n < model.busy} for n in range(model.slots)]
            self._json([{"id": n, "n_ctx": model.num_ctx} | each for n, each in enumerate(states)])

    def _running_model(self, query: dict[str, str]) -> ServedModel | None:
        """The model that a question names; answers with the refusal if it is not there, or not
        loaded where it must not be loaded."""
        model = self.fake.find(query.get("model", ""))
        if model is None:
            self._fail(400, "model name is missing from the request", "invalid_request_error")
            return None
        if model.status not in ("loaded", "sleeping") and self.fake.mode != "single":
            if query.get("autoload") == "false" and self.fake.mode == "router":
                self._fail(400, "model is not loaded", "invalid_request_error")
                return None
            self.fake.start_load(model).join(20)
        return model

    def _running(self, body: Json, query: dict[str, str]) -> None:
        words = {"loaded": "ready", "loading": "starting"}
        rows = [
            {"model": each.id, "state": words[each.status], "cmd": "llama-server -m x.gguf"}
            for each in self.fake.models.values()
            if each.status in words
        ]
        self._json({"running": rows})

    # ---------------------------------------------------------------- loads

    def _events(self, body: Json, query: dict[str, str]) -> None:
        events = self.fake.listen()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        while (event := events.get()) is not None:
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _load(self, body: Json, query: dict[str, str]) -> None:
        model = self.fake.models.get(body.get("model", ""))
        if model is None:
            self._fail(404, "model is not found", "not_found_error")
        elif model.status in ("loaded", "loading", "sleeping"):
            self._fail(400, "model is already running", "invalid_request_error")
        else:
            self.fake.start_load(model)
            self._json({"success": True})

    def _unload(self, body: Json, query: dict[str, str]) -> None:
        model = self.fake.models.get(body.get("model", ""))
        if model is None or model.status == "unloaded":
            self._fail(400, "model is not running", "invalid_request_error")
        else:
            self.fake.set_status(model, "unloaded", exit_code=0)
            self._json({"success": True})

    def _swap_unload(self, name: str) -> None:
        self.fake.set_status(self.fake.models[name], "unloaded")
        self._send(b"OK")

    # ---------------------------------------------------------------- prompts

    def _count(self, body: Json, query: dict[str, str]) -> None:
        if self._running_model({"model": body.get("model", "")} | query):
            self._json({"input_tokens": count(body), "object": "response.input_tokens"})

    def _chat(self, body: Json, query: dict[str, str]) -> None:
        model = self._running_model({"model": body.get("model", "")})
        if model is None:
            return
        if model.status == "unloaded":
            message = f"model name={model.id} failed to load"
            self._fail(500, message, "server_error")
        elif (tokens := count(body)) > model.num_ctx:
            message = (
                f"request ({tokens} tokens) exceeds the available context size"
                f" ({model.num_ctx} tokens), try increasing it"
            )
            counts = {"n_prompt_tokens": tokens, "n_ctx": model.num_ctx}
            self._fail(400, message, "exceed_context_size_error", **counts)
        else:
            self._send(b"".join(_stream(model, tokens)), 200, "text/event-stream")


def count(body: Json) -> int:
    """The tokens of a prompt: one a word, and ten for the template."""
    texts = [str(message.get("content") or "") for message in body.get("messages", [])]
    return 10 + sum(len(text.split()) for text in texts)


def _stream(model: ServedModel, tokens: int) -> list[bytes]:
    """The events of one answer, the last with usage and timings."""
    timings: Json = {
        "cache_n": model.cached,
        "prompt_n": tokens - model.cached,
        "prompt_ms": 100.0,
        "predicted_n": 2,
        "predicted_ms": 50.0,
    }
    if model.draft:
        timings |= {"draft_n": model.draft[0], "draft_n_accepted": model.draft[1]}
    usage = {
        "completion_tokens": 2,
        "prompt_tokens": tokens,
        "prompt_tokens_details": {"cached_tokens": model.cached},
    }
    head = {"object": "chat.completion.chunk", "model": model.id, "created": 1}
    texts = [{"role": "assistant", "content": None}, {"content": "Hello"}, {"content": " world"}]
    if model.calls:
        call = {"index": 0, "id": "c1", "function": {"name": model.calls, "arguments": "{}"}}
        texts = [{"role": "assistant", "tool_calls": [call | {"type": "function"}]}]
    choices: list[Json] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in texts]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [head | {"choices": [choice]} for choice in choices]
    events.append(head | {"choices": [], "usage": usage, "timings": timings})
    return [*(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), END]
