"""Request lifecycle shared by all APIs: validates the body, starts the run, waits for the first
visible chunk, sends the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

import pydantic
from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orch.errors import OrchError
from orch.execution.events import (
    Content,
    Done,
    Failed,
    Fallback,
    Metadata,
    RunEvent,
    RunWarning,
    Thinking,
    ToolCall,
)
from orch.execution.run import OnPartial
from orch.server.api.announcement import announced
from orch.server.api.field_path import field_path
from orch.server.api.warning_headers import with_warning_headers
from orch.server.http import response_headers as names
from orch.server.http.disconnect import CancelOnDisconnect, ClientDisconnected
from orch.server.http.errors import error_location, failure_headers, http_error
from orch.server.http.json_limits import has_more_values
from orch.server.service import Service
from orch.text.prompt import Task
from orch.types import Decision, ModelKey, RunResult

LOG = logging.getLogger("orch.server")
VISIBLE_EVENTS = (Content, Thinking, ToolCall, Done)
"""Events that a response can start with: until then another model may still take over unseen."""
MAX_INLINE_BODY_BYTES, MAX_JSON_VALUES = 200_000, 200_000
"""Size of a body that is parsed on the event loop, and values allowed in a larger one: so many take
the parser about 80 ms."""
MAX_FAULTS = 20
"""Faults of a body that its error lists: each item of a long list has two or more."""
_Body = TypeVar("_Body", bound=pydantic.BaseModel)
Endpoint = Callable[[Request], Awaitable[Response]]
ErrorEnvelope = Callable[[OrchError], dict[str, Any]]


def service_of(request: Request) -> Service:
    """The server's state."""
    service: Service = request.app.state.service
    return service


# ---------------------------------------------------------------- requests


async def parse_body(request: Request, schema: type[_Body]) -> _Body:
    """The request's validated body. Raises OrchError (`bad_input`) that lists its faults and names
    the first field."""
    body = await request.body() or b"{}"
    if len(body) <= MAX_INLINE_BODY_BYTES:
        return validate_body(schema, body)
    return await service_of(request).wiring.offload(validate_body, schema, body)


def validate_body(schema: type[_Body], body: bytes) -> _Body:
    """Parses and validates a body. Raises OrchError (`bad_input`) that lists its faults; a body
    with very many values is not parsed at all."""
    if len(body) > MAX_INLINE_BODY_BYTES and has_more_values(body, MAX_JSON_VALUES):
        raise OrchError(
            f"the body holds more than {MAX_JSON_VALUES:,} values",
            "send it in several requests",
            code="bad_input",
        )
    try:
        return schema.model_validate_json(body)
    except pydantic.ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        path = field_path(faults[0]["loc"])
        message = "; ".join(map(_describe_fault, faults[:MAX_FAULTS]))
        if len(faults) > MAX_FAULTS:
            message += f"; and {len(faults) - MAX_FAULTS:,} more"
        raise OrchError(message, code="bad_input", param=path) from None


def _describe_fault(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def client_name(request: Request) -> str:
    """The name of the client's API key; empty if no keys are required."""
    return str(request.scope.get("state", {}).get("client", ""))


# ---------------------------------------------------------------- responses


class PendingResponse:
    """The response of a run: `wait_until_visible`, then read `events` or `result`."""

    def __init__(
        self, run_id: str, events: AsyncGenerator[RunEvent], asked_model: str | None = None
    ) -> None:
        self.run_id, self.fallbacks, self.is_cached, self.repaired = run_id, 0, False, 0
        self._asked_model, self.chore = asked_model, ""
        self.provider, self.model, self.task_type = "", "", ""
        self.warnings: list[str] = []
        """The warnings so far."""
        self.remote_host = ""
        self.decision: Decision | None = None
        self._events = events
        self._first: RunEvent | None = None

    def announce(self, task: Task) -> AsyncGenerator[RunEvent]:
        """Puts the line that names the model before the events; returns all of them."""
        self._events = announced(self._events, task, self._note)
        return self._events

    async def wait_until_visible(self) -> None:
        """Returns when something can be shown. Raises OrchError if the run failed before."""
        async for event in self._events:
            self._note(event)
            if isinstance(event, VISIBLE_EVENTS):
                self._first = event
                return

    def _note(self, event: RunEvent) -> None:
        if isinstance(event, Metadata):
            self.decision = decision = event.decision
            self.provider, self.model = decision.key
            self.task_type, self.remote_host = str(decision.task_type), decision.remote_host
            self.is_cached = any(reason.code == "cached" for reason in decision.reasons)
        elif isinstance(event, Fallback):
            self.fallbacks += 1
        elif isinstance(event, RunWarning):
            self.warnings.append(event.message)
        elif isinstance(event, ToolCall):
            self.repaired = event.repaired
        elif isinstance(event, Done):
            self.warnings += event.result.warnings

    async def events(self) -> AsyncIterator[RunEvent]:
        """The visible events as they arrive. Raises OrchError if the run fails."""
        if self._first is not None:
            yield self._first
        async for event in self._events:
            self._note(event)
            if not isinstance(event, Failed):
                yield event

    async def result(self) -> RunResult:
        """The finished run. Raises OrchError."""
        async for event in self.events():
            if isinstance(event, Done):
                return event.result
        raise OrchError("the run ended without an answer")

    @property
    def model_name(self) -> str:
        """The model's name for the client: as it was asked for, else the chosen model's."""
        return self._asked_model or self.model

    @property
    def headers(self) -> dict[str, str]:
        """The `x-orch-…` headers of the response."""
        headers = response_headers(self.run_id, self.model, self.task_type, self.fallbacks)
        if self.chore:
            headers[names.CHORE] = self.chore
        if self.repaired:
            headers[names.REPAIRED] = str(self.repaired)
        return headers | ({names.CACHE: "hit"} if self.is_cached else {})


def response_headers(run_id: str, model: str, task_type: str, fallbacks: int) -> dict[str, str]:
    """The `x-orch-…` headers; a model name that is not valid in a header is percent-encoded."""
    name = model
    if not (model.isascii() and model.isprintable()):
        from urllib.parse import quote

        name = quote(model)
    return {
        names.MODEL: name,
        names.TASK_TYPE: task_type,
        names.RUN_ID: run_id,
        names.FALLBACK: str(fallbacks),
    }


class StreamedResponse(Response):
    """A response whose body is sent as it is produced; releases `active` at its end, however it
    ends."""

    def __init__(
        self,
        body: AsyncGenerator[bytes],
        headers: Mapping[str, str],
        media_type: str,
        active: AbstractAsyncContextManager[object],
    ) -> None:
        self.status_code, self.background, self.media_type = 200, None, media_type
        fixed = {"cache-control": "no-store", "x-accel-buffering": "no"}
        # as a header: to a media type of text Starlette adds a charset
        self.init_headers({"content-type": media_type, **fixed, **headers})
        self._body, self._active = body, active

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response; stops if the client disconnects."""
        try:
            async with self._active, aclosing(self._body) as body:
                start = {"type": "http.response.start", "status": self.status_code}
                await send({**start, "headers": self.raw_headers})
                async for part in body:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ClientDisconnected:
            return


def json_response(
    value: Any, headers: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """A JSON response."""
    return Response(to_json(value), status, dict(headers or {}), "application/json")


class ActiveRequest:
    """What a request holds until its response is sent: the disconnect watch, the run and its
    events."""

    __slots__ = ("_disconnect_watch", "_is_handed_over", "_service", "events", "run")

    def __init__(self, request: Request, task: Task, on_partial: OnPartial, face: str) -> None:
        self._is_handed_over, self._service = False, service_of(request)
        self._disconnect_watch = CancelOnDisconnect(request)
        self._disconnect_watch.__enter__()
        self.run = self._service.start_run(task, on_partial, face)
        self.events = self.run.events()

    def hand_over(self) -> ActiveRequest:
        """Returns itself for a StreamedResponse to release: the next exit releases nothing."""
        self._is_handed_over = True
        return self

    async def __aenter__(self) -> ActiveRequest:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_handed_over:
            self._is_handed_over = False
            return
        try:
            await self.events.aclose()
        finally:
            try:
                await self._service.finish_run(self.run)
            finally:
                self._disconnect_watch.__exit__(kind, error, trace)


RespondCallback = Callable[[PendingResponse, ActiveRequest], Awaitable[Response]]


async def run_and_respond(
    request: Request, task: Task, on_partial: OnPartial, face: str, respond: RespondCallback
) -> Response:
    """Runs a task, cancelled if the client disconnects, and responds once it has begun; closes what
    `respond` does not take over. Raises OrchError."""
    async with ActiveRequest(request, task, on_partial, face) as active:
        answer = PendingResponse(active.run.run_id, active.events, task.requested_name)
        if service_of(request).config.routing.serve.announce == "reasoning":
            active.events = answer.announce(task)
        answer.chore = task.chore
        await answer.wait_until_visible()
        if task.affinity and not task.chore:
            model = ModelKey(answer.provider, answer.model)
            service_of(request).sessions.record_model(task.affinity, model)
        response = await respond(answer, active)
        return with_warning_headers(response, answer.warnings)


# ---------------------------------------------------------------- errors


def with_error_envelope(envelope: ErrorEnvelope) -> Callable[[Endpoint], Endpoint]:
    """Decorates an endpoint: renders its errors in the API's own format."""

    def wrap(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def call(request: Request) -> Response:
            try:
                return await endpoint(request)
            except OrchError as error:
                return error_response(error, envelope)
            except (ClientDisconnected, ClientDisconnect):
                return Response(status_code=499)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                LOG.error("%s", error_location(error))
                failure = OrchError("orch failed at this request", "its log says where")
                return error_response(failure, envelope)

        return call

    return wrap


def error_response(error: OrchError, envelope: ErrorEnvelope) -> Response:
    """An error as a response, with its status and headers."""
    headers = error_headers(error)
    codes = {attempt.code for attempt in error.attempts}
    is_limited = error.code == "busy" or (bool(codes) and codes <= {"busy", "rate_limited"})
    if is_limited:
        headers["retry-after"] = str(max(round(error.retry_after_s or 1), 1))
    asks_too_much = error.code == "no_provider" and bool(error.param)
    if error.code == "turn_in_progress":
        headers["retry-after"] = str(max(round(error.retry_after_s or 1), 1))
    code = "busy" if is_limited else "unable" if asks_too_much else error.code
    response = json_response(
        envelope(error), headers | failure_headers(code, codes), http_error(code).status
    )
    return with_warning_headers(response, error.warnings)


def error_headers(error: OrchError) -> dict[str, str]:
    """The `x-orch-…` headers of a run that failed."""
    model = error.attempts[-1].model if error.attempts else ""
    return response_headers(error.run_id, model, "", max(len(error.attempts) - 1, 0))
