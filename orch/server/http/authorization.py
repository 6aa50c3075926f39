"""Authorization over TCP without keys: one table of routes; a route that is not listed requires the
owner (pure)."""

from __future__ import annotations

from typing import Literal

Access = Literal["open", "identified", "owner"]
"""`open`: everybody who reaches the server. `identified`: the same, but what is done depends on who
asks. `owner`: the account that runs the server, or a login session."""

ROUTE_ACCESS: dict[str, Access] = {
    # Ollama, too, serves these to everybody on the machine
    "HEAD /": "open",
    "GET /api/version": "open",
    "GET /api/tags": "open",
    "GET /api/ps": "open",
    "POST /api/show": "open",
    "HEAD /api/version": "open",
    "HEAD /api/tags": "open",
    "POST /api/embed": "open",
    "POST /api/embeddings": "open",
    "GET /v1/models": "open",
    "GET /v1/models/{model:path}": "open",
    "POST /v1/embeddings": "open",
    "POST /v1/messages/count_tokens": "open",
    "HEAD /api/hello": "open",
    # recall, cached answers and remembering are for the owner only
    "POST /api/chat": "identified",
    "POST /api/generate": "identified",
    "POST /v1/chat/completions": "identified",
    "POST /v1/completions": "identified",
    "POST /v1/responses": "identified",
    "GET /v1/responses/{response_id}": "identified",
    "DELETE /v1/responses/{response_id}": "identified",
    "GET /v1/responses/{response_id}/input_items": "identified",
    "POST /v1/messages": "identified",
    # which tools there are depends on who asks
    "POST /mcp": "identified",
    "GET /mcp": "identified",
    "DELETE /mcp": "identified",
    # the journal, memory, statistics and settings, and what changes them
    "POST /orch/run": "owner",
    "POST /orch/route": "owner",
    "GET /orch/health": "owner",
    "GET /orch/stats": "owner",
    "GET /orch/models": "owner",
    "GET /orch/recommendations": "owner",
    "POST /orch/models/load": "owner",
    "POST /orch/models/unload": "owner",
    "POST /orch/memory/{name}": "owner",
    "GET /orch/runs": "owner",
    "GET /orch/runs/{run_id}": "owner",
    "POST /orch/runs/{run_id}/end": "owner",
    "POST /orch/rate": "owner",
    "GET /orch/server": "owner",
    "POST /orch/page": "owner",
    "GET /metrics": "owner",
    # what changes the models of an Ollama, or sends one elsewhere
    "POST /api/pull": "owner",
    "POST /api/copy": "owner",
    "DELETE /api/delete": "owner",
    "POST /api/create": "owner",
    "POST /api/push": "owner",
    "POST /api/me": "owner",
    "HEAD /api/blobs/{digest}": "owner",
    "POST /api/blobs/{digest}": "owner",
    "GET /docs": "owner",
    "GET /openapi.json": "owner",
    # the page and its login
    "GET /": "owner",
    "GET /models": "owner",
    "GET /activity": "owner",
    "GET /memory": "owner",
    "GET /settings": "owner",
    "GET /login": "identified",
    "POST /login": "identified",
    "GET /logout": "identified",
    "POST /logout": "identified",
}
_PREFIX_ACCESS: dict[str, Access] = {
    route[: route.index("{")]: access for route, access in ROUTE_ACCESS.items() if "{" in route
}


def required_access(method: str, path: str) -> Access:
    """The access that a request requires."""
    route = f"{method} {path}"
    if route in ROUTE_ACCESS:
        return ROUTE_ACCESS[route]
    matching = (access for prefix, access in _PREFIX_ACCESS.items() if route.startswith(prefix))
    return next(matching, "owner")
