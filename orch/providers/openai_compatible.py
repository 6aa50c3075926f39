"""Client for servers with OpenAI's chat completions API: vLLM, SGLang, LocalAI, Lemonade, Ollama's
`/v1` and others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import cached_property
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
from orch.providers.installed_models import InstalledModel, ModelInfo, models_text
from orch.providers.message_formats import to_openai_messages
from orch.providers.read_limits import model_entries
from orch.providers.refused_fields import RefusedFields
from orch.providers.remote_models import UNTOLD_HOST, RemotePolicy
from orch.providers.streams.answer import StreamedAnswer, until_cut
from orch.providers.streams.reader import iter_batches
from orch.providers.streams.sse import Event
from orch.providers.streams.values import validating
from orch.providers.thinking_effort import openai_effort

if TYPE_CHECKING:
    from orch.providers.llama_server.facts import ModelFacts
    from orch.providers.model_lists.side_lists import SideList

COUNT_TIMEOUT_S = 30.0
SIDE_TIMEOUT_S = 2.0
"""For what a server tells beside its list, which it does without where this fails."""
LLAMA_SERVERS = ("llamacpp", "llama-swap")
"""The owners of models by which llama.cpp's server and llama-swap are known: they tell more."""
ABSENT = ("model_not_found", "bad_response", "rejected")
"""Errors of a server that does not have a path: it need not be asked again."""
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
        urls = [self.api_url(url) for url in provider.urls]
        self._http = HttpClient(
            urls,
            provider.api_key,
            headers=provider.headers,
            verify=provider.verify_path,
            concurrent=concurrent,
        )
        self._remote = remote or RemotePolicy()
        self.local = self._http.local
        self._refused_paths: set[str] = set()
        self.listed_owner = ""
        """The owner that the list names, by which its server is recognised."""

    @staticmethod
    def api_url(url: str) -> str:
        """The address with `/v1` behind it, unless it has a path."""
        from urllib.parse import urlsplit

        url = url.rstrip("/")
        return url if urlsplit(url).path else f"{url}/v1"

    @classmethod
    def from_config(
        cls, name: str, provider: Provider, models: Models, *, concurrent: bool = False
    ) -> Self:
        """Makes the client of a provider of models.yaml."""
        return cls(provider, RemotePolicy(name, models), concurrent=concurrent)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Streams `/v1/chat/completions`; for a raw prompt `/v1/completions`, and where it has a
        suffix, llama.cpp's `/infill`."""
        self._remote.check(request.model)
        sent, refused = _payload(request), RefusedFields()
        answer = StreamedAnswer(has_choices=sent.get("n") not in (None, 1))
        stream = self._batches(request, sent, refused, answer)
        first_s, next_s = request.first_token_timeout_s, request.token_timeout_s
        timed = with_timeouts(stream, first_s, next_s, lambda: answer.progress)
        async with aclosing(until_cut(timed, answer)) as batches:
            async for batch in batches:
                if notice := refused.take_notice():
                    yield Delta(ignored_fields=notice)
                self._remote.check_events(request.model, batch)
                for delta in answer.add_all(batch):
                    yield delta
                answer.raise_failure(load_stream_error)
                if answer.is_over:
                    await drain(stream)
                    break
        yield answer.last()

    async def _batches(
        self,
        request: ChatRequest,
        payload: dict[str, Any],
        refused: RefusedFields,
        answer: StreamedAnswer,
    ) -> AsyncGenerator[list[Event]]:
        """Yields the events of the stream as they arrive, in batches. Takes out of `payload` what
        the server refuses."""
        at = self._http.load_balancer.order(request.affinity, request.address)
        path = "chat/completions" if request.raw is None else "completions"
        if "suffix" in payload and await self._is_llama_cpp(at[0]):
            at, path = at[:1], f"{at[0].removesuffix('/v1')}/infill"
            _ask_to_fill(payload)
        async with AsyncExitStack() as stack:
            while True:
                try:
                    response = await stack.enter_async_context(
                        self._http.stream("POST", path, payload, at=at)
                    )
                    break
                except ProviderError as refusal:
                    if not refused.remove(refusal, payload):
                        raise
            if len(self._http.urls) > 1:
                answer.address = self._http.load_balancer.address_of(str(response.url))
            async for events in iter_batches(response.aiter_bytes()):
                yield events

    async def _is_llama_cpp(self, url: str) -> bool:
        """Whether llama.cpp's server answers there, which fills gaps by an endpoint of its own and
        takes no suffix elsewhere."""
        answer = await self._http.json("GET", "models", at=[url])
        with validating():
            entries = model_entries(answer.get("data"), "id")
            return any(entry.get("owned_by") == "llamacpp" for entry in entries)

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = {}
    ) -> list[list[float]]:
        """Calls `/v1/embeddings`; waits while the server loads the model."""
        self._remote.check(model)
        excluded = (*_OLLAMA_ONLY, "encoding_format", "options")
        fields = {key: value for key, value in extra.items() if key not in excluded}
        body = {**fields, "model": model, "input": list(texts)}
        answer = await self._http.embeddings("embeddings", body)
        with validating():
            rows = sorted(answer["data"], key=lambda row: row.get("index", 0))
            return [list(row["embedding"]) for row, _ in zip(rows, texts, strict=True)]

    async def installed(self) -> list[InstalledModel]:
        """Reads `/v1/models`, and what the server is known to tell beside it."""
        # 2 ms, which a run does without whose only such server is the engine inside orch
        from orch.providers.model_lists.entries import owner_of, parse_entries
        from orch.providers.model_lists.side_lists import side_lists_of

        answer = await self._http.json("GET", "models")
        with validating():
            entries = model_entries(answer.get("data"), "id")
            models = parse_entries(entries)
        self.listed_owner = next(filter(None, map(owner_of, entries)), "")
        if any(entry.get("owned_by") in LLAMA_SERVERS for entry in entries):
            return self._remote.update_list(await self._facts.installed(entries))
        for side in side_lists_of(entries):
            models = await self._add_side_list(models, side)
        return self._remote.update_list(models)

    async def _add_side_list(
        self, models: list[InstalledModel], side: SideList
    ) -> list[InstalledModel]:
        """The models with what a side list tells. If it fails, the same ones, and where it tells
        which run elsewhere, with what it has told before."""
        has_new = side.tells_hosts and not all(self._remote.has_seen(each.name) for each in models)
        is_absent = side.path in self._refused_paths and not has_new
        if not is_absent:
            self._refused_paths.discard(side.path)
            try:
                answer = await self._ask_side_list(side.path)
                with validating():
                    return side.add(models, answer)
            except ProviderError as error:
                is_absent = _is_no_path(error) if side.tells_hosts else error.code in ABSENT
        if is_absent:
            self._refused_paths.add(side.path)  # an older version, or an imitation
        if not side.tells_hosts:
            return models
        return self._remote.with_known_hosts(models, "" if is_absent else UNTOLD_HOST)

    async def _ask_side_list(self, path: str) -> dict[str, Any]:
        """The answer at the address that the list is asked of. Raises ProviderError."""
        url = self._http.load_balancer.fixed_order()[0]
        full = f"{url.removesuffix('/v1')}{path}" if path.startswith("/") else path
        try:
            async with asyncio.timeout(SIDE_TIMEOUT_S):
                return await self._http.json("GET", full, timeout_s=SIDE_TIMEOUT_S, at=[url])
        except TimeoutError:
            message = f"the answer to {path} was not complete within {SIDE_TIMEOUT_S:g} s"
            raise ProviderError("timeout", message) from None

    @cached_property
    def _facts(self) -> ModelFacts:
        """What a llama-server or llama-swap tells beside its list."""
        from orch.providers.llama_server.facts import ModelFacts  # few servers need it

        return ModelFacts(self._http, reads_files=self.local)

    async def model_metadata(self) -> dict[str, Any]:
        """Returns llama.cpp's metadata of its model (`n_ctx_train`, `n_params`, `size`, …); empty
        for other servers."""
        answer = await self._http.json("GET", "models")
        with validating():
            return dict((answer.get("data") or [{}])[0].get("meta") or {})

    async def input_tokens(self, request: ChatRequest) -> int:
        """Counts a prompt by llama.cpp's endpoint for that; other servers have none."""
        fields = {key: value for key, value in _payload(request).items() if "stream" not in key}
        answer = await self._http.json(
            "POST", "chat/completions/input_tokens", fields, timeout_s=COUNT_TIMEOUT_S
        )
        with validating():
            return int(answer["input_tokens"])

    async def info(self, model: str) -> ModelInfo:
        """Returns no metadata: the API has none."""
        return ModelInfo()

    async def health(self) -> str:
        """Returns how many models the server lists."""
        answer = await self._http.json("GET", "models", timeout_s=QUICK_TIMEOUT_S)
        with validating():
            return models_text(len(model_entries(answer.get("data"), "id")))

    def addresses(self) -> list[dict[str, Any]]:
        """Returns the state of each address."""
        return self._http.load_balancer.status()

    async def release(self) -> None:
        """Closes the connections of this event loop."""
        await self._http.aclose()

    async def aclose(self) -> None:
        """The same as `release`: the models belong to the server."""
        await self.release()


def _is_no_path(error: ProviderError) -> bool:
    """Whether the server surely has no such path, rather than that it failed or refused."""
    return error.code == "model_not_found" or error.cause in ("path", "page")


def _payload(request: ChatRequest) -> dict[str, Any]:
    payload: dict[str, Any] = {
        **{key: value for key, value in request.options.items() if key not in _OLLAMA_ONLY},
        **{key: value for key, value in request.extra.items() if key not in _OLLAMA_ONLY},
        "model": request.model,
        **_asked(request),
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
    if request.slot is not None:
        payload["id_slot"] = request.slot
    return payload


def _asked(request: ChatRequest) -> dict[str, Any]:
    raw = request.raw
    if raw is None:
        return {"messages": to_openai_messages(request.messages)}
    if other := sorted(raw.fields.keys() - {"raw"}):
        message = f"{other[0]}: {request.model} does not take it, which Ollama's models alone do"
        raise ProviderError("bad_option", message)
    return {"prompt": raw.text, **({"suffix": raw.suffix} if raw.suffix else {})}


def _ask_to_fill(payload: dict[str, Any]) -> None:
    """Renames the fields of a completion to those of llama.cpp's `/infill`."""
    payload["input_prefix"], payload["input_suffix"] = payload.pop("prompt"), payload.pop("suffix")
    if "max_tokens" in payload:
        payload["n_predict"] = payload.pop("max_tokens")
