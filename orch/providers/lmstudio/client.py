"""Client for LM Studio: its own `/api/v1` for lists, loads and downloads, and its `/v1` for
answers."""

from __future__ import annotations

import asyncio
import shlex
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.providers.client import QUICK_TIMEOUT_S
from orch.providers.installed_models import InstalledModel, models_text
from orch.providers.lmstudio.downloads import download
from orch.providers.lmstudio.lists import (
    Instance,
    ListedModel,
    instance_for,
    is_all_foreign,
    parse_v0,
    parse_v1,
)
from orch.providers.openai_compatible import ABSENT, OpenAIClient
from orch.providers.refused_fields import RefusedFields
from orch.providers.remote_models import RemotePolicy
from orch.providers.streams.answer import StreamedAnswer
from orch.providers.streams.sse import Event
from orch.providers.streams.values import validating
from orch.text.lines import is_valid_name

LOAD_TIMEOUT_S = 600.0
UNLOAD_TIMEOUT_S = 30.0
MOST_KEPT = 3
"""Instances of other programs that `health` names."""
POLL_S = 0.05
"""Between two looks at whether a model still answers, before it is loaded with a longer context."""
V1, V0 = "/api/v1/models", "/api/v0/models"
_UNREACHABLE = ("connect", "timeout", "denied", "rate_limited", "busy", "loading")
"""Errors that say nothing about whether a server has a path."""
_LISTS: tuple[tuple[str, Callable[[Mapping[str, Any]], list[ListedModel]]], ...] = (
    (V1, parse_v1),
    (V0, parse_v0),
)


class LMStudioClient(OpenAIClient):
    """One LM Studio, at one or several addresses.

    Of one with `/api/v1`, a model is loaded with the context that a request needs, and again if it
    is loaded with a shorter one: a second load would be a second instance. What another program
    loaded under a name of its own stays as it is. Older ones, and those at several addresses, load
    models by themselves.
    """

    fixed_ctx = False

    def __init__(
        self, provider: Provider, remote: RemotePolicy | None = None, *, concurrent: bool = False
    ) -> None:
        super().__init__(provider, remote, concurrent=concurrent)
        self.fixed_ctx = len(self._http.urls) > 1
        self._instances: dict[str, tuple[Instance, ...]] = {}
        self._is_listed = False
        self._answering: Counter[str] = Counter()
        """Answers of each model that go on: unloading its instance would break them off."""
        self._replacing: set[str] = set()
        """Models whose instance is replaced once nobody uses it; new requests wait for the next."""
        self._locks: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[str, asyncio.Lock]
        ] = weakref.WeakKeyDictionary()

    # ------------------------------------------------------------ lists

    async def installed(self) -> list[InstalledModel]:
        """Reads `/api/v1/models`, else `/api/v0/models`, else `/v1/models`."""
        self._is_listed = True
        for path, parse in _LISTS:
            if path in self._refused_paths:
                continue
            try:
                return self._remote.update_list(await self._list(path, parse))
            except ProviderError as error:
                if error.code in _UNREACHABLE:
                    raise
                if error.code in ABSENT:
                    self._refused_paths.add(path)
        self.fixed_ctx = True
        return await super().installed()

    async def _list(
        self, path: str, parse: Callable[[Mapping[str, Any]], list[ListedModel]]
    ) -> list[InstalledModel]:
        answer = await self._ask("GET", path)
        with validating():
            listed = parse(answer)
        self._instances = {each.item.name: each.instances for each in listed}
        # without a load of its own, orch can't set a context
        self.fixed_ctx = path != V1 or len(self._http.urls) > 1
        return [each.item for each in listed]

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        timeout_s: float = QUICK_TIMEOUT_S,
    ) -> dict[str, Any]:
        """The answer of LM Studio's own API at the first address that can be reached."""
        failure = ProviderError("connect", "the provider has no address")
        for url in self._http.load_balancer.fixed_order():
            try:
                full = f"{url.removesuffix('/v1')}{path}"
                return await self._http.json(method, full, body, timeout_s=timeout_s, at=[url])
            except ProviderError as error:
                failure = error
                if error.code != "connect":
                    break
        raise failure

    async def health(self) -> str:
        """Returns how many models it lists, and which loaded ones orch leaves as they are."""
        models = await self.installed()
        kept = [self._instances[each.name][0] for each in models if each.foreign][:MOST_KEPT]
        notes = (f"; {each.id} is another program's and stays loaded" for each in kept)
        return f"LM Studio, {models_text(len(models))}{''.join(notes)}"

    # ------------------------------------------------------------ load and unload

    async def load(
        self, model: str, num_ctx: int | None, keep_alive: str | float | None = None
    ) -> None:
        """Loads a model with that context length, unless it is loaded with that or a longer one;
        None leaves the context to LM Studio. `keep_alive` has no counterpart."""
        self._remote.check(model)
        await self._check_v1()
        async with self._lock(model):
            await self._load(model, num_ctx)

    async def unload(self, model: str) -> None:
        """Unloads every instance of the model."""
        await self._check_v1()
        async with self._lock(model):
            await self._list(V1, parse_v1)
            for instance in self._instances.get(model, ()):
                await self._unload(instance)

    def _lock(self, model: str) -> asyncio.Lock:
        """One load of a model at a time: of two at once, each would make an instance."""
        locks = self._locks.setdefault(asyncio.get_running_loop(), {})
        return locks.setdefault(model, asyncio.Lock())

    async def _check_v1(self) -> None:
        """Raises ProviderError for an LM Studio that does not load models on request."""
        if not self._is_listed:
            await self.installed()
        if V1 in self._refused_paths:
            message = "this LM Studio has no /api/v1: version 0.4 loads and unloads on request"
            raise ProviderError("rejected", message)

    async def _load(self, model: str, num_ctx: int | None) -> str:
        """Loads a model unless it is loaded; returns the name of the instance. Raises ProviderError
        where only another program's instance is loaded, with a shorter context."""
        await self._list(V1, parse_v1)
        instances = self._instances.get(model, ())
        if (found := instance_for(model, instances, num_ctx)) is not None:
            return found.id
        if is_all_foreign(model, instances):
            raise _foreign_error(model, instances[0], num_ctx)
        self._replacing.add(model)
        try:
            while self._answering[model]:
                await asyncio.sleep(POLL_S)
            return await self._replace(model, instances, num_ctx)
        finally:
            self._replacing.discard(model)

    async def _replace(self, model: str, instances: Iterable[Instance], num_ctx: int | None) -> str:
        for instance in instances:
            if not instance.is_foreign(model):
                await self._unload(instance)
        context = {} if num_ctx is None else {"context_length": num_ctx}
        answer = await self._ask(
            "POST", f"{V1}/load", {"model": model, **context}, timeout_s=LOAD_TIMEOUT_S
        )
        name: Any = answer.get("instance_id") or answer.get("model_instance_id")
        loaded = Instance(name if is_valid_name(name) else model, num_ctx)
        self._instances[model] = (loaded,)
        return loaded.id

    async def _unload(self, instance: Instance) -> None:
        body = {"instance_id": instance.id}
        await self._ask("POST", f"{V1}/unload", body, timeout_s=UNLOAD_TIMEOUT_S)

    # ------------------------------------------------------------ answers and downloads

    async def _batches(
        self,
        request: ChatRequest,
        payload: dict[str, Any],
        refused: RefusedFields,
        answer: StreamedAnswer,
    ) -> AsyncGenerator[list[Event]]:
        """Yields the events of the stream, once the model is loaded with the request's context."""
        payload["model"] = await self._instance(request)
        self._answering[request.model] += 1
        try:
            async with aclosing(super()._batches(request, payload, refused, answer)) as batches:
                async for events in batches:
                    yield events
        finally:
            self._answering[request.model] -= 1

    async def _instance(self, request: ChatRequest) -> str:
        """The name under which LM Studio has the model with the request's context in memory."""
        model, num_ctx = request.model, request.num_ctx
        found = instance_for(model, self._instances.get(model, ()), num_ctx)
        if found and model not in self._replacing:
            return found.id
        if self.fixed_ctx or num_ctx is None or model not in self._instances:
            return model
        async with self._lock(model):
            return await self._load(model, num_ctx)

    def pull(self, model: str, *, insecure: bool = False) -> AsyncGenerator[dict[str, Any]]:
        """Downloads a model of LM Studio's catalogue or of Hugging Face; yields its progress.
        Closing it leaves the download to LM Studio, which has no request that ends one."""
        return download(self._ask, model)


def _foreign_error(model: str, instance: Instance, num_ctx: int | None) -> ProviderError:
    """For a context that is longer than that of another program's instance."""
    message = (
        f"another program loaded {model} as {instance.id} with {instance.context or 0:,} tokens of"
        f" context, fewer than {num_ctx or 0:,}, and orch leaves it loaded;"
        f" lms unload {shlex.quote(instance.id)} ends it"
    )
    return ProviderError("context_overflow", message, context_tokens=instance.context)
