"""Client for Ollama's native API; its `/v1` ignores num_ctx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, Self

from orch.config.spec import Models, Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest, Delta
from orch.providers.client import (
    QUICK_TIMEOUT_S,
    HttpClient,
    drain,
    load_stream_error,
    with_timeouts,
)
from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.providers.message_formats import to_ollama_messages
from orch.providers.ollama.metadata import (
    LoadedModels,
    digest_of,
    parse_installed,
    parse_model_info,
)
from orch.providers.read_limits import error_line, model_entries
from orch.providers.remote_models import RemotePolicy, remote_host_of
from orch.providers.streams.answer import StreamedAnswer, until_cut
from orch.providers.streams.reader import iter_batches
from orch.providers.streams.sse import Event
from orch.providers.streams.values import validating
from orch.providers.thinking_effort import (
    asks_for_thinking,
    ollama_think,
    reduce_thinking,
    reduced_thinking_notice,
    refuses_thinking,
)

if TYPE_CHECKING:
    from orch.providers.ollama.management import OllamaManagement

LOADED_TIMEOUT_S = 2.0
"""For the list of loaded models, which Ollama keeps in memory: without it a run knows less, and
waiting for it would hold up the answer."""
UNLOAD_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 600.0
_TOP_LEVEL = ("think", "keep_alive", "logprobs", "top_logprobs")
"""Options that Ollama reads beside `options`, not in it."""
_TRANSLATED = ("reasoning_effort", "thinking")
"""Fields of other APIs that become `think`."""
_NEVER_SENT = ("shift",)
"""Since 0.30 a model is started with it, so that another value loads the model anew (`needsReload`
in server/sched.go), and orch leaves room for the answer. What else a model is started with
(`draft_num_predict`, `num_batch`, `num_gpu`, …) is sent where a client asks for it alone."""
_NOT_PASSED_ON = (*_TRANSLATED, *_NEVER_SENT)
_RENAMED = {"max_tokens": "num_predict", "max_completion_tokens": "num_predict"}


class OllamaClient:
    """One Ollama server, at one or several addresses."""

    fixed_ctx = False
    prefills = True

    def __init__(
        self, provider: Provider, remote: RemotePolicy | None = None, *, concurrent: bool = False
    ) -> None:
        self._http = HttpClient(
            provider.urls,
            provider.api_key,
            headers=provider.headers,
            verify=provider.verify_path,
            concurrent=concurrent,
        )
        self._remote = remote or RemotePolicy()
        self._keep_alive = provider.keep_alive
        self.local = self._http.local

    @classmethod
    def from_config(
        cls, name: str, provider: Provider, models: Models, *, concurrent: bool = False
    ) -> Self:
        """Makes the client of a provider of models.yaml."""
        return cls(provider, RemotePolicy(name, models), concurrent=concurrent)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Streams `/api/chat`, for a raw prompt `/api/generate`, with `truncate: false`: a prompt
        that is too long is an error, never cut."""
        self._remote.check(request.model)
        payload, answer = self._payload(request), StreamedAnswer()
        thinking, stream = payload.get("think"), self._batches(request, payload, answer)
        first_s, next_s = request.first_token_timeout_s, request.token_timeout_s
        timed = with_timeouts(stream, first_s, next_s, lambda: answer.progress)
        async with aclosing(until_cut(timed, answer)) as batches:
            async for batch in batches:
                self._remote.check_events(request.model, batch)
                if notice := reduced_thinking_notice(thinking, payload.get("think")):
                    thinking = payload.get("think")
                    yield Delta(ignored_fields=notice)
                deltas = answer.add_all(batch)
                if answer.is_over:
                    await drain(stream)
                for delta in deltas:
                    yield delta
                answer.raise_failure(load_stream_error)
                if answer.is_over:
                    break
        yield answer.last()

    async def _batches(
        self, request: ChatRequest, payload: dict[str, Any], answer: StreamedAnswer
    ) -> AsyncGenerator[list[Event]]:
        """Yields the objects of the stream as they arrive, in batches. Reduces the thinking in
        `payload` when the model rejects it."""
        at = self._http.load_balancer.order(request.affinity, request.address)
        path = "/api/chat" if request.raw is None else "/api/generate"
        async with AsyncExitStack() as stack:
            while True:
                try:
                    response = await stack.enter_async_context(
                        self._http.stream("POST", path, payload, at=at)
                    )
                    break
                except ProviderError as refusal:
                    if not refuses_thinking(refusal, payload):
                        raise
                    reduce_thinking(payload, refusal)
            if len(self._http.urls) > 1:
                answer.address = self._http.load_balancer.address_of(str(response.url))
            async for events in iter_batches(response.aiter_bytes()):
                yield events

    def _payload(self, request: ChatRequest) -> dict[str, Any]:
        options = {
            _RENAMED.get(key, key): value
            for key, value in request.options.items()
            if key not in _NEVER_SENT
        }
        if isinstance(options.get("stop"), str):
            options["stop"] = [options["stop"]]
        payload = {
            **self._top_level(options, request.extra),
            "model": request.model,
            **_asked(request),
            "stream": True,
            "truncate": False,
        }
        sizes = {"num_ctx": request.num_ctx, "num_predict": request.max_tokens}
        payload["options"] = options | {k: v for k, v in sizes.items() if v is not None}
        # Ollama has no tool_choice
        if request.tools and request.extra.get("tool_choice") != "none":
            payload["tools"] = request.tools
        if request.response_format is not None and request.response_format.get("type") != "text":
            payload["format"] = _format(request.response_format)
        return payload

    def _top_level(self, options: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
        """Takes out of `options` what belongs beside them, and adds the client's own fields."""
        fields = {key: options.pop(key) for key in _TOP_LEVEL if key in options}
        effort = options.pop("reasoning_effort", extra.get("reasoning_effort"))
        if effort is not None:
            fields["think"] = ollama_think(effort)
        if "thinking" in extra:
            fields.setdefault("think", asks_for_thinking(extra["thinking"]))
        fields |= {key: value for key, value in extra.items() if key not in _NOT_PASSED_ON}
        if self._keep_alive is not None:
            fields.setdefault("keep_alive", _keep_alive(self._keep_alive))
        return fields

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = {}
    ) -> list[list[float]]:
        """Calls `/api/embed`, again with `truncate: false`; waits while a server loads the
        model."""
        if not self._remote.has_seen(model):  # memory embeds without taking an inventory first
            await self.installed()
            self._remote.check(model)
            await self.info(model)
        self._remote.check(model)
        body = {"truncate": False, **extra, "model": model, "input": list(texts)}
        answer = await self._http.embeddings("/api/embed", body)
        self._remote.check_answer(model, answer)
        with validating():
            return [list(vector) for vector, _ in zip(answer["embeddings"], texts, strict=True)]

    async def installed(self) -> list[InstalledModel]:
        """Combines `/api/tags` and `/api/ps`. Where `/api/ps` fails, is no list or takes too long,
        it is not known which models are loaded."""
        tags, running = await asyncio.gather(self._http.json("GET", "/api/tags"), self._running())
        with validating():
            entries = model_entries(tags.get("models"), "name", "model")
            loaded = LoadedModels(running, {digest_of(entry) for entry in entries})
            models = [
                parse_installed(entry, loaded.entry_of(entry), is_known=loaded.is_known)
                for entry in entries
            ]
        return self._remote.update_list(models)

    async def _running(self) -> list[dict[str, Any]] | None:
        """The entries of `/api/ps`; None if the server does not tell in time."""
        try:
            async with asyncio.timeout(LOADED_TIMEOUT_S):
                answer = await self._http.json("GET", "/api/ps", timeout_s=LOADED_TIMEOUT_S)
            with validating():
                return model_entries(answer.get("models"), "name", "model")
        except (ProviderError, TimeoutError):  # a server that is down fails at /api/tags too
            return None

    async def info(self, model: str) -> ModelInfo:
        """Reads `/api/show`: capabilities, context, parameters and KV cache bytes per token."""
        show = await self._http.json("POST", "/api/show", {"model": model})
        with validating():
            host = self._remote.update_model(model, remote_host_of(show))
            return parse_model_info(show)._replace(remote_host=host)

    def management(self) -> OllamaManagement:
        """What else the server does with its models."""
        from orch.providers.ollama.management import OllamaManagement  # few runs need it

        return OllamaManagement(self._http)

    def pull(self, model: str, *, insecure: bool = False) -> AsyncGenerator[dict[str, Any]]:
        """Yields the progress objects of `/api/pull`."""
        body = {"model": model, **({"insecure": True} if insecure else {})}
        return self.management().progress("/api/pull", body)

    async def show_raw(self, model: str, *, verbose: bool = False) -> dict[str, Any]:
        """Returns `/api/show` unchanged."""
        body = {"model": model, **({"verbose": True} if verbose else {})}
        return await self._http.json("POST", "/api/show", body)

    async def list_raw(self, path: str) -> list[dict[str, Any]]:
        """Returns the entries of `/api/tags` or `/api/ps` unchanged."""
        entries = (await self._http.json("GET", path)).get("models")
        if not isinstance(entries, list):
            return []
        return model_entries([each for each in entries if isinstance(each, dict)], "name", "model")

    async def load(
        self, model: str, num_ctx: int | None, keep_alive: str | float | None = None
    ) -> None:
        """Loads a model with that context length; None for a model that only embeds."""
        self._remote.check(model)
        if keep_alive is None and self._keep_alive is not None:
            keep_alive = _keep_alive(self._keep_alive)
        body: dict[str, Any] = {"model": model}
        if keep_alive is not None:
            body["keep_alive"] = keep_alive
        if num_ctx is None:
            path, body = "/api/embed", {**body, "input": []}
        else:
            path, body = "/api/generate", {**body, "options": {"num_ctx": num_ctx}}
        await self._http.json("POST", path, body, timeout_s=LOAD_TIMEOUT_S)

    async def unload(self, model: str) -> None:
        """Asks every address to unload the model now; `installed` shows when it is done."""
        body = {"model": model, "keep_alive": 0}
        requests = (
            self._http.json("POST", "/api/generate", body, timeout_s=UNLOAD_TIMEOUT_S, at=[url])
            for url in self._http.urls
        )
        results = await asyncio.gather(*requests, return_exceptions=True)
        failures = [error for error in results if isinstance(error, BaseException)]
        if len(failures) == len(self._http.urls):
            raise failures[0]

    def addresses(self) -> list[dict[str, Any]]:
        """Returns the state of each address."""
        return self._http.load_balancer.status()

    async def version(self) -> str:
        """Returns `ollama` and the version that `/api/version` gives."""
        answer = await self._http.json("GET", "/api/version", timeout_s=QUICK_TIMEOUT_S)
        return f"ollama {error_line(answer.get('version', '?'))}"

    async def health(self) -> str:
        """Reads `/api/version`."""
        return (await self.version()).capitalize()

    async def release(self) -> None:
        """Closes the connections of this event loop."""
        await self._http.aclose()

    async def aclose(self) -> None:
        """The same as `release`: the models belong to the server."""
        await self.release()


def _asked(request: ChatRequest) -> dict[str, Any]:
    raw = request.raw
    if raw is None:
        return {"messages": to_ollama_messages(request.messages)}
    return {**raw.fields, "prompt": raw.text, **({"suffix": raw.suffix} if raw.suffix else {})}


def _keep_alive(value: str | int) -> str | int:
    return int(value) if str(value).lstrip("+-").isdigit() else value


def _format(response_format: dict[str, Any]) -> Any:
    """Converts OpenAI's response_format to Ollama's `format`."""
    if response_format.get("type") == "json_schema":
        return response_format.get("json_schema", {}).get("schema", {})
    return "json" if response_format.get("type") == "json_object" else response_format
