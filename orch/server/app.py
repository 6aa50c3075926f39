"""The ASGI application: the routes in front, FastAPI and the page behind them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from orch.config.version import VERSION
from orch.server.api.documentation import openapi_document
from orch.server.api.missing_routes import missing_route_message
from orch.server.api.ollama.models import get_root
from orch.server.api.openai.codex_compaction import AskedWindows
from orch.server.api.routes import ROUTES
from orch.server.http.errors import error_body, error_content_type
from orch.server.http.origins import accepts_html, is_root_text
from orch.server.mcp.mount import PATH as MCP_PATH
from orch.server.reload import poll_while_waiting, watch_config
from orch.server.service import Service


def create_app(service: Service, *, with_page: bool = False) -> ASGIApp:
    """The application over a service, which it closes at shutdown: the routes of the table in front
    of FastAPI, the page behind it."""
    # /docs with local scripts: FastAPI would load them from another machine
    app = FastAPIOffline(
        redoc_url=None,
        title="orch",
        version=VERSION,
        description="One endpoint in front of all your local models.",
        lifespan=_lifespan(service),
    )
    app.add_exception_handler(HTTPException, _http_exception)
    app.state.service = service
    app.state.codex_windows = AskedWindows()
    # `GET /` answers HEAD too, and with the page it is the page's; `front` calls both
    elsewhere = [("HEAD", "/"), *([("GET", "/")] if with_page else [])]
    app.router.routes += [
        Route(route.path, route.endpoint, methods=[route.method])
        for route in ROUTES
        if (route.method, route.path) not in elsewhere
    ]
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    inner: ASGIApp = app
    if with_page:
        from orch.server.web.mount import mount_page

        inner = mount_page(app, service)
    mcp = service.mcp
    fixed = {
        (route.method, route.path): route.endpoint for route in ROUTES if "{" not in route.path
    }

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the endpoint directly: FastAPI's six layers cost a tenth of a request, and the
        endpoints render their errors themselves."""
        if scope["type"] == "http" and scope["path"] == MCP_PATH:
            await mcp({**scope, "app": app}, receive, send)
            return
        endpoint = fixed.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is get_root and with_page and not is_root_text(scope, dict(scope["headers"])):
            endpoint = None  # the page
        if endpoint is None:
            is_program = scope["type"] == "http" and not accepts_html(dict(scope["headers"]))
            await inner(scope, receive, _ErrorAsJson(scope, send) if is_program else send)
            return
        scope["app"] = app
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return front


def _is_error_page(head: Message) -> bool:
    headers = {name.lower(): value for name, value in head.get("headers", ())}
    return head["status"] in (404, 405) and b"text/html" in headers.get(b"content-type", b"")


class _ErrorAsJson:
    """A `send` that replaces a page about an error: a program would show its HTML to a person."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send, self._is_replaced = scope, send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_error_page(message):
            self._is_replaced = True
            response = _missing_route(self._scope, message["status"])
            head = {"type": message["type"], "status": message["status"]}
            await self._send({**head, "headers": response.raw_headers})
            await self._send({"type": "http.response.body", "body": response.body})
        elif not self._is_replaced:
            await self._send(message)


async def _http_exception(request: Request, error: Exception) -> Response:
    """Renders 404 and 405 in the format of the path's API."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request.url.path))
    return _missing_route(request.scope, error.status_code, headers)


def _methods(path: str) -> list[str]:
    """The methods of a path, for each of which Starlette has a route of its own."""
    methods = {route.method for route in ROUTES if compile_path(route.path)[0].match(path)}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _missing_route(scope: Scope, status: int, headers: Mapping[str, str] | None = None) -> Response:
    path, method = scope["path"], scope["method"] if status == 405 else ""
    body = error_body(path, "not_found", missing_route_message(method, path))
    return Response(body, status, dict(headers or {}), error_content_type(path))


def _lifespan(service: Service) -> Lifespan[FastAPI]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(watch_config(service)),
            asyncio.create_task(poll_while_waiting(service)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await service.aclose()

    return lifespan
