"""Ollama's API: chat, generate and embeddings; the model list is in `models`."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.events import Content, Done, Logprobs, RunEvent, Thinking, ToolCall
from orch.execution.lifecycle import unloads_after_answer
from orch.providers.message_formats import to_ollama_calls
from orch.server.api.embeddings import embed_texts as embedded
from orch.server.api.handler import (
    ActiveRequest,
    PendingResponse,
    StreamedResponse,
    json_response,
    parse_body,
    response_headers,
    run_and_respond,
    service_of,
)
from orch.server.api.ollama import schemas as forms
from orch.server.api.ollama.dialect import ollama_endpoint, ollama_error
from orch.server.api.openai.schemas import PassthroughModel
from orch.server.api.openai.tools import tools_from_chat
from orch.server.api.request_task import ChatParams, build_request_task
from orch.text.raw_prompt import RawPrompt, has_fill_in_middle
from orch.types import RunResult

HANDLED_FIELDS = (
    *("model", "messages", "stream", "format", "options", "tools", "prompt", "system", "images"),
    *("suffix", "template", "raw", "context"),
)
_NANO = 1_000_000_000


@ollama_endpoint
async def ollama_chat(request: Request) -> Response:
    """`POST /api/chat`."""
    body = await parse_body(request, forms.OllamaChatRequest)
    if not body.messages:
        return await _loaded(request, body, _message())
    given = body.model_dump(exclude_unset=True, exclude_none=True)
    return await _answer(request, body, given["messages"], body.tools or None, _message)


@ollama_endpoint
async def generate(request: Request) -> Response:
    """`POST /api/generate`."""
    body = await parse_body(request, forms.GenerateRequest)
    if not body.prompt and not body.images:
        return await _loaded(request, body, _response())
    images = {"images": body.images} if body.images else {}
    if raw := _raw_prompt(body):
        message = {"role": "user", "content": raw.text, **images}
        return await _answer(request, body, [message], None, _response, raw)
    system = [{"role": "system", "content": body.system}] if body.system else []
    return await _answer(
        request,
        body,
        [*system, {"role": "user", "content": body.prompt or "", **images}],
        None,
        _response,
    )


def _raw_prompt(body: forms.GenerateRequest) -> RawPrompt | None:
    """A prompt that is no chat: by one of the fields that say so, or by its own tokens."""
    prompt, suffix = body.prompt or "", body.suffix or ""
    has_tokens = has_fill_in_middle(prompt)
    if not (body.raw or suffix or body.template or body.context or has_tokens):
        return None
    given = body.model_dump(include={"raw", "template", "context", "system", "images"})
    fields = {name: value for name, value in given.items() if value}
    is_bare = has_tokens and not fields.keys() & {"template", "context", "system"}
    return RawPrompt(prompt, suffix, {**fields, **({"raw": True} if is_bare else {})})


def _message(
    content: str = "", thinking: str = "", calls: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    more = {"thinking": thinking} if thinking else {}
    return {
        "message": {
            "role": "assistant",
            "content": content,
            **more,
            **({"tool_calls": calls} if calls else {}),
        }
    }


def _response(
    content: str = "", thinking: str = "", calls: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {"response": content, **({"thinking": thinking} if thinking else {})}


# ---------------------------------------------------------------- answering


async def _answer(
    request: Request,
    body: forms.OllamaChatRequest | forms.GenerateRequest,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None,
    form: Any,
    raw: RawPrompt | None = None,
) -> Response:
    given, streams, supported = (
        body.model_dump(exclude_unset=True, exclude_none=True),
        body.stream is not False,
        tools_from_chat(tools or ()),
    )
    params = ChatParams(
        model=body.model,
        messages=messages,
        options=dict(body.options or {}),
        extra={name: value for name, value in given.items() if name not in HANDLED_FIELDS},
        tools=supported.functions or None,
        warnings=supported.warnings,
        response_format=_format(body.format),
        raw=raw,
    )

    async def respond(answer: PendingResponse, active: ActiveRequest) -> Response:
        if streams:
            return StreamedResponse(
                _lines(answer, form), answer.headers, "application/x-ndjson", active.hand_over()
            )
        result = await answer.result()
        calls = to_ollama_calls(result.response.tool_calls)
        fields = form(result.response.content, result.response.thinking, calls) | _logprobs(
            result.response.logprobs
        )
        return json_response(
            {
                "model": answer.model_name,
                **_remote(answer),
                "created_at": _now(),
                **fields,
                **_end(result),
            },
            answer.headers,
        )

    return await run_and_respond(
        request,
        build_request_task(request, params),
        "continue" if streams else "restart",
        "ollama",
        respond,
    )


def _format(asked: str | dict[str, Any] | None) -> dict[str, Any] | None:
    """Ollama's `format` as OpenAI's response_format."""
    if isinstance(asked, dict):
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": asked}}
    if asked not in (None, "", "json"):
        raise OrchError(f"format {asked!r} is neither json nor a schema", code="bad_input")
    return {"type": "json_object"} if asked == "json" else None


async def _lines(answer: PendingResponse, form: Any) -> AsyncGenerator[bytes]:
    """The run as Ollama's stream. A failed run ends with an error and without `done`."""
    try:
        async for event in answer.events():
            fields = _fields(event, form)
            if fields is not None:
                head = {"model": answer.model_name, **_remote(answer), "created_at": _now()}
                yield to_json({**head, **fields}) + b"\n"
    except OrchError as error:
        yield to_json(ollama_error(error)) + b"\n"


def _remote(answer: PendingResponse) -> dict[str, Any]:
    """The host of a remote answer, in Ollama's own field, which an orch that uses this server
    reads, too."""
    return {"remote_host": answer.remote_host} if answer.remote_host else {}


def _fields(event: RunEvent, form: Any) -> dict[str, Any] | None:
    """The line of an event without its head; None for events that Ollama does not have."""
    if isinstance(event, Content):
        return {**form(event.text), **_logprobs(event.logprobs), "done": False}
    if isinstance(event, Thinking):
        return {**form("", event.text), **_logprobs(event.logprobs), "done": False}
    if isinstance(event, ToolCall):
        return {**form("", "", to_ollama_calls([event.call])), "done": False}
    return {**form(), **_end(event.result)} if isinstance(event, Done) else None


def _logprobs(logprobs: Logprobs) -> dict[str, Any]:
    return {"logprobs": logprobs} if logprobs else {}


def _end(result: RunResult) -> dict[str, Any]:
    """The statistics of the last line, in nanoseconds."""
    last = result.attempts[-1] if result.attempts else None
    seconds = {
        "total_duration": result.timing.total_s,
        "load_duration": result.timing.load_s,
        "prompt_eval_duration": last.prefill_s if last else None,
        "eval_duration": last.decode_s if last else None,
    }
    return {
        "done": True,
        "done_reason": "length" if result.response.finish_reason == "length" else "stop",
        **{name: int((value or 0) * _NANO) for name, value in seconds.items()},
        "prompt_eval_count": result.response.usage.prompt_tokens,
        "eval_count": result.response.usage.completion_tokens,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


# ---------------------------------------------------------------- loading and embedding


async def _loaded(
    request: Request, body: forms.OllamaChatRequest | forms.GenerateRequest, fields: dict[str, Any]
) -> Response:
    """A request without a prompt loads its model; with keep_alive 0 it unloads it, unless it is
    needed."""
    done_reason = await _moved(request, body.model, body.keep_alive)
    answer = {
        "model": body.model,
        "created_at": _now(),
        **fields,
        "done": True,
        "done_reason": done_reason,
    }
    return json_response(answer, response_headers("", body.model, "", 0))


async def _moved(request: Request, model: str, keep_alive: str | float | None) -> str:
    """Loads or unloads a model. Succeeds for `auto` and for models of servers that can't load on
    request."""
    service, unloads_model = service_of(request), unloads_after_answer(keep_alive)
    if service.model_names.is_auto(model):
        return "unload" if unloads_model else "load"
    loader = service.orchestrator.runtime.loader
    service.invalidate_inventory()  # the model may have been loaded a moment ago
    try:
        if unloads_model and service.scheduler.is_needed((await loader.find(model)).key):
            return "load"  # others use it or wait for it
        await (loader.unload(model) if unloads_model else loader.load(model, keep_alive))
    except OrchError as error:
        if unloads_model or error.code != "usage":
            raise
    service.invalidate_inventory()
    return "unload" if unloads_model else "load"


@ollama_endpoint
async def embed_inputs(request: Request) -> Response:
    """`POST /api/embed`."""
    body, started = await parse_body(request, forms.EmbedRequest), time.perf_counter()
    if not body.input:
        await _moved(request, body.model, body.keep_alive)
        return json_response(
            {"model": body.model, "embeddings": []}, response_headers("", body.model, "", 0)
        )
    texts = [body.input] if isinstance(body.input, str) else body.input
    result = await embedded(request, body.model, texts, _beside(body, "model", "input"))
    duration = int((time.perf_counter() - started) * _NANO)
    answer = {
        "model": result.name,
        "embeddings": result.vectors,
        "total_duration": duration,
        "load_duration": 0,
        "prompt_eval_count": result.tokens,
    }
    return json_response(answer, response_headers("", result.model, "", 0))


@ollama_endpoint
async def embed_prompt(request: Request) -> Response:
    """`POST /api/embeddings`: a single text, the predecessor of `/api/embed`."""
    body = await parse_body(request, forms.LegacyEmbeddingsRequest)
    if not body.prompt:
        await _moved(request, body.model, body.keep_alive)
        return json_response({"embedding": []}, response_headers("", body.model, "", 0))
    extra = _beside(body, "model", "prompt")
    result = await embedded(request, body.model, [body.prompt], extra)
    return json_response(
        {"embedding": _doubles(result.vectors[0])}, response_headers("", result.model, "", 0)
    )


def _beside(body: PassthroughModel, *handled: str) -> dict[str, Any]:
    """The fields of a body that go on to the model's server."""
    return body.model_dump(exclude_unset=True, exclude_none=True, exclude=set(handled))


def _doubles(vector: list[float]) -> list[float]:
    """32-bit floats with the digits of 64-bit ones, which is how Ollama sends them here."""
    return list(struct.unpack(f"<{len(vector)}f", struct.pack(f"<{len(vector)}f", *vector)))
