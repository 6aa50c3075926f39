"""Loads a model of llama-server's router and waits for it: by the router's events where it sends
them, else by its list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any, NamedTuple

from orch.errors import ProviderError
from orch.providers.client import HttpClient
from orch.providers.llama_server.facts import root_url
from orch.providers.llama_server.listing import READY, ListedModel, parse_models
from orch.providers.read_limits import model_entries
from orch.providers.streams.reader import iter_objects
from orch.providers.streams.values import parse_number, validating

POLL_S = 0.5
"""Between two looks at the list, where there are no events."""
START_TIMEOUT_S = 120.0
"""For a router to begin a load: it may have to end another model's process first."""
MAX_STAGES = 100
_ON_THE_WAY = ("loading", "downloading", "downloaded")
_OVER = ("unloaded", "failed")
_ALREADY = ("already running", "already loaded")
_NOT_RUNNING = ("not running", "not loaded")


class LoadState(NamedTuple):
    """A model's state in the middle of a load: the router's word, the share that is loaded (0 to 1,
    None if it does not say), and the exit code of a load that failed."""

    status: str
    share: float | None = None
    exit_code: int | None = None


def parse_event(event: Mapping[str, Any], model: str) -> LoadState | None:
    """A model's state by an event of `/models/sse`; None for other events and other models."""
    if event.get("model") != model:
        return None
    if event.get("event") == "model_remove":
        return LoadState("removed")
    data = event.get("data")
    status = data.get("status") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(status, str):
        return None
    return LoadState(status, _share(data.get("progress")))


def _share(progress: Any) -> float | None:
    """The share of a load in several stages, of which each counts the same."""
    if not isinstance(progress, dict):
        return None
    stages, value = progress.get("stages"), parse_number(progress.get("value"))
    if not isinstance(stages, list) or not 0 < len(stages) <= MAX_STAGES or value is None:
        return None
    current = progress.get("current")
    done = stages.index(current) if current in stages else 0
    return min((done + min(value, 1.0)) / len(stages), 1.0)


class RouterLoads:
    """Loads and unloads of one router."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def load(self, model: str, limit_s: float) -> None:
        """Returns when the model is ready. Raises ProviderError: `server_error` if its process
        ended, `timeout` after `limit_s`."""
        url, share = self._http.load_balancer.fixed_order()[0], None
        try:
            async with asyncio.timeout(limit_s), aclosing(self._states(url, model)) as states:
                async for state in states:
                    if state.status == READY:
                        return
                    _raise_if_over(model, state)
                    share = state.share if state.share is not None else share
        except TimeoutError:
            part = "" if share is None else f" ({share:.0%} of it was)"
            message = f"{model} was not loaded within {limit_s:g} s{part}"
            raise ProviderError("timeout", message) from None

    async def unload(self, model: str, limit_s: float) -> None:
        """Returns when every address has freed the model's memory, at the latest after `limit_s`
        for each. Raises ProviderError."""
        for url in self._http.urls:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._unload_at(url, model)

    async def _unload_at(self, url: str, model: str) -> None:
        await self._post(url, "/models/unload", model, _NOT_RUNNING)
        while (await self._listed(url, model)).status not in (*_OVER, "removed"):
            await asyncio.sleep(POLL_S / 5)

    async def _states(self, url: str, model: str) -> AsyncGenerator[LoadState]:
        """The model's states from the start of its load on: by the router's events while they tell
        of a load, then by its list."""
        is_started = False
        try:
            async with self._http.stream("GET", root_url(url, "/models/sse"), at=[url]) as response:
                await self._start(url, model)
                is_started = True
                yield await self._listed(url, model)
                async for event in iter_objects(response.aiter_bytes()):
                    state = parse_event(event, model)
                    if state is not None and state.status not in _ON_THE_WAY:
                        break
                    if state is not None:
                        yield state
        except ProviderError as failure:
            is_missing = failure.code in ("model_not_found", "bad_response", "rejected")
            if not is_started and not is_missing:
                raise
        if not is_started:
            await self._start(url, model)
        while True:
            yield await self._listed(url, model)
            await asyncio.sleep(POLL_S)

    async def _start(self, url: str, model: str) -> None:
        await self._post(url, "/models/load", model, _ALREADY)

    async def _post(self, url: str, path: str, model: str, done: tuple[str, ...]) -> None:
        """Sends a request that names a model; the words of `done` in a refusal say that there is
        nothing to do."""
        try:
            await self._http.json(
                "POST", root_url(url, path), {"model": model}, timeout_s=START_TIMEOUT_S, at=[url]
            )
        except ProviderError as refusal:
            if not any(words in refusal.message for words in done):
                raise

    async def _listed(self, url: str, model: str) -> LoadState:
        """The model's state in the list."""
        answer = await self._http.json("GET", root_url(url, "/models"), at=[url])
        with validating():
            listed = parse_models(model_entries(answer.get("data"), "id"))
        named = (each for each in listed if each.model.name == model)
        return _load_state(next(named, None))


def _load_state(listed: ListedModel | None) -> LoadState:
    if listed is None:
        return LoadState("removed")
    return LoadState(listed.model.status, None, listed.exit_code)


def _raise_if_over(model: str, state: LoadState) -> None:
    """Raises ProviderError for a load that will not end well."""
    if state.status == "removed":
        raise ProviderError("model_not_found", f"the router has no model {model} any more")
    if state.status in _OVER:
        code = "" if not state.exit_code else f" (exit code {state.exit_code})"
        message = f"{model} failed to load: its process ended{code}; the router's log says why"
        raise ProviderError("server_error", message)
