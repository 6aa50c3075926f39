"""What every endpoint of orch's own API shares: its error format and the check of a command's
version."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from orch.errors import OrchError
from orch.execution import serialize
from orch.server.api.handler import service_of


def native_error(error: OrchError) -> dict[str, Any]:
    """An error as `orch run --json` renders it."""
    return serialize.error_to_json(error)


def check_fingerprint(request: Request) -> None:
    """Rejects a command whose version, folders or configuration differ from the server's."""
    fingerprint = request.headers.get("x-orch-fingerprint")
    if fingerprint and fingerprint != service_of(request).fingerprint:
        raise OrchError(
            "this server has another version, folder or configuration",
            "orch serve status shows which",
            code="another",
        )


def number_parameter(request: Request, name: str, default: float) -> float:
    """A number in the query. Raises OrchError (`bad_input`)."""
    text = request.query_params.get(name)
    try:
        number = float(text) if text else default
    except ValueError:
        number = float("nan")
    if not -1e12 < number < 1e12:
        raise OrchError(f"{name} is not a number: {text!r}", f"such as {name}=10", code="bad_input")
    return number
