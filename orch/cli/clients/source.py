"""Finds the endpoint that a client is to use: the running server, else what is installed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orch.cli import context
from orch.cli.clients.endpoint import (
    KEY_VARIABLE,
    OFFERED,
    ClientModel,
    Endpoint,
    models_of,
)
from orch.errors import ModelNotFoundError, OrchError, UsageError
from orch.server.local_client import NoServerError, request_json
from orch.text.requested_model import ModelNames

if TYPE_CHECKING:
    import typer

DEFAULT_URL = "http://127.0.0.1:11435"
PROBE_TIMEOUT_S = 5.0
OK, UNAUTHORIZED, NOT_FOUND = 200, 401, 404
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def current_endpoint(ctx: typer.Context) -> Endpoint:
    """The running server's endpoint, else that which one started now would be. Raises OrchError
    where the server does not answer."""
    from orch.cli.commands import serve

    info = serve.checked_info()
    if info and "stuck" in info:
        raise OrchError("the server does not answer", "orch serve stop ends it")
    _warn_of_other_config(ctx, info)
    return endpoint_of_server(info) if info else endpoint_of_inventory(ctx)


def _warn_of_other_config(ctx: typer.Context, info: dict[str, Any] | None) -> None:
    from orch.cli import render
    from orch.cli.via_server import local_fingerprint

    named = context.chosen_config_dir(ctx)
    if named and info and info.get("fingerprint") != local_fingerprint(named):
        render.print_warning(
            f"the running server does not have the configuration in {named}, and is used as it is;"
            " orch serve stop ends it"
        )


def endpoint_of_server(info: dict[str, Any]) -> Endpoint:
    """The running server's endpoint, by its description of itself. Raises OrchError."""
    url = reachable_url(info["url"])
    try:
        models = request_json("GET", "/orch/models")[1]["models"]
    except (NoServerError, KeyError):
        raise OrchError("the server does not answer", "orch serve status") from None
    return Endpoint(url, models_of(models), _asks_for_key(url))


def reachable_url(url: str) -> str:
    """A URL that reaches a server which listens at every address."""
    parts = urlsplit(url)
    host = _ANY_ADDRESS.get(parts.hostname or "")
    return f"{parts.scheme}://{host}:{parts.port}" if host else url


def _asks_for_key(url: str) -> bool:
    """Whether the server refuses a request without a key. Raises OrchError where none comes
    through."""
    import http.client

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=PROBE_TIMEOUT_S
    )
    try:
        # nothing that waits for a provider, which may hang
        connection.request("HEAD", "/api/hello")
        return connection.getresponse().status == UNAUTHORIZED
    except (OSError, http.client.HTTPException) as error:
        raise OrchError(f"{url} does not answer: {error}", "orch serve status") from None
    finally:
        connection.close()


def endpoint_of_inventory(ctx: typer.Context) -> Endpoint:
    """The endpoint that a server started now would be, by the configuration and what is installed.

    Raises ConfigError.
    """
    described, names = asyncio.run(_described(ctx))
    return Endpoint(DEFAULT_URL, models_of(described), bool(os.environ.get(KEY_VARIABLE)), names)


async def _described(ctx: typer.Context) -> tuple[list[dict[str, Any]], ModelNames]:
    from orch.server.api.abilities import described_with_room

    async with context.open_orchestrator(ctx) as orchestrator:
        registry = orchestrator.runtime.registry
        everything = await registry.snapshot(with_unlisted=True)
        described = described_with_room(everything, await registry.snapshot())
        return described, registry.names


def chosen_model(endpoint: Endpoint, name: str) -> ClientModel:
    """The model of that name, also of an alias that only the server knows. Raises
    ModelNotFoundError."""
    known = endpoint.find(name)
    if known:
        return replace(known, name=name)
    try:
        status, answer = request_json("POST", "/api/show", {"model": name})
    except NoServerError:
        status, answer = NOT_FOUND, {"error": f"no model is called {name!r}"}
    if status != OK:
        message = str(answer.get("error")).partition(";")[0]
        raise ModelNotFoundError(name, message, _names_hint(endpoint.installed))
    return shown_model(name, answer)


def shown_model(name: str, answer: Mapping[str, Any]) -> ClientModel:
    """A model by the answer of `/api/show`."""
    facts, capabilities = answer.get("model_info") or {}, answer.get("capabilities") or ()
    lengths = (value for key, value in facts.items() if key.endswith(".context_length"))
    return ClientModel(
        name,
        int(next(lengths, 0)),
        tools="tools" in capabilities,
        images="vision" in capabilities,
    )


def _names_hint(models: Iterable[ClientModel]) -> str:
    return f"one of: {', '.join((*OFFERED, *(model.name for model in models)))}"


def key_of_environment() -> str:
    """The key of ORCH_API_KEY: the first, where it has several by name. Raises UsageError where it
    is not set."""
    value = os.environ.get(KEY_VARIABLE, "").strip()
    if not value:
        raise UsageError(
            f"the server asks for a key, and {KEY_VARIABLE} is not set",
            f"read -rs {KEY_VARIABLE}; export {KEY_VARIABLE}  # then paste one of its keys",
        )
    if "," not in value and "=" not in value.rstrip("="):
        return value
    return value.split(",")[0].partition("=")[2].strip()
