"""`/orch/run`, `/orch/route`, and the end of a run by its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution import serialize
from orch.execution.events import Metadata, RunEvent
from orch.execution.run import Run
from orch.execution.session import resolve_session
from orch.orchestrator import build_task
from orch.server.api.handler import (
    ActiveRequest,
    StreamedResponse,
    client_name,
    json_response,
    parse_body,
    response_headers,
    service_of,
    with_error_envelope,
)
from orch.server.api.native.request_checks import check_fingerprint, native_error
from orch.server.api.native.schemas import EndRunRequest, RunRequest, TaskRequest
from orch.server.api.warning_headers import with_warning_headers
from orch.server.http.disconnect import DISCONNECT_CODE
from orch.text.prompt import Attachment, Task

NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream; charset=utf-8"


def _task(request: Request, body: TaskRequest) -> Task:
    fields = body.model_dump(
        include=set(TaskRequest.model_fields),
        exclude={"text", "attachments", "messages"},
        exclude_defaults=True,
    )
    return build_task(
        body.text,
        messages=[message.model_dump(exclude_unset=True) for message in body.messages],
        attachments=tuple(
            Attachment(each.name, each.text, each.image) for each in body.attachments
        ),
        client=client_name(request),
        batch=request.headers.get("x-orch-priority", "").lower() == "batch",
        **fields,
    )


@with_error_envelope(native_error)
async def run_task(request: Request) -> Response:
    """`POST /orch/run`: the library's chunks, as server-sent events or, if the client accepts that,
    as NDJSON."""
    service = service_of(request)
    body = await parse_body(request, RunRequest)
    check_fingerprint(request)
    if body.carry_on or body.session:
        await service.flush_journal()  # the previous turn may have ended a moment ago
    if body.carry_on:
        journal = service.orchestrator.runtime.journal
        body.session = await service.wiring.offload(resolve_session, "", True, journal)
    as_lines = NDJSON in request.headers.get("accept", "")
    async with ActiveRequest(request, _task(request, body), body.on_partial, body.face) as active:
        run, events = active.run, active.events
        first = await anext(events)
        parts = _serialized(first, events, run, as_lines)
        media_type = NDJSON if as_lines else EVENT_STREAM
        response = StreamedResponse(parts, _headers(run, first), media_type, active.hand_over())
        return with_warning_headers(response, run.warnings)
    raise AssertionError("ActiveRequest does not suppress exceptions")


def _headers(run: Run, first: RunEvent) -> dict[str, str]:
    if not isinstance(first, Metadata):
        return response_headers(run.run_id, "", "", 0)
    decision = first.decision
    return response_headers(run.run_id, decision.model_id, str(decision.task_type), 0)


async def _serialized(
    first: RunEvent, rest: AsyncGenerator[RunEvent], run: Run, as_lines: bool
) -> AsyncGenerator[bytes]:
    def packed(chunk: dict[str, Any]) -> bytes:
        data = to_json(chunk)
        return data + b"\n" if as_lines else b"data: " + data + b"\n\n"

    yield packed(serialize.event_to_json(first))
    try:
        async for event in rest:
            yield packed(serialize.event_to_json(event))
    except OrchError:
        return  # the client already has its error chunk
    except asyncio.CancelledError:
        if run.error is None or run.error.code == DISCONNECT_CODE:
            raise
        # the run was cancelled by its id; its own client is still connected
        yield packed(serialize.error_chunk(run.error))


@with_error_envelope(native_error)
async def route_task(request: Request) -> Response:
    """`POST /orch/route`: the decision only; no model is run."""
    task = _task(request, await parse_body(request, TaskRequest))
    plan = await service_of(request).orchestrator.runtime.router.plan(task)
    decision = plan.decision
    headers = response_headers("", decision.model_id, str(decision.task_type), 0)
    body = serialize.decision_to_json(decision, list(plan.warnings))
    return with_warning_headers(json_response(body, headers), plan.warnings)


@with_error_envelope(native_error)
async def end_run(request: Request) -> Response:
    """`POST /orch/runs/{run_id}/end`: cancels a run as Ctrl-C would."""
    code = (await parse_body(request, EndRunRequest)).code
    run_id = request.path_params["run_id"]
    if not service_of(request).cancel_run(run_id, code):
        message = f"no run {run_id!r} is in progress"
        raise OrchError(message, "GET /orch/runs lists the last ones", code="not_found")
    return json_response({"v": 1, "ok": True})
