"""Ollama's native API: `/v1` ignores num_ctx, so orch does not use it for Ollama."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.execution.request import CANNOT_THINK
from orch.providers import stream_parsing
from orch.providers.client import (
    QUICK_TIMEOUT_S,
    HttpClient,
    context_overflow_error,
    drain,
    with_timeouts,
)
from orch.providers.message_formats import to_ollama_messages
from orch.providers.ollama_metadata import (
    LoadedModels,
    digest_of,
    parse_installed,
    parse_model_info,
)
from orch.providers.read_limits import (
    MAX_JSON_BYTES,
    MAX_VECTOR_BYTES,
    AnswerSizeLimit,
    error_line,
    model_entries,
)
from orch.providers.remote_models import RemotePolicy, remote_host_of
from orch.types import ChatRequest, Completion, Delta, InstalledModel, ModelInfo

EMBED_TIMEOUT_S = 120.0
UNLOAD_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 600.0
_BESIDE_OPTIONS = ("think", "keep_alive", "logprobs", "top_logprobs")
_EFFORTS = {"none": False, "minimal": False, "xhigh": "high"}
"""OpenAI's reasoning_effort as Ollama's `think`; low, medium and high are the same."""
_NO_THINKING = "does not support thinking"
"""In Ollama's refusal of `think` for a model that can't; of a degree it says that the value is not
supported."""
_RENAMED = {"max_tokens": "num_predict", "max_completion_tokens": "num_predict"}


class OllamaClient:
    """One Ollama, at one or several addresses."""

    fixed_ctx = False

    def __init__(
        self, provider: Provider, remote: RemotePolicy | None = None, *, many: bool = False
    ) -> None:
        self._http = HttpClient(provider.urls, provider.api_key, many=many)
        self._remote = remote or RemotePolicy()
        self._keep_alive = provider.keep_alive
        self.local = self._http.local

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """`/api/chat` with `truncate: false`: too long a prompt is an error, never a silent cut."""
        self._remote.check(request.model)
        payload = self._payload(request)
        wished, read, size = payload.get("think"), self._lines(request, payload), AnswerSizeLimit()
        async with aclosing(
            with_timeouts(read, request.first_token_timeout_s, request.token_timeout_s)
        ) as batches:
            async for lines in batches:
                for line in lines:
                    self._remote.check_answer(request.model, line)
                if less := _less_thinking(wished, payload.get("think")):
                    wished = payload.get("think")
                    yield Delta(ignored_fields=less)
                error = next((line["error"] for line in lines if "error" in line), None)
                with stream_parsing.validating():
                    deltas = [
                        delta
                        for line in lines
                        if "error" not in line and _tells(delta := _delta(line))
                    ]
                if deltas and deltas[-1].completion:
                    await drain(read)
                for delta in stream_parsing.merge_deltas(deltas):
                    size.add(delta)
                    yield delta
                    if delta.completion:
                        return
                if error is not None:
                    raise _stream_error(error)
        raise ProviderError("cut", "the stream ended before the model was done")

    async def _lines(
        self, request: ChatRequest, payload: dict[str, Any]
    ) -> AsyncGenerator[list[dict[str, Any]]]:
        """The lines that came together, each time some come. Takes out of `payload` what the model
        refuses of the wish to think."""
        at = self._http.load_balancer.order(request.affinity)
        async with AsyncExitStack() as held:
            while True:
                try:
                    response = await held.enter_async_context(
                        self._http.stream("POST", "/api/chat", payload, at=at)
                    )
                    break
                except ProviderError as refusal:
                    if not _was_the_thinking(refusal, payload):
                        raise
                    _think_less(payload, refusal)
            async for lines in stream_parsing.iter_batches(
                response.aiter_bytes(), stream_parsing.parse_object
            ):
                yield lines

    def _payload(self, request: ChatRequest) -> dict[str, Any]:
        given = {_RENAMED.get(key, key): value for key, value in request.options.items()}
        if isinstance(given.get("stop"), str):
            given["stop"] = [given["stop"]]
        beside = {key: given.pop(key) for key in _BESIDE_OPTIONS if key in given}
        if (
            effort := given.pop("reasoning_effort", request.extra.get("reasoning_effort"))
        ) is not None:
            beside["think"] = _EFFORTS.get(str(effort), effort)
        beside |= {key: value for key, value in request.extra.items() if key != "reasoning_effort"}
        if self._keep_alive is not None:
            beside.setdefault("keep_alive", _keep_alive(self._keep_alive))
        sizes = {"num_ctx": request.num_ctx, "num_predict": request.max_tokens}
        payload = {
            **beside,
            "model": request.model,
            "messages": to_ollama_messages(request.messages),
            "stream": True,
            "truncate": False,
            "options": {
                **given,
                **{key: value for key, value in sizes.items() if value is not None},
            },
        }
        if (
            request.tools and request.extra.get("tool_choice") != "none"
        ):  # Ollama has no tool_choice
            payload["tools"] = request.tools
        if request.response_format is not None and request.response_format.get("type") != "text":
            payload["format"] = _format(request.response_format)
        return payload

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = {}
    ) -> list[list[float]]:
        """`/api/embed`, again with `truncate: false`; `extra` are fields that a client sent
        beside."""
        if not self._remote.has_seen(model):  # memory asks without having looked what there is
            await self.installed()
            self._remote.check(model)
            await self.info(model)
        self._remote.check(model)
        body = {"truncate": False, **extra, "model": model, "input": list(texts)}
        most = MAX_JSON_BYTES + MAX_VECTOR_BYTES * len(texts)
        answer = await self._http.json(
            "POST",
            "/api/embed",
            body,
            timeout_s=EMBED_TIMEOUT_S,
            at=self._http.load_balancer.order(),
            most_bytes=most,
        )
        self._remote.check_answer(model, answer)
        with stream_parsing.validating():
            return [list(vector) for vector, _ in zip(answer["embeddings"], texts, strict=True)]

    async def installed(self) -> list[InstalledModel]:
        """`/api/tags` and `/api/ps` in one."""
        tags, running = await asyncio.gather(self._http.json("GET", "/api/tags"), self._running())
        with stream_parsing.validating():
            entries = model_entries(tags.get("models"), "name", "model")
            loaded = LoadedModels(running, {digest_of(entry) for entry in entries})
            found = [parse_installed(entry, loaded.entry_of(entry)) for entry in entries]
        return self._remote.update_list(found)

    async def _running(self) -> list[dict[str, Any]]:
        try:
            return await self.list_raw("/api/ps")
        except ProviderError as error:
            # old servers and look-alikes have no /api/ps: nothing is known to be loaded then
            if error.code in ("model_not_found", "bad_response", "rejected"):
                return []
            raise

    async def info(self, model: str) -> ModelInfo:
        """`/api/show`: capabilities, context, parameters and what a token of KV cache takes."""
        show = await self._http.json("POST", "/api/show", {"model": model})
        with stream_parsing.validating():
            return replace(
                parse_model_info(show),
                remote_host=self._remote.update_model(model, remote_host_of(show)),
            )

    async def pull(self, model: str) -> AsyncIterator[dict[str, Any]]:
        """`/api/pull`: its progress lines (status, digest, total and completed in bytes)."""
        async with self._http.stream(
            "POST", "/api/pull", {"model": model, "stream": True}
        ) as response:
            async for line in stream_parsing.iter_objects(response.aiter_bytes()):
                if "error" in line:
                    raise ProviderError("rejected", error_line(line["error"]))
                yield line

    async def show_raw(self, model: str) -> dict[str, Any]:
        """`/api/show` as it is."""
        return await self._http.json("POST", "/api/show", {"model": model})

    async def list_raw(self, path: str) -> list[dict[str, Any]]:
        """The entries of `/api/tags` or `/api/ps` as they are."""
        entries = (await self._http.json("GET", path)).get("models")
        return (
            model_entries([entry for entry in entries if isinstance(entry, dict)], "name", "model")
            if isinstance(entries, list)
            else []
        )

    async def load(
        self, model: str, num_ctx: int | None, keep_alive: str | float | None = None
    ) -> None:
        """Brings a model into memory with that context; without one, as a model that only embeds
        is."""
        self._remote.check(model)
        usual = _keep_alive(self._keep_alive) if self._keep_alive is not None else None
        stays = keep_alive if keep_alive is not None else usual
        beside = {"keep_alive": stays} if stays is not None else {}
        if num_ctx is None:
            await self._http.json(
                "POST",
                "/api/embed",
                {"model": model, "input": [], **beside},
                timeout_s=LOAD_TIMEOUT_S,
            )
        else:
            await self._http.json(
                "POST",
                "/api/generate",
                {"model": model, "options": {"num_ctx": num_ctx}, **beside},
                timeout_s=LOAD_TIMEOUT_S,
            )

    async def unload(self, model: str) -> None:
        """Asks that the model leaves memory now, at every address; `installed` tells when it
        has."""
        body = {"model": model, "keep_alive": 0}
        asked = (
            self._http.json("POST", "/api/generate", body, timeout_s=UNLOAD_TIMEOUT_S, at=[url])
            for url in self._http.urls
        )
        failures = [
            error
            for error in await asyncio.gather(*asked, return_exceptions=True)
            if isinstance(error, BaseException)
        ]
        if len(failures) == len(self._http.urls):
            raise failures[0]

    def addresses(self) -> list[dict[str, Any]]:
        """How each address is doing."""
        return self._http.load_balancer.status()

    async def health(self) -> str:
        """`/api/version`."""
        return (
            "Ollama"
            f" {error_line((await self._http.json('GET', '/api/version', timeout_s=QUICK_TIMEOUT_S)).get('version', '?'))}"
        )

    async def release(self) -> None:
        """Closes the connections of this event loop."""
        await self._http.aclose()

    async def aclose(self) -> None:
        """The same: the models are the server's."""
        await self.release()


def _stream_error(error: Any) -> ProviderError:
    what = error_line(error.get("message", error) if isinstance(error, dict) else error)
    return (
        context_overflow_error(what)
        if "context" in what.lower() and "exceed" in what.lower()
        else ProviderError("stream_error", what)
    )


def _tells(delta: Delta) -> bool:
    return bool(
        delta.content or delta.thinking or delta.tool_calls or delta.completion or delta.logprobs
    )


def _delta(line: dict[str, Any]) -> Delta:
    message = line.get("message")
    if not isinstance(message, dict):
        message = {}
    return Delta(
        content=stream_parsing.parse_text(message.get("content")),
        thinking=stream_parsing.parse_text(message.get("thinking")),
        tool_calls=stream_parsing.parse_objects(message.get("tool_calls")),
        completion=_completion(line) if line.get("done") else None,
        logprobs=stream_parsing.parse_objects(line.get("logprobs")),
    )


def _completion(line: dict[str, Any]) -> Completion:
    return Completion(
        finish_reason=line.get("done_reason") or "stop",
        prompt_tokens=line.get("prompt_eval_count"),
        completion_tokens=line.get("eval_count"),
        load_s=_seconds(line.get("load_duration")),
        prefill_s=_seconds(line.get("prompt_eval_duration")),
        decode_s=_seconds(line.get("eval_duration")),
    )


def _seconds(nanoseconds: Any) -> float | None:
    return nanoseconds / 1e9 if isinstance(nanoseconds, (int, float)) else None


def _was_the_thinking(refusal: ProviderError, payload: dict[str, Any]) -> bool:
    """Whether a model was refused for `think`, which is a wish and may be left out."""
    return (
        "think" in payload
        and refusal.code == "rejected"
        and "think" in refusal.message.replace(payload["model"], "")
    )


def _think_less(payload: dict[str, Any], refusal: ProviderError) -> None:
    """A degree of thinking becomes thinking, since many models know no degree (ollama#12561); what
    is refused besides is left out."""
    if isinstance(payload["think"], str) and _NO_THINKING not in refusal.message:
        payload["think"] = True
    else:
        del payload["think"]


def _less_thinking(wished: Any, sent: Any) -> str:
    """What is to be said where a model was asked for less than was wished."""
    if not wished or sent == wished:
        return ""
    return (
        f"takes no {wished!r} as a degree of thinking: it thinks as much as it usually does"
        if sent
        else CANNOT_THINK
    )


def _keep_alive(text: str) -> str | int:
    return int(text) if text.lstrip("-").isdigit() else text


def _format(response_format: dict[str, Any]) -> Any:
    """OpenAI's response_format as Ollama's `format`."""
    if response_format.get("type") == "json_schema":
        return response_format.get("json_schema", {}).get("schema", {})
    return "json" if response_format.get("type") == "json_object" else response_format
