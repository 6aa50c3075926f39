"""The ASGI application: the routes in front, FastAPI and the page behind them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from orch.config.version import VERSION
from orch.server.api.documentation import openapi_document
from orch.server.api.missing_routes import missing_route_message
from orch.server.api.ollama.models import get_root
from orch.server.api.routes import ROUTES
from orch.server.http.errors import error_body, error_content_type
from orch.server.http.origins import is_root_text
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
    fixed = {
        (route.method, route.path): route.endpoint for route in ROUTES if "{" not in route.path
    }

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the endpoint directly: FastAPI's six layers cost a tenth of a request, and the
        endpoints render their errors themselves."""
        endpoint = fixed.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is get_root and with_page and not is_root_text(scope, dict(scope["headers"])):
            endpoint = None  # the page
        if endpoint is None:
            await inner(scope, receive, send)
            return
        scope["app"] = app
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return front


async def _http_exception(request: Request, error: Exception) -> Response:
    """Renders 404 and 405 in the format of the path's API."""
    assert isinstance(error, HTTPException)
    method = request.method if error.status_code == 405 else ""
    path = request.url.path
    body = error_body(path, "not_found", missing_route_message(method, path))
    return Response(body, error.status_code, dict(error.headers or {}), error_content_type(path))


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
