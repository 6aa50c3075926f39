"""The rest of `/orch`: health, the server, its page, models and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from orch.config import paths
from orch.config.version import VERSION
from orch.errors import OrchError
from orch.execution.health import run_health_checks
from orch.execution.lifecycle import ModelLoader
from orch.providers import BalancesLoad
from orch.server.api.abilities import described_with_room
from orch.server.api.handler import json_response, parse_body, service_of, with_error_envelope
from orch.server.api.native.request_checks import check_fingerprint, native_error
from orch.server.api.native.schemas import LoadRequest, MemoryArguments
from orch.server.http.peer_user import IDENTIFIES_PEERS
from orch.server.http.sessions import LoginSessions


@with_error_envelope(native_error)
async def get_health(request: Request) -> Response:
    """`GET /orch/health`: every check, the queue, memory for models, addresses, and configuration
    faults."""
    service = service_of(request)
    check_fingerprint(request)
    await service.flush_journal()
    runtime = service.orchestrator.runtime
    checks, can_answer = await run_health_checks(runtime)
    fault = service.config_fault
    config = {
        "hash": service.config.hash,
        "fault": {"message": fault.message, "hint": fault.hint} if fault else None,
    }
    addresses = {
        name: provider.addresses()
        for name, provider in runtime.providers.items()
        if isinstance(provider, BalancesLoad)
    }
    return json_response(
        {
            "v": 1,
            "ok": can_answer,
            "checks": [asdict(check) for check in checks],
            "config": config,
            "queue": service.scheduler.status(),
            "addresses": addresses,
        }
    )


@with_error_envelope(native_error)
async def get_server(request: Request) -> Response:
    """`GET /orch/server`: the server's version, process, address, folder and configuration."""
    service = service_of(request)
    return json_response(
        {
            "v": 1,
            "version": VERSION,
            "pid": os.getpid(),
            "url": service.url,
            "home": str(paths.data_dir()),
            "config_hash": service.config.hash,
            "config_fault": service.config_fault.message if service.config_fault else None,
            "fingerprint": service.fingerprint,
            "uptime_s": time.time() - service.started_at,
            "running": len(service.running),
        }
    )


@with_error_envelope(native_error)
async def create_page_link(request: Request) -> Response:
    """`POST /orch/page`: the page's address, and a link that logs one browser in, once; `told` if
    the system identifies the owner, so that no link is needed."""
    logins: LoginSessions | None = request.scope["state"]["logins"]
    if logins is None:
        raise OrchError(
            "this server has no page",
            "orch serve stop, then orch serve without --no-ui",
            code="not_found",
        )
    url = service_of(request).url
    return json_response(
        {
            "v": 1,
            "url": f"{url}/",
            "link": f"{url}{logins.create_link()}",
            "told": logins.keys is None and IDENTIFIES_PEERS,
        }
    )


@with_error_envelope(native_error)
async def list_all_models(request: Request) -> Response:
    """`GET /orch/models`: everything known about every model, and what fits in memory of it."""
    registry = service_of(request).orchestrator.runtime.registry
    choice, everything = await registry.snapshot(), await registry.snapshot(with_unlisted=True)
    return json_response(
        {
            "v": 1,
            "models": described_with_room(everything, choice),
            "down": dict(everything.unreachable),
        }
    )


@with_error_envelope(native_error)
async def post_load_model(request: Request) -> Response:
    """`POST /orch/models/load`: loads a model with its usual context, scheduled like any other
    request."""
    return await _call_loader(request, ModelLoader.load)


@with_error_envelope(native_error)
async def post_unload_model(request: Request) -> Response:
    """`POST /orch/models/unload`: frees a model's memory."""
    return await _call_loader(request, ModelLoader.unload)


async def _call_loader(
    request: Request, action: Callable[[ModelLoader, str], Awaitable[str]]
) -> Response:
    service = service_of(request)
    check_fingerprint(request)
    service.invalidate_inventory()  # the model may have been loaded a moment ago
    body = await parse_body(request, LoadRequest)
    message = await action(service.orchestrator.runtime.loader, body.model)
    service.invalidate_inventory()
    return json_response({"v": 1, "ok": True, "said": message})


@with_error_envelope(native_error)
async def perform_memory_operation(request: Request) -> Response:
    """`POST /orch/memory/{name}`: search, list, show, add, forget, export, import, stats or
    reindex, with the command's arguments as JSON."""
    service = service_of(request)
    check_fingerprint(request)
    await service.flush_journal()
    arguments = (await parse_body(request, MemoryArguments)).model_dump()
    result = await service.memory.perform(request.path_params["name"], arguments)
    return json_response({"v": 1, "result": result})
