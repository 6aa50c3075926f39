"""orch's own API under `/orch`: the library's chunks, decisions, health, figures, memory, runs,
models and ratings."""

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
from orch.execution.attempt import Chunk
from orch.execution.health import probes
from orch.execution.lifecycle import load, unload
from orch.execution.run import Run
from orch.execution.runtime import Runtime
from orch.execution.session import session_named
from orch.orchestrator import task_of
from orch.routing.feedback import rate as rate_run
from orch.routing.lookup import facts
from orch.routing.router import plan
from orch.server.api.handler import (
    Held,
    Stream,
    as_json,
    client_of,
    guarded,
    headers,
    read,
    service_of,
    warned,
)
from orch.server.api.native import schemas as forms
from orch.server.http.disconnect import CODE
from orch.server.http.peer_user import TELLS
from orch.server.http.sessions import Logins
from orch.storage.journal import Journal, unpacked
from orch.storage.stats import by_client, by_model, by_type
from orch.text.prompt import Attachment, Task

LINES = "application/x-ndjson"
MOST_RUNS = 1_000


def envelope(error: OrchError) -> dict[str, Any]:
    """An error as `orch run --json` tells it."""
    return serialize.of_error(error)


# ---------------------------------------------------------------- running and deciding


def _task(request: Request, asked: forms.Asked) -> Task:
    given = asked.model_dump(
        include=set(forms.Asked.model_fields),
        exclude={"text", "attachments", "messages"},
        exclude_defaults=True,
    )
    messages = [message.model_dump(exclude_unset=True) for message in asked.messages]
    attachments = tuple(Attachment(each.name, each.text, each.image) for each in asked.attachments)
    batch = request.headers.get("x-orch-priority", "").lower() == "batch"
    return task_of(
        asked.text,
        messages=messages,
        attachments=attachments,
        client=client_of(request),
        batch=batch,
        **given,
    )


@guarded(envelope)
async def run(request: Request) -> Response:
    """`POST /orch/run`: the chunks of the library, as server-sent events or, where the client
    accepts them, one JSON object a line."""
    service = service_of(request)
    asked = await read(request, forms.Run)
    _refuse_strangers(request)
    if asked.carry_on or asked.session:
        await service.flushed()  # the turn before may have ended a moment ago
    if asked.carry_on:
        asked.session = await service.wiring.aside(
            session_named, "", True, service.orchestrator.runtime.journal
        )
    task = _task(request, asked)
    lines = LINES in request.headers.get("accept", "")
    async with Held(request, task, asked.on_partial, asked.face) as held:
        going, chunks = held.run, held.chunks
        first = await anext(chunks)
        heads = headers(
            going.run_id, str(first.get("model_id", "")), str(first.get("task_type", "")), 0
        )
        body = _told(first, chunks, going, lines)
        return warned(
            Stream(
                body, heads, LINES if lines else "text/event-stream; charset=utf-8", held.kept()
            ),
            going.warnings,
        )
    raise AssertionError("a stack of exits keeps no exception back")


def _refuse_strangers(request: Request) -> None:
    """The commands ask only a server that has their version, folders and configuration."""
    wanted = request.headers.get("x-orch-fingerprint")
    if wanted and wanted != service_of(request).fingerprint:
        raise OrchError(
            "this server has another version, folder or configuration",
            "orch serve status shows which",
            code="another",
        )


async def _told(
    first: Chunk, rest: AsyncGenerator[Chunk], going: Run, lines: bool
) -> AsyncGenerator[bytes]:
    def packed(form: dict[str, Any]) -> bytes:
        return to_json(form) + b"\n" if lines else b"data: " + to_json(form) + b"\n\n"

    yield packed(serialize.of_chunk(first))
    try:
        async for chunk in rest:
            yield packed(serialize.of_chunk(chunk))
    except OrchError:
        return  # the error chunk has told it
    except asyncio.CancelledError:
        if going.error is None or going.error.code == CODE:
            raise
        # ended by its id: its caller is still there to be told
        yield packed(serialize.error_chunk(going.error))


@guarded(envelope)
async def route(request: Request) -> Response:
    """`POST /orch/route`: the decision alone."""
    runtime = service_of(request).orchestrator.runtime
    made = await plan(_task(request, await read(request, forms.Asked)), runtime)
    decision = made.decision
    heads = headers("", decision.model_id, str(decision.task_type), 0)
    return warned(
        as_json(serialize.of_decision(decision, list(made.warnings)), heads), made.warnings
    )


@guarded(envelope)
async def end(request: Request) -> Response:
    """`POST /orch/runs/{run_id}/end`: ends a run as its caller's Ctrl-C would."""
    code = (await read(request, forms.Ended)).code
    run_id = request.path_params["run_id"]
    if not service_of(request).end(run_id, code):
        raise OrchError(
            f"no run {run_id!r} is under way",
            "GET /orch/runs lists the last ones",
            code="not_found",
        )
    return as_json({"v": 1, "ok": True})


# ---------------------------------------------------------------- what happened


@guarded(envelope)
async def runs(request: Request) -> Response:
    """`GET /orch/runs`: the last runs, newest first; `limit` (50) and `since` (seconds since the
    epoch)."""
    service = service_of(request)
    await service.flushed()
    limit, since = _number(request, "limit", 50), _number(request, "since", 0)
    body = await service.wiring.aside(
        _listed, service.orchestrator.runtime.journal, since, min(max(int(limit), 1), MOST_RUNS)
    )
    return Response(body, media_type="application/json")


def _listed(journal: Journal, since: float, limit: int) -> bytes:
    """Packed row by row: a thousand long answers in one go would keep the interpreter for as long
    as they take."""
    rows = (
        {name: row[name] for name in row if name not in ("messages", "decision")}
        for row in journal.runs(since, limit)
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


@guarded(envelope)
async def one_run(request: Request) -> Response:
    """`GET /orch/runs/{run_id}`: one run whole, with its decision and attempts; `last` is the last
    one that was answered."""
    service = service_of(request)
    await service.flushed()
    journal, name = service.orchestrator.runtime.journal, request.path_params["run_id"]
    found = await service.wiring.aside(_found, journal, name)
    if found is None:
        raise OrchError(
            f"no run is called {name!r}", "GET /orch/runs lists the last ones", code="not_found"
        )
    return Response(found, media_type="application/json")


def _found(journal: Journal, name: str) -> bytes | None:
    row = journal.find_run(name)
    return (
        to_json({"v": 1, "run": unpacked(row), "attempts": journal.attempts_of(row["run_id"])})
        if row
        else None
    )


@guarded(envelope)
async def stats(request: Request) -> Response:
    """`GET /orch/stats`: real times by model, by type and by client; `since` in seconds since the
    epoch."""
    service = service_of(request)
    await service.flushed()
    journal, since = service.orchestrator.runtime.journal, _number(request, "since", 0)
    return as_json(await service.wiring.aside(_figures, journal, since))


def _figures(journal: Journal, since: float) -> dict[str, Any]:
    attempts = journal.attempts(since)
    corrected = journal.judgements.corrected(since)
    return {
        "v": 1,
        "models": by_model(attempts),
        "types": by_type(attempts),
        "clients": by_client(journal.outcomes(since)),
        "corrected": corrected,
    }


@guarded(envelope)
async def rate(request: Request) -> Response:
    """`POST /orch/rate`: the user's word on a run."""
    service, said = service_of(request), await read(request, forms.Rate)
    await service.flushed()
    told = await rate_run(
        service.orchestrator.runtime, said.run_id, said.word, said.better, said.task_type
    )
    return as_json({"v": 1, "ok": True, "said": told})


# ---------------------------------------------------------------- what is there


@guarded(envelope)
async def health(request: Request) -> Response:
    """`GET /orch/health`: every check, the queue, memory for models, addresses, and what is wrong
    with the configuration."""
    service = service_of(request)
    _refuse_strangers(request)
    await service.flushed()
    runtime = service.orchestrator.runtime
    rows, could_answer = await probes(runtime)
    fault = service.config_fault
    config = {
        "hash": service.config.hash,
        "fault": {"message": fault.message, "hint": fault.hint} if fault else None,
    }
    addresses = {
        name: backend.addresses()
        for name, backend in runtime.backends.items()
        if hasattr(backend, "addresses")
    }
    queue = service.gate.status()
    return as_json(
        {
            "v": 1,
            "ok": could_answer,
            "checks": [asdict(row) for row in rows],
            "config": config,
            "queue": queue,
            "addresses": addresses,
        }
    )


@guarded(envelope)
async def server(request: Request) -> Response:
    """`GET /orch/server`: which server this is."""
    service = service_of(request)
    return as_json(
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


@guarded(envelope)
async def page(request: Request) -> Response:
    """`POST /orch/page`: the page's address, and a link that logs one browser in, once; `told`
    where the system says who asks, so that none is needed."""
    logins: Logins | None = request.scope["state"]["logins"]
    if logins is None:
        raise OrchError(
            "this server has no page",
            "orch serve stop, then orch serve without --no-ui",
            code="not_found",
        )
    url = service_of(request).url
    return as_json(
        {
            "v": 1,
            "url": f"{url}/",
            "link": f"{url}{logins.link()}",
            "told": logins.keys is None and TELLS,
        }
    )


@guarded(envelope)
async def models(request: Request) -> Response:
    """`GET /orch/models`: everything known about every model."""
    survey = await service_of(request).orchestrator.runtime.registry.available(with_unlisted=True)
    return as_json(
        {"v": 1, "models": [facts(state) for state in survey.states], "down": dict(survey.down)}
    )


@guarded(envelope)
async def load_model(request: Request) -> Response:
    """`POST /orch/models/load`: loads a model with its usual context, in its turn."""
    return await _moved(request, load)


@guarded(envelope)
async def unload_model(request: Request) -> Response:
    """`POST /orch/models/unload`: frees a model's memory."""
    return await _moved(request, unload)


async def _moved(request: Request, move: Callable[[Runtime, str], Awaitable[str]]) -> Response:
    service = service_of(request)
    _refuse_strangers(request)
    service.look_again()  # the model may have been loaded a moment ago
    said = await move(service.orchestrator.runtime, (await read(request, forms.Loaded)).model)
    service.look_again()
    return as_json({"v": 1, "ok": True, "said": said})


@guarded(envelope)
async def memory(request: Request) -> Response:
    """`POST /orch/memory/{name}`: search, list, show, add, forget, export, import, stats, reindex,
    with the command's arguments as JSON."""
    service = service_of(request)
    _refuse_strangers(request)
    await service.flushed()
    arguments = (await read(request, forms.Arguments)).model_dump()
    return as_json(
        {"v": 1, "result": await service.memory.perform(request.path_params["name"], arguments)}
    )
