"""The same requests to any server that speaks Ollama's APIs, and the shape of what it answers.

`python -m tests.server.api.wire_shapes http://127.0.0.1:11434 > FILE` records the shapes of a
server, which must have the models of `MODELS`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import httpx

PLAIN, TOOLS, EMBEDS, THINKS = "smollm2:135m", "smol-tools", "smol-embed", "smol-think"
MODELS = (PLAIN, TOOLS, EMBEDS, THINKS)
"""A plain model, one with tools, one that embeds, one that thinks; asked without `:latest`."""
LITERALS = frozenset(
    (
        *("model", "object", "role", "finish_reason", "done", "done_reason"),
        *("owned_by", "code", "status", "usage", "type", "param"),
    )
)
"""Fields whose value is part of the shape, where it is a text, a truth value or null."""
HI = [{"role": "user", "content": "Say hi"}]
FEW = {"num_predict": 4, "temperature": 0}
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


RECORDED = json.loads((Path(__file__).parent / "ollama-0.32.15.json").read_text("utf-8"))
SHAPES: dict[str, Any] = RECORDED["shapes"]
"""What a real Ollama answered, by the name of the case; recorded on 2026-11-30."""


class Case(NamedTuple):
    """One request. Of an answer deeper than `depth`, nothing is compared."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    depth: int = 9


def _chat(name: str, **fields: Any) -> Case:
    body = {"model": PLAIN, "messages": HI, "stream": False, "options": FEW, **fields}
    return Case(f"chat {name}", "POST", "/api/chat", body)


def _generate(name: str, **fields: Any) -> Case:
    body = {"model": PLAIN, "prompt": "Say hi", "stream": False, "options": FEW, **fields}
    return Case(f"generate {name}", "POST", "/api/generate", body)


def _openai(name: str, **fields: Any) -> Case:
    body = {"model": PLAIN, "messages": HI, "max_tokens": 4, "temperature": 0, **fields}
    return Case(f"openai {name}", "POST", "/v1/chat/completions", body)


def _responses(name: str, **fields: Any) -> Case:
    body = {"model": PLAIN, "input": "Say hi", "max_output_tokens": 4, "temperature": 0.5, **fields}
    return Case(f"responses {name}", "POST", "/v1/responses", body)


def _without(case: Case, *names: str) -> Case:
    kept = {name: value for name, value in (case.body or {}).items() if name not in names}
    return case._replace(body=kept)


CASES = (
    Case("root", "GET", "/"),
    Case("version", "GET", "/api/version"),
    Case("tags", "GET", "/api/tags"),
    Case("show", "POST", "/api/show", {"model": PLAIN}, depth=1),
    Case("show verbose", "POST", "/api/show", {"model": PLAIN, "verbose": True}, depth=1),
    Case("show missing", "POST", "/api/show", {"model": "nosuch"}),
    Case("show nothing", "POST", "/api/show", {}),
    _chat("whole"),
    _chat("streamed", stream=True),
    _chat("logprobs", logprobs=True, top_logprobs=1),
    _chat("short name", model="smollm2"),
    _chat("missing", model="nosuch"),
    _without(_chat("without model"), "model"),
    _chat("unknown role", messages=[{"role": "narrator", "content": "It rains"}, *HI]),
    _chat("bad format", format="yaml"),
    _chat("bad option", options={"temperature": "hot"}),
    _chat("schema", format=SCHEMA, options={**FEW, "num_predict": 60}),
    _chat("load", messages=[]),
    _chat("tools refused", tools=[TOOL]),
    _generate("whole"),
    _generate("streamed", stream=True),
    _generate("load", prompt=""),
    _generate("raw", raw=True),
    _generate("suffix", suffix="!"),
    _generate("template", template="{{ .Prompt }}"),
    _generate("context", context=[1, 2, 3]),
    _generate("thinking", model=THINKS, think=True, options={**FEW, "num_predict": 60}),
    Case("ps", "GET", "/api/ps"),
    Case("embed", "POST", "/api/embed", {"model": EMBEDS, "input": "a"}),
    Case("embed several", "POST", "/api/embed", {"model": EMBEDS, "input": ["a", "b"]}),
    Case("embed nothing", "POST", "/api/embed", {"model": EMBEDS, "input": []}),
    Case("embed missing", "POST", "/api/embed", {"model": "nosuch", "input": "a"}),
    Case("embeddings", "POST", "/api/embeddings", {"model": EMBEDS, "prompt": "a"}),
    _openai("whole"),
    _openai("streamed", stream=True),
    _openai("streamed usage", stream=True, stream_options={"include_usage": True}),
    _openai("logprobs", logprobs=True, top_logprobs=1),
    _openai("missing", model="nosuch"),
    _without(_openai("without model"), "model"),
    _openai("two choices", n=2),
    _openai("tools refused", tools=[TOOL]),
    _openai("bad temperature", temperature="hot"),
    _openai("without messages", messages=[]),
    Case(
        "completions whole",
        "POST",
        "/v1/completions",
        {"model": PLAIN, "prompt": "Say hi", "max_tokens": 4},
    ),
    Case(
        "completions streamed",
        "POST",
        "/v1/completions",
        {"model": PLAIN, "prompt": "Say hi", "max_tokens": 4, "stream": True},
    ),
    _responses("whole", max_output_tokens=200),
    _responses("cut"),
    _responses("streamed", stream=True),
    _responses("missing", model="nosuch"),
    Case("models", "GET", "/v1/models"),
    Case("model", "GET", f"/v1/models/{PLAIN}"),
    Case("model missing", "GET", "/v1/models/nosuch"),
    Case("openai embeddings", "POST", "/v1/embeddings", {"model": EMBEDS, "input": "a"}),
    Case("unknown path", "GET", "/api/nosuch"),
    Case("unknown path of openai", "GET", "/v1/nosuch"),
    Case("wrong method", "GET", "/api/chat"),
)


def shape_of(value: Any, name: str = "", depth: int = 9) -> Any:
    """The shape of a JSON value: its keys and types, the values of `LITERALS`, and of a list the
    shape of its elements, each once."""
    if isinstance(value, dict):
        if depth == 0:
            return "object"
        return {key: shape_of(value[key], key, depth - 1) for key in sorted(value)}
    if isinstance(value, list):
        shapes = [shape_of(each, "", depth) for each in value]
        return [shape for number, shape in enumerate(shapes) if shape not in shapes[:number]]
    if name in LITERALS and isinstance(value, str | bool | None):
        return f"={json.dumps(value)}"
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return kinds.get(type(value), "null")


def answer_shape(server: str, case: Case) -> dict[str, Any]:
    """Asks a server; the status, the content type and the shape of what it answers. Equal parts of
    a stream that follow each other count once."""
    answer = httpx.request(case.method, server + case.path, json=case.body, timeout=300)
    kind = answer.headers.get("content-type", "")
    head = {"status": answer.status_code, "type": kind}
    if "ndjson" in kind or "event-stream" in kind:
        shapes = [shape_of(part, "", case.depth) for part in _parts(answer.text)]
        return {**head, "stream": [shape for shape, _ in groupby(shapes)]}
    if "json" in kind:
        return {**head, "body": shape_of(_only_plain(answer.json()), "", case.depth)}
    return {**head, "text": answer.text}


def _only_plain(body: dict[str, Any]) -> dict[str, Any]:
    """Of a list of models, one: servers have different ones."""
    for field in ("models", "data"):
        rows = body.get(field)
        if isinstance(rows, list) and "embedding" not in str(rows)[:40]:
            kept = [row for row in rows if PLAIN in (row.get("name"), row.get("id"))]
            return {**body, field: kept}
    return body


def _parts(text: str) -> Iterator[Any]:
    for line in filter(None, text.splitlines()):
        if line.startswith(("event:", ":")):
            continue
        data = line.removeprefix("data: ")
        yield "[DONE]" if data == "[DONE]" else json.loads(data)


def _record(server: str) -> None:
    version = httpx.get(f"{server}/api/version").json()["version"]
    print(f'{{"server": "Ollama {version}", "recorded": "{date.today()}", "shapes": {{')
    lines = (f"{json.dumps(case.name)}: {json.dumps(answer_shape(server, case))}" for case in CASES)
    print(",\n".join(lines) + "\n}}")


if __name__ == "__main__":
    _record(sys.argv[1])
