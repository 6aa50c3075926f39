"""Asks llama-server and llama-swap what they tell beside their list of models, and remembers it: a
question that fails leaves things unknown, and asking never loads a model."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from orch.errors import ProviderError
from orch.providers.client import HttpClient
from orch.providers.installed_models import InstalledModel
from orch.providers.llama_server.listing import (
    READY,
    ListedModel,
    has_states,
    is_swap,
    parse_models,
)
from orch.providers.llama_server.llama_swap import parse_running, with_running
from orch.providers.llama_server.properties import ServerProps, SlotUse, parse_props, parse_slots
from orch.providers.llama_server.weights import weights_bytes
from orch.providers.read_limits import read_body
from orch.providers.streams.values import validating

SIDE_TIMEOUT_S = 2.0
"""For what a server tells beside its list: nothing depends on it."""
REFUSED_S = 300.0
"""For how long a question that failed is not asked again."""
MOST_ASKED = 16
"""Models that are asked about in one inventory; the next one asks about others."""
MAX_SLOTS_BYTES = 4_000_000
"""Of `/slots`, which repeats the parameters of each request."""
_Stamp = tuple[int | None, int]


class _Told(NamedTuple):
    """What a model's process told, and the context and size by which it is the same one."""

    stamp: _Stamp
    props: ServerProps


class ModelFacts:
    """The facts of one server. `reads_files` says whether it runs on this machine, whose files its
    arguments name. `clock` gives seconds."""

    def __init__(
        self,
        http: HttpClient,
        *,
        reads_files: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self._reads_files, self._clock = http, reads_files, clock
        self._told: dict[str, _Told] = {}
        self._refused: dict[str, float] = {}
        self.server = ServerProps()
        """The properties of the whole server: of its one model, or of the router."""
        self.listed: dict[str, ListedModel] = {}
        """The models of the last list, by name."""
        self.is_router = self.is_swap = False

    async def installed(self, entries: Sequence[dict[str, Any]]) -> list[InstalledModel]:
        """The models of a list with all that the server tells of them."""
        self.is_swap, self.is_router = is_swap(entries), False
        listed = parse_models(entries)
        if self.is_swap:
            running = await self._running(listed)
            listed = [each._replace(model=with_running(each.model, running)) for each in listed]
            await self._ask_loaded(each for each in listed if each.model.name in running)
        elif has_states(entries):
            self.is_router = True
        elif not self.server.capabilities:
            await self.ask_server()
        if self.is_router:
            await self._ask_loaded(listed)
        self._forget_all_but(listed)
        self.listed = {each.model.name: each for each in listed}
        return [self._complete(each) for each in listed]

    def note_status(self, model: str, status: str) -> None:
        """Takes over a state that a load or an unload led to."""
        if (listed := self.listed.get(model)) is not None:
            self.listed[model] = listed._replace(model=listed.model._replace(status=status))

    def status_of(self, model: str) -> str:
        """The server's last word for a model's state; empty if it has none."""
        listed = self.listed.get(model)
        return listed.model.status if listed else ""

    # ---------------------------------------------------------------- questions

    async def ask(self, path: str, timeout_s: float = SIDE_TIMEOUT_S) -> dict[str, Any]:
        """The answer to a GET beside `/v1`, whole within `timeout_s`. Raises ProviderError."""
        url = self._http.load_balancer.fixed_order()[0]
        try:
            async with asyncio.timeout(timeout_s):
                full = root_url(url, path)
                return await self._http.json("GET", full, timeout_s=timeout_s, at=[url])
        except TimeoutError:
            message = f"the answer to {path} was not complete within {timeout_s:g} s"
            raise ProviderError("timeout", message) from None

    async def ask_server(self) -> None:
        """Asks for the properties of the whole server."""
        if (props := await self._props("/props")) is not None:
            self.server = props

    async def slots(self, model: str = "") -> SlotUse | None:
        """How many slots of a model are busy, whoever uses them; None if the server does not
        say."""
        path = f"/slots?model={quote(model, safe='')}&autoload=false" if model else "/slots"
        url = self._http.load_balancer.fixed_order()[0]
        try:
            async with (
                asyncio.timeout(SIDE_TIMEOUT_S),
                self._http.stream(
                    "GET", root_url(url, path), timeout_s=SIDE_TIMEOUT_S, at=[url]
                ) as response,
            ):
                return parse_slots(json.loads(await read_body(response, MAX_SLOTS_BYTES, path)))
        except (ProviderError, TimeoutError, ValueError, RecursionError):
            return None

    async def _props(self, path: str) -> ServerProps | None:
        if self._refused.get(path, 0.0) > self._clock():
            return None
        try:
            answer = await self.ask(path)
        except ProviderError:
            self._refused[path] = self._clock() + REFUSED_S
            return None
        return parse_props(answer)

    async def _running(self, listed: list[ListedModel]) -> dict[str, str]:
        """The state of each process of llama-swap, which its list tells roughly; empty if it does
        not say."""
        is_refused = self._refused.get("/running", 0.0) > self._clock()
        if is_refused or not any(each.model.resident for each in listed):
            return {}
        try:
            answer = await self.ask("/running")
            with validating():
                return parse_running(answer)
        except ProviderError:
            self._refused["/running"] = self._clock() + REFUSED_S
            return {}

    def _forget_all_but(self, listed: Sequence[ListedModel]) -> None:
        names = {each.model.name for each in listed}
        self._told = {name: told for name, told in self._told.items() if name in names}

    async def _ask_loaded(self, listed: Iterable[ListedModel]) -> None:
        """Asks about the loaded ones of these models of which nothing is known as they are now.
        llama-swap knows no `autoload` and starts what is asked about: of its models, only those
        whose processes it has just called ready may be given here."""
        new = [
            each.model
            for each in listed
            if each.model.status == READY and not self._is_known(each.model)
        ]
        await asyncio.gather(*map(self._ask_model, new[:MOST_ASKED]))

    def _is_known(self, model: InstalledModel) -> bool:
        told = self._told.get(model.name)
        return told is not None and told.stamp == _stamp(model)

    async def _ask_model(self, model: InstalledModel) -> None:
        props = await self._props(f"/props?model={quote(model.name, safe='')}&autoload=false")
        if props is not None:
            self._told[model.name] = _Told(_stamp(model), props)

    # ---------------------------------------------------------------- what is known

    def _complete(self, listed: ListedModel) -> InstalledModel:
        model, props = listed.model, self._props_of(listed.model)
        if not model.size_bytes and self._reads_files and not model.remote_host:
            model = model._replace(size_bytes=weights_bytes(listed.path))
        if props is None:
            return model
        if props.is_sleeping and model.status == READY:
            model = model._replace(status="sleeping", resident=False, resident_ctx=None)
        if props.capabilities is not None and model.capabilities not in ((), ("embedding",)):
            model = model._replace(capabilities=props.capabilities, untold=props.untold)
        return model._replace(
            context_window=model.context_window or props.num_ctx,
            resident_ctx=(model.resident_ctx or props.num_ctx) if model.resident else None,
            slots=props.slots or model.slots,
        )

    def _props_of(self, model: InstalledModel) -> ServerProps | None:
        if not (self.is_router or self.is_swap):
            return self.server
        told = self._told.get(model.name)
        return told.props if told else None


def root_url(url: str, path: str) -> str:
    """The URL of a path beside `/v1`."""
    return f"{url.removesuffix('/v1')}{path}"


def _stamp(model: InstalledModel) -> _Stamp:
    return model.resident_ctx, model.size_bytes
