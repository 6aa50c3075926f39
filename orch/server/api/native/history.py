"""`/orch/runs`, `/orch/stats` and `/orch/rate`: recorded runs, read in a worker thread."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.server.api.handler import json_response, parse_body, service_of, with_error_envelope
from orch.server.api.native.request_checks import native_error, number_parameter
from orch.server.api.native.schemas import RateRequest
from orch.storage.feedback import FeedbackStore
from orch.storage.history import History, decode_run
from orch.storage.stats import by_client, by_model, by_type

MAX_RUNS = 1_000


@with_error_envelope(native_error)
async def get_runs(request: Request) -> Response:
    """`GET /orch/runs`: the last runs, newest first; `limit` (50) and `since` (seconds since the
    epoch)."""
    limit = min(max(int(number_parameter(request, "limit", 50)), 1), MAX_RUNS)
    since = number_parameter(request, "since", 0)
    body = await service_of(request).read_history(lambda history: _list(history, since, limit))
    return Response(body, media_type="application/json")


def _list(history: History, since: float, limit: int) -> bytes:
    """Serializes row by row: a thousand long answers in one call would block the interpreter
    meanwhile."""
    rows = (
        {name: row[name] for name in row if name not in ("messages", "decision", "response")}
        for row in history.runs(since, limit)
    )
    return b'{"v":1,"runs":[' + b",".join(map(to_json, rows)) + b"]}"


@with_error_envelope(native_error)
async def get_run(request: Request) -> Response:
    """`GET /orch/runs/{run_id}`: a run with its decision and attempts; `last` is the last one
    answered."""
    name = request.path_params["run_id"]
    body = await service_of(request).read_history(lambda history: _find(history, name))
    if body is None:
        message = f"no run is called {name!r}"
        raise OrchError(message, "GET /orch/runs lists the last ones", code="not_found")
    return Response(body, media_type="application/json")


def _find(history: History, name: str) -> bytes | None:
    row = history.find_run(name)
    if row is None:
        return None
    attempts = history.attempts_of(row["run_id"])
    return to_json({"v": 1, "run": decode_run(row), "attempts": attempts})


@with_error_envelope(native_error)
async def get_stats(request: Request) -> Response:
    """`GET /orch/stats`: statistics by model, task type and client; `since` in seconds since the
    epoch."""
    service, since = service_of(request), number_parameter(request, "since", 0)
    feedback = service.orchestrator.runtime.journal.feedback
    statistics = await service.read_history(lambda history: _statistics(history, feedback, since))
    return json_response(statistics)


def _statistics(history: History, feedback: FeedbackStore, since: float) -> dict[str, Any]:
    attempts = history.attempts(since)
    return {
        "v": 1,
        "models": by_model(attempts),
        "types": by_type(attempts),
        "clients": by_client(history.outcomes(since)),
        "chores": history.chores(since),
        "corrected": feedback.count_corrections(since),
    }


@with_error_envelope(native_error)
async def rate_answer(request: Request) -> Response:
    """`POST /orch/rate`: records the user's rating of a run."""
    service, body = service_of(request), await parse_body(request, RateRequest)
    await service.flush_journal()
    feedback = service.orchestrator.runtime.feedback
    sentences = await feedback.record(body.run_id, body.word, body.better, body.task_type)
    return json_response({"v": 1, "ok": True, "said": sentences})
