"""`/orch/recommendations`: what to pull for the server's machine."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.recommending import wording
from orch.execution.recommending.report import make_report
from orch.routing.recommendations.recommend import Wishes
from orch.server.api.handler import json_response, service_of, with_error_envelope
from orch.server.api.native.request_checks import native_error, number_parameter
from orch.types import TaskType

MAX_CTX = 10_000_000


@with_error_envelope(native_error)
async def get_recommendations(request: Request) -> Response:
    """`GET /orch/recommendations`: models to pull for this machine, and what each would add;
    `type` (all) and `ctx` (8192). Pulls nothing."""
    report = await make_report(service_of(request).orchestrator.runtime, _wishes(request))
    return json_response({"v": 1, **wording.to_json(report)})


def _wishes(request: Request) -> Wishes:
    """The query's type and context. Raises OrchError (`bad_input`)."""
    name = request.query_params.get("type") or None
    if name and name not in tuple(TaskType):
        hint = f"one of: {', '.join(TaskType)}"
        raise OrchError(f"type is not a task type: {name!r}", hint, code="bad_input")
    num_ctx = int(number_parameter(request, "ctx", 0))
    if not 0 <= num_ctx <= MAX_CTX:
        raise OrchError("ctx is out of range", f"from 1 to {MAX_CTX:,}", code="bad_input")
    return Wishes(TaskType(name) if name else None, num_ctx or None)
