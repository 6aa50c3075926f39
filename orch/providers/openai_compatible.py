"""Client for servers with OpenAI's chat completions API: llama.cpp, vLLM, LM Studio, Ollama's
`/v1`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, Self

from orch.config.spec import Models, Provider
from orch.errors import ProviderError
from orch.providers import stream_parsing
from orch.providers.chat import ChatRequest, Completion, Delta
from orch.providers.client import QUICK_TIMEOUT_S, HttpClient, drain, stream_error, with_timeouts
from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.providers.message_formats import to_openai_messages
from orch.providers.read_limits import (
    MAX_JSON_BYTES,
    MAX_VECTOR_BYTES,
    TOOL_CALL_CHARS,
    AnswerSizeLimit,
    model_entries,
    read_body,
)
from orch.providers.remote_models import RemotePolicy, remote_host_of
from orch.providers.thinking import CANNOT_THINK, NO_THINKING_VALUES, openai_effort

EMBED_TIMEOUT_S = 120.0
_OLLAMA_ONLY = (
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
"""Fields that only Ollama reads. They are not sent: OpenAI rejects unknown fields."""


class OpenAIClient:
    """One OpenAI-compatible server, at one or several addresses; `/v1` is appended to an address
    without a path."""

    fixed_ctx = True
    prefills = False
    """llama.cpp does, but not for models that think; vLLM does only where it is asked by a field
    that others reject."""

    def __init__(
        self, provider: Provider, remote: RemotePolicy | None = None, *, concurrent: bool = False
    ) -> None:
        urls = [_with_v1(url) for url in provider.urls]
        self._http = HttpClient(
            urls,
            provider.api_key,
            headers=provider.headers,
            verify=provider.verify_path,
            concurrent=concurrent,
        )
        self._remote = remote or RemotePolicy()
        self.local = self._http.local

    @classmethod
    def from_config(
        cls, name: str, provider: Provider, models: Models, *, concurrent: bool = False
    ) -> Self:
        """Makes the client of a provider of models.yaml."""
        return cls(provider, RemotePolicy(name, models), concurrent=concurrent)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Streams `/v1/chat/completions`."""
        self._remote.check(request.model)
        answer, payload = _StreamedAnswer(), _payload(request)
        effort, stream = payload.get("reasoning_effort"), self._batches(request, payload)
        async with aclosing(
            with_timeouts(stream, request.first_token_timeout_s, request.token_timeout_s)
        ) as batches:
            async for batch in batches:
                if effort not in NO_THINKING_VALUES and "reasoning_effort" not in payload:
                    effort = None
                    yield Delta(ignored_fields=CANNOT_THINK)
                events = [event for event in batch if event is not None]
                for event in events:
                    self._remote.check_answer(request.model, event)
                for delta in answer.add_all(events):
                    yield delta
                error = next((event["error"] for event in events if "error" in event), None)
                if error is not None:
                    raise stream_error(error)
                if len(events) < len(batch):
                    await drain(stream)
                    break
        yield answer.last()

    async def _batches(
        self, request: ChatRequest, payload: dict[str, Any]
    ) -> AsyncGenerator[list[dict[str, Any] | None]]:
        """Yields the events of the stream as they arrive, in batches; None marks its end. Removes
        the reasoning effort from `payload` when the model rejects it."""
        at = self._http.load_balancer.order(request.affinity)
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(
                    self._http.stream("POST", "chat/completions", payload, at=at)
                )
            except ProviderError as refusal:
                if not _refuses_effort(refusal, payload):
                    raise
                del payload["reasoning_effort"]
                response = await stack.enter_async_context(
                    self._http.stream("POST", "chat/completions", payload, at=at)
                )
            if "application/json" in response.headers.get("content-type", ""):
                # a server that does not stream sends the whole answer as one object
                data = await read_body(response, stream_parsing.MAX_LINE_BYTES, "an answer")
                yield [stream_parsing.parse_object(data)]
                return
            async for events in stream_parsing.iter_batches(
                response.aiter_bytes(), stream_parsing.parse_sse_line
            ):
                # a comment keeps the connection alive; it must not count as a token for timeouts
                if batch := [each for each in events if each is not stream_parsing.SSE_COMMENT]:
                    yield batch

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = {}
    ) -> list[list[float]]:
        """Calls `/v1/embeddings`."""
        self._remote.check(model)
        excluded = (*_OLLAMA_ONLY, "encoding_format", "options")
        fields = {key: value for key, value in extra.items() if key not in excluded}
        answer = await self._http.json(
            "POST",
            "embeddings",
            {**fields, "model": model, "input": list(texts)},
            timeout_s=EMBED_TIMEOUT_S,
            at=self._http.load_balancer.order(),
            max_bytes=MAX_JSON_BYTES + MAX_VECTOR_BYTES * len(texts),
        )
        with stream_parsing.validating():
            rows = sorted(answer["data"], key=lambda row: row.get("index", 0))
            return [list(row["embedding"]) for row, _ in zip(rows, texts, strict=True)]

    async def installed(self) -> list[InstalledModel]:
        """Reads `/v1/models`. All models count as loaded: such servers keep them in memory."""
        answer = await self._http.json("GET", "models")
        with stream_parsing.validating():
            models = [
                InstalledModel(name=entry["id"], resident=True, remote_host=remote_host_of(entry))
                for entry in model_entries(answer.get("data"), "id")
            ]
        return self._remote.update_list(models)

    async def model_metadata(self) -> dict[str, Any]:
        """Returns llama.cpp's metadata of its model (`n_ctx_train`, `n_params`, `size`, …); empty
        for other servers."""
        answer = await self._http.json("GET", "models")
        with stream_parsing.validating():
            return dict((answer.get("data") or [{}])[0].get("meta") or {})

    async def info(self, model: str) -> ModelInfo:
        """Returns no metadata: the API has none."""
        return ModelInfo()

    async def health(self) -> str:
        """Returns how many models the server lists."""
        answer = await self._http.json("GET", "models", timeout_s=QUICK_TIMEOUT_S)
        return f"{len(answer.get('data') or [])} models"

    def addresses(self) -> list[dict[str, Any]]:
        """Returns the state of each address."""
        return self._http.load_balancer.status()

    async def release(self) -> None:
        """Closes the connections of this event loop."""
        await self._http.aclose()

    async def aclose(self) -> None:
        """The same as `release`: the models belong to the server."""
        await self.release()


def _with_v1(url: str) -> str:
    from urllib.parse import urlsplit

    url = url.rstrip("/")
    return url if urlsplit(url).path else f"{url}/v1"


def _refuses_effort(refusal: ProviderError, payload: dict[str, Any]) -> bool:
    return (
        "reasoning_effort" in payload
        and refusal.code == "rejected"
        and "reasoning" in refusal.message
    )


def _payload(request: ChatRequest) -> dict[str, Any]:
    payload: dict[str, Any] = {
        **{key: value for key, value in request.options.items() if key not in _OLLAMA_ONLY},
        **{key: value for key, value in request.extra.items() if key not in _OLLAMA_ONLY},
        "model": request.model,
        "messages": to_openai_messages(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    effort = openai_effort(request.extra.get("think", request.options.get("think")))
    if effort is not None:
        payload.setdefault("reasoning_effort", effort)
    if request.max_tokens is not None:
        payload["max_tokens"] = request.max_tokens
    if request.tools:
        payload["tools"] = request.tools
    if request.response_format is not None:
        payload["response_format"] = request.response_format
    return payload


class _StreamedAnswer:
    """Accumulates the events of one stream: tool calls arrive in fragments, and usage after the
    finish reason."""

    def __init__(self) -> None:
        self.finish_reason = ""
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        # fragments: appending to a long string each time would take quadratic time
        self._arguments: dict[int, list[str]] = {}
        self._size = AnswerSizeLimit()

    def add_all(self, events: Sequence[dict[str, Any]]) -> Iterator[Delta]:
        """Yields the text of the events as deltas. Raises ProviderError."""
        with stream_parsing.validating():
            deltas = [self._add(event) for event in events if "error" not in event]
        for delta in stream_parsing.merge_deltas(each for each in deltas if each is not None):
            self._size.add(delta)
            yield delta

    def _add(self, event: dict[str, Any]) -> Delta | None:
        self._usage = event.get("usage") or self._usage
        self._timings = event.get("timings") or self._timings
        choice = (event.get("choices") or [None])[0]
        if not isinstance(choice, dict):
            return None
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        message = choice.get("delta") or choice.get("message") or {}
        for position, call in enumerate(message.get("tool_calls") or ()):
            self._add_call(call.get("index", position), call)
        thinking = message.get("reasoning_content") or message.get("reasoning")
        delta = Delta(
            stream_parsing.parse_text(message.get("content")),
            stream_parsing.parse_text(thinking),
            logprobs=stream_parsing.parse_objects((choice.get("logprobs") or {}).get("content")),
        )
        return delta if delta.content or delta.thinking or delta.logprobs else None

    def _add_call(self, index: int, fragment: dict[str, Any]) -> None:
        if index not in self._calls:
            self._calls[index] = {"type": "function", "function": {"name": "", "arguments": ""}}
            self._arguments[index] = []
            self._size.add_chars(TOOL_CALL_CHARS)
        call, function = self._calls[index], fragment.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        self._size.add_chars(len(name) + len(arguments))
        call["function"]["name"] += name
        self._arguments[index].append(arguments)
        if fragment.get("id"):
            call["id"] = fragment["id"]

    def last(self) -> Delta:
        """Returns the delta that ends the answer. Raises ProviderError if the stream was cut."""
        if not self.finish_reason:
            raise ProviderError("cut", "the stream ended before the model was done")
        with stream_parsing.validating():
            for index, fragments in self._arguments.items():
                self._calls[index]["function"]["arguments"] = "".join(fragments)
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
