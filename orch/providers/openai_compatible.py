"""Any server that speaks OpenAI's chat completions: llama.cpp, vLLM, LM Studio, Ollama's own
`/v1`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.execution.request import CANNOT_THINK, NO_THINKING_VALUES
from orch.providers import stream_parsing
from orch.providers.client import QUICK_TIMEOUT_S, HttpClient, drain, with_timeouts
from orch.providers.message_formats import to_openai_messages
from orch.providers.read_limits import (
    MAX_JSON_BYTES,
    MAX_VECTOR_BYTES,
    TOOL_CALL_CHARS,
    AnswerSizeLimit,
    error_line,
    model_entries,
    read_body,
)
from orch.providers.remote_models import RemotePolicy, remote_host_of
from orch.types import ChatRequest, Completion, Delta, InstalledModel, ModelInfo

EMBED_TIMEOUT_S = 120.0
_NOT_SENT = (
    "num_ctx",
    "keep_alive",
    "think",
    "num_predict",
    "truncate",
    "shift",
    "num_gpu",
    "main_gpu",
    "num_batch",
    "num_thread",
    "num_keep",
    "use_mmap",
)
"""What only Ollama understands; OpenAI itself refuses fields that it does not know."""


class OpenAIClient:
    """One OpenAI-compatible server, at one or several addresses; `/v1` is added where the address
    lacks it."""

    fixed_ctx = True

    def __init__(
        self, provider: Provider, remote: RemotePolicy | None = None, *, many: bool = False
    ) -> None:
        self._http = HttpClient(
            [_with_v1(url) for url in provider.urls], provider.api_key, many=many
        )
        self._remote = remote or RemotePolicy()
        self.local = self._http.local

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """`/v1/chat/completions`, streamed."""
        self._remote.check(request.model)
        collected, payload = _Collected(), _payload(request)
        wished, read = payload.get("reasoning_effort"), self._events(request, payload)
        async with aclosing(
            with_timeouts(read, request.first_token_timeout_s, request.token_timeout_s)
        ) as batches:
            async for events in batches:
                if wished not in NO_THINKING_VALUES and "reasoning_effort" not in payload:
                    wished = None
                    yield Delta(ignored_fields=CANNOT_THINK)
                found = [event for event in events if event is not None]
                for event in found:
                    self._remote.check_answer(request.model, event)
                error = next((event["error"] for event in found if "error" in event), None)
                with stream_parsing.validating():
                    deltas = [
                        delta
                        for event in found
                        if "error" not in event and (delta := collected.add(event)) is not None
                    ]
                for delta in stream_parsing.merge_deltas(deltas):
                    collected.size.add(delta)
                    yield delta
                if error is not None:
                    raise ProviderError(
                        "stream_error",
                        error_line(
                            error.get("message", error) if isinstance(error, dict) else error
                        ),
                    )
                if len(found) < len(events):
                    await drain(read)
                    break
        if not collected.finish_reason:
            raise ProviderError("cut", "the stream ended before the model was done")
        with stream_parsing.validating():
            last = collected.last()
        yield last

    async def _events(
        self, request: ChatRequest, payload: dict[str, Any]
    ) -> AsyncGenerator[list[dict[str, Any] | None]]:
        """The events that came together, each time some come; None is the end. Takes the effort out
        of `payload` where a model refuses it."""
        at = self._http.load_balancer.order(request.affinity)
        async with AsyncExitStack() as held:
            try:
                response = await held.enter_async_context(
                    self._http.stream("POST", "chat/completions", payload, at=at)
                )
            except ProviderError as refusal:
                if (
                    "reasoning_effort" not in payload
                    or refusal.code != "rejected"
                    or "reasoning" not in refusal.message
                ):
                    raise
                del payload["reasoning_effort"]
                response = await held.enter_async_context(
                    self._http.stream("POST", "chat/completions", payload, at=at)
                )
            if "application/json" in response.headers.get("content-type", ""):
                # a server that does not stream answers in one piece
                yield [
                    stream_parsing.parse_object(
                        await read_body(response, stream_parsing.MAX_LINE_BYTES, "an answer")
                    )
                ]
                return
            async for events in stream_parsing.iter_batches(
                response.aiter_bytes(), stream_parsing.parse_sse_line
            ):
                # a comment keeps the connection alive and is no token: the deadlines must not see
                # it
                if told := [event for event in events if event is not stream_parsing.SSE_COMMENT]:
                    yield told

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = {}
    ) -> list[list[float]]:
        """`/v1/embeddings`; `extra` are fields that a client sent beside."""
        self._remote.check(model)
        beside = {
            key: value
            for key, value in extra.items()
            if key not in (*_NOT_SENT, "encoding_format", "options")
        }
        body = {**beside, "model": model, "input": list(texts)}
        most = MAX_JSON_BYTES + MAX_VECTOR_BYTES * len(texts)
        answer = await self._http.json(
            "POST",
            "embeddings",
            body,
            timeout_s=EMBED_TIMEOUT_S,
            at=self._http.load_balancer.order(),
            most_bytes=most,
        )
        with stream_parsing.validating():
            rows = sorted(answer["data"], key=lambda row: row.get("index", 0))
            return [list(row["embedding"]) for row, _ in zip(rows, texts, strict=True)]

    async def installed(self) -> list[InstalledModel]:
        """`/v1/models`. What is loaded is not told: such servers hold their models loaded."""
        answer = await self._http.json("GET", "models")
        with stream_parsing.validating():
            found = [
                InstalledModel(name=entry["id"], resident=True, remote_host=remote_host_of(entry))
                for entry in model_entries(answer.get("data"), "id")
            ]
        return self._remote.update_list(found)

    async def model_metadata(self) -> dict[str, Any]:
        """What llama.cpp's server tells of the model that it holds (`n_ctx_train`, `n_params`,
        `size`, …); nothing elsewhere."""
        answer = await self._http.json("GET", "models")
        with stream_parsing.validating():
            return dict((answer.get("data") or [{}])[0].get("meta") or {})

    async def info(self, model: str) -> ModelInfo:
        """Such servers tell nothing that could be relied on."""
        return ModelInfo()

    async def health(self) -> str:
        """How many models it lists."""
        answer = await self._http.json("GET", "models", timeout_s=QUICK_TIMEOUT_S)
        return f"{len(answer.get('data') or [])} models"

    def addresses(self) -> list[dict[str, Any]]:
        """How each address is doing."""
        return self._http.load_balancer.status()

    async def release(self) -> None:
        """Closes the connections of this event loop."""
        await self._http.aclose()

    async def aclose(self) -> None:
        """The same: the models are the server's."""
        await self.release()


def _with_v1(url: str) -> str:
    from urllib.parse import urlsplit

    url = url.rstrip("/")
    return url if urlsplit(url).path else f"{url}/v1"


def _payload(request: ChatRequest) -> dict[str, Any]:
    payload: dict[str, Any] = {
        **{key: value for key, value in request.options.items() if key not in _NOT_SENT},
        **{key: value for key, value in request.extra.items() if key not in _NOT_SENT},
        "model": request.model,
        "messages": to_openai_messages(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    think = request.extra.get("think", request.options.get("think"))
    if think is False or think in ("low", "medium", "high"):
        payload.setdefault("reasoning_effort", think or "none")
    if request.max_tokens is not None:
        payload["max_tokens"] = request.max_tokens
    if request.tools:
        payload["tools"] = request.tools
    if request.response_format is not None:
        payload["response_format"] = request.response_format
    return payload


class _Collected:
    """What the events of one stream add up to: tool calls come in pieces, usage comes after the
    finish reason."""

    def __init__(self) -> None:
        self.finish_reason = ""
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._arguments: dict[
            int, list[str]
        ] = {}  # pieces: adding to a long text at each would take time that grows with the square
        self.size = AnswerSizeLimit()

    def add(self, event: dict[str, Any]) -> Delta | None:
        self._usage = event.get("usage") or self._usage
        self._timings = event.get("timings") or self._timings
        choice = (event.get("choices") or [None])[0]
        if not isinstance(choice, dict):
            return None
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        piece = choice.get("delta") or choice.get("message") or {}
        for position, call in enumerate(piece.get("tool_calls") or ()):
            self._add_call(call.get("index", position), call)
        content, thinking = (
            stream_parsing.parse_text(piece.get("content")),
            stream_parsing.parse_text(piece.get("reasoning_content") or piece.get("reasoning")),
        )
        logprobs = (
            stream_parsing.parse_objects(told.get("content"))
            if (told := choice.get("logprobs"))
            else ()
        )
        return (
            Delta(content, thinking, logprobs=logprobs) if content or thinking or logprobs else None
        )

    def _add_call(self, index: int, call: dict[str, Any]) -> None:
        if index not in self._calls:
            self._calls[index] = {"type": "function", "function": {"name": "", "arguments": ""}}
            self._arguments[index] = []
            self.size.add_chars(TOOL_CALL_CHARS)
        found, function = self._calls[index], call.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        self.size.add_chars(len(name) + len(arguments))
        found["function"]["name"] += name
        self._arguments[index].append(arguments)
        if call.get("id"):
            found["id"] = call["id"]

    def last(self) -> Delta:
        for index, pieces in self._arguments.items():
            self._calls[index]["function"]["arguments"] = "".join(pieces)
        calls = tuple(self._calls[index] for index in sorted(self._calls))
        return Delta(tool_calls=calls, completion=self._completion())

    def _completion(self) -> Completion:
        def seconds(key: str) -> float | None:
            value = self._timings.get(key)
            return value / 1000 if isinstance(value, (int, float)) else None

        return Completion(
            finish_reason=self.finish_reason,
            prompt_tokens=self._usage.get("prompt_tokens"),
            completion_tokens=self._usage.get("completion_tokens"),
            prefill_s=seconds("prompt_ms"),
            decode_s=seconds("predicted_ms"),
        )
