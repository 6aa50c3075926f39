"""orch's own API under `/orch`: chunks, decisions, health, statistics, memory, runs, models,
ratings."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.config import paths
from orch.config.version import VERSION
from orch.errors import OrchError
from orch.execution import serialize
from orch.execution.events import Metadata, RunEvent
from orch.execution.health import run_health_checks
from orch.execution.lifecycle import ModelLoader
from orch.execution.run import Run
from orch.execution.session import resolve_session
from orch.orchestrator import build_task
from orch.providers import BalancesLoad
from orch.routing.catalog import describe
from orch.server.api.handler import (
    ActiveRequest,
    StreamedResponse,
    client_name,
    json_response,
    parse_body,
    response_headers,
    service_of,
    with_error_envelope,
    with_warning_headers,
)
from orch.server.api.native import schemas as forms
from orch.server.http.disconnect import DISCONNECT_CODE
from orch.server.http.peer_user import IDENTIFIES_PEERS
from orch.server.http.sessions import LoginSessions
from orch.storage.feedback import FeedbackStore
from orch.storage.history import History, decode_run
from orch.storage.stats import by_client, by_model, by_type
from orch.text.prompt import Attachment, Task

NDJSON = "application/x-ndjson"
MAX_RUNS = 1_000


def native_error(error: OrchError) -> dict[str, Any]:
    """An error as `orch run --json` renders it."""
    return serialize.error_to_json(error)


# ---------------------------------------------------------------- running and deciding


def _task(request: Request, asked: forms.TaskRequest) -> Task:
    given = asked.model_dump(
        include=set(forms.TaskRequest.model_fields),
        exclude={"text", "attachments", "messages"},
        exclude_defaults=True,
    )
    messages = [message.model_dump(exclude_unset=True) for message in asked.messages]
    attachments = tuple(Attachment(each.name, each.text, each.image) for each in asked.attachments)
    batch = request.headers.get("x-orch-priority", "").lower() == "batch"
    return build_task(
        asked.text,
        messages=messages,
        attachments=attachments,
        client=client_name(request),
        batch=batch,
        **given,
    )


@with_error_envelope(native_error)
async def run_task(request: Request) -> Response:
    """`POST /orch/run`: the library's chunks, as server-sent events or, if the client accepts that,
    as NDJSON."""
    service = service_of(request)
    asked = await parse_body(request, forms.RunRequest)
    _refuse_strangers(request)
    if asked.carry_on or asked.session:
        await service.flush_journal()  # the turn before may have ended a moment ago
    if asked.carry_on:
        asked.session = await service.wiring.offload(
            resolve_session, "", True, service.orchestrator.runtime.journal
        )
    task = _task(request, asked)
    lines = NDJSON in request.headers.get("accept", "")
    async with ActiveRequest(request, task, asked.on_partial, asked.face) as held:
        going, events = held.run, held.events
        first = await anext(events)
        decision = first.decision if isinstance(first, Metadata) else None
        model, task_type = (decision.model_id, decision.task_type) if decision else ("", "")
        heads = response_headers(going.run_id, model, str(task_type), 0)
        body = _body(first, events, going, lines)
        return with_warning_headers(
            StreamedResponse(
                body,
                heads,
                NDJSON if lines else "text/event-stream; charset=utf-8",
                held.hand_over(),
            ),
            going.warnings,
        )
    raise AssertionError("a stack of exits keeps no exception back")


def _refuse_strangers(request: Request) -> None:
    """Rejects a command whose version, folders or configuration differ from the server's."""
    wanted = request.headers.get("x-orch-fingerprint")
    if wanted and wanted != service_of(request).fingerprint:
        raise OrchError(
            "this server has another version, folder or configuration",
            "orch serve status shows which",
            code="another",
        )


async def _body(
    first: RunEvent, rest: AsyncGenerator[RunEvent], going: Run, lines: bool
) -> AsyncGenerator[bytes]:
    def packed(form: dict[str, Any]) -> bytes:
        return to_json(form) + b"\n" if lines else b"data: " + to_json(form) + b"\n\n"

    yield packed(serialize.event_to_json(first))
    try:
        async for event in rest:
            yield packed(serialize.event_to_json(event))
    except OrchError:
        return  # the error chunk has told it
    except asyncio.CancelledError:
        if going.error is None or going.error.code == DISCONNECT_CODE:
            raise
        # ended by its id: its caller is still there to be told
        yield packed(serialize.error_chunk(going.error))


@with_error_envelope(native_error)
async def route_task(request: Request) -> Response:
    """`POST /orch/route`: the decision only; no model is run."""
    runtime = service_of(request).orchestrator.runtime
    made = await runtime.router.plan(_task(request, await parse_body(request, forms.TaskRequest)))
    decision = made.decision
    heads = response_headers("", decision.model_id, str(decision.task_type), 0)
    return with_warning_headers(
        json_response(serialize.decision_to_json(decision, list(made.warnings)), heads),
        made.warnings,
    )


@with_error_envelope(native_error)
async def end_run(request: Request) -> Response:
    """`POST /orch/runs/{run_id}/end`: cancels a run as Ctrl-C would."""
    code = (await parse_body(request, forms.EndRunRequest)).code
    run_id = request.path_params["run_id"]
    if not service_of(request).cancel_run(run_id, code):
        raise OrchError(
            f"no run {run_id!r} is under way",
            "GET /orch/runs lists the last ones",
            code="not_found",
        )
    return json_response({"v": 1, "ok": True})


# ---------------------------------------------------------------- what happened


@with_error_envelope(native_error)
async def get_runs(request: Request) -> Response:
    """`GET /orch/runs`: the last runs, newest first; `limit` (50) and `since` (seconds since the
    epoch)."""
    service = service_of(request)
    limit, since = _number(request, "limit", 50), _number(request, "since", 0)
    most = min(max(int(limit), 1), MAX_RUNS)
    body = await service.read_history(lambda history: _listed(history, since, most))
    return Response(body, media_type="application/json")


def _listed(history: History, since: float, limit: int) -> bytes:
    """Serializes row by row: a thousand long answers in one call would block the interpreter
    meanwhile."""
    rows = (
        {name: row[name] for name in row if name not in ("messages", "decision")}
        for row in history.runs(since, limit)
    )
    return b'{"v":1,"runs":[' + b",".join(map(to_json, rows)) + b"]}"


def _number(request: Request, name: str, otherwise: float) -> float:
    text = request.query_params.get(name)
    try:
        number = float(text) if text else otherwise
    except ValueError:
        number = float("nan")
    if not -1e12 < number < 1e12:
        raise OrchError(f"{name} is no number: {text!r}", code="bad_input")
    return number


@with_error_envelope(native_error)
async def get_run(request: Request) -> Response:
    """`GET /orch/runs/{run_id}`: a run with its decision and attempts; `last` is the last one
    answered."""
    service = service_of(request)
    name = request.path_params["run_id"]
    body = await service.read_history(lambda history: _found(history, name))
    if body is None:
        raise OrchError(
            f"no run is called {name!r}", "GET /orch/runs lists the last ones", code="not_found"
        )
    return Response(body, media_type="application/json")


def _found(history: History, name: str) -> bytes | None:
    row = history.find_run(name)
    return (
        to_json({"v": 1, "run": decode_run(row), "attempts": history.attempts_of(row["run_id"])})
        if row
        else None
    )


@with_error_envelope(native_error)
async def get_stats(request: Request) -> Response:
    """`GET /orch/stats`: statistics by model, task type and client; `since` in seconds since the
    epoch."""
    service = service_of(request)
    since = _number(request, "since", 0)
    feedback = service.orchestrator.runtime.journal.feedback
    return json_response(
        await service.read_history(lambda history: _statistics(history, feedback, since))
    )


def _statistics(history: History, feedback: FeedbackStore, since: float) -> dict[str, Any]:
    attempts = history.attempts(since)
    return {
        "v": 1,
        "models": by_model(attempts),
        "types": by_type(attempts),
        "clients": by_client(history.outcomes(since)),
        "corrected": feedback.count_corrections(since),
    }


@with_error_envelope(native_error)
async def rate_answer(request: Request) -> Response:
    """`POST /orch/rate`: records the user's rating of a run."""
    service, said = service_of(request), await parse_body(request, forms.RateRequest)
    await service.flush_journal()
    told = await service.orchestrator.runtime.feedback.record(
        said.run_id, said.word, said.better, said.task_type
    )
    return json_response({"v": 1, "ok": True, "said": told})


# ---------------------------------------------------------------- what is there


@with_error_envelope(native_error)
async def get_health(request: Request) -> Response:
    """`GET /orch/health`: every check, the queue, memory for models, addresses, and configuration
    faults."""
    service = service_of(request)
    _refuse_strangers(request)
    await service.flush_journal()
    runtime = service.orchestrator.runtime
    rows, could_answer = await run_health_checks(runtime)
    fault = service.config_fault
    config = {
        "hash": service.config.hash,
        "fault": {"message": fault.message, "hint": fault.hint} if fault else None,
    }
    addresses = {
        name: backend.addresses()
        for name, backend in runtime.providers.items()
        if isinstance(backend, BalancesLoad)
    }
    queue = service.scheduler.status()
    return json_response(
        {
            "v": 1,
            "ok": could_answer,
            "checks": [asdict(row) for row in rows],
            "config": config,
            "queue": queue,
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
    """`GET /orch/models`: everything known about every model."""
    survey = await service_of(request).orchestrator.runtime.registry.snapshot(with_unlisted=True)
    return json_response(
        {
            "v": 1,
            "models": [describe(state) for state in survey.states],
            "down": dict(survey.unreachable),
        }
    )


@with_error_envelope(native_error)
async def post_load_model(request: Request) -> Response:
    """`POST /orch/models/load`: loads a model with its usual context, scheduled like any other
    request."""
    return await _moved(request, ModelLoader.load)


@with_error_envelope(native_error)
async def post_unload_model(request: Request) -> Response:
    """`POST /orch/models/unload`: frees a model's memory."""
    return await _moved(request, ModelLoader.unload)


async def _moved(request: Request, move: Callable[[ModelLoader, str], Awaitable[str]]) -> Response:
    service = service_of(request)
    _refuse_strangers(request)
    service.invalidate_inventory()  # the model may have been loaded a moment ago
    said = await move(
        service.orchestrator.runtime.loader, (await parse_body(request, forms.LoadRequest)).model
    )
    service.invalidate_inventory()
    return json_response({"v": 1, "ok": True, "said": said})


@with_error_envelope(native_error)
async def perform_memory_operation(request: Request) -> Response:
    """`POST /orch/memory/{name}`: search, list, show, add, forget, export, import, stats or
    reindex, with the command's arguments as JSON."""
    service = service_of(request)
    _refuse_strangers(request)
    await service.flush_journal()
    arguments = (await parse_body(request, forms.MemoryArguments)).model_dump()
    return json_response(
        {"v": 1, "result": await service.memory.perform(request.path_params["name"], arguments)}
    )
