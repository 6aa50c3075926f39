"""The FastAPI application: every route in one table, the guard in front, the configuration watched
behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from orch.config.version import VERSION
from orch.server.api.handler import Endpoint, service_of
from orch.server.api.native import routes as native
from orch.server.api.native import schemas as native_schemas
from orch.server.api.ollama import generate as ollama_generate
from orch.server.api.ollama import models as ollama_models
from orch.server.api.ollama import schemas as ollama_schemas
from orch.server.api.openai import chat, completions, embeddings, responses
from orch.server.api.openai import models as openai_models
from orch.server.api.openai import schemas as openai_schemas
from orch.server.http.errors import envelope
from orch.server.reload import attend, watch
from orch.server.service import Service


class Entry(NamedTuple):
    """One route: what it is called in the documentation is its endpoint's docstring."""

    method: str
    path: str
    endpoint: Endpoint
    form: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


async def metrics(request: Request) -> Response:
    """`GET /metrics`: Prometheus' text form."""
    service = service_of(request)
    await service.flushed()
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


_WISHES = ("x-orch-session", "x-orch-priority", "x-orch-timeout", "x-orch-cache")

ROUTES = (
    Entry("POST", "/v1/chat/completions", chat.chat, openai_schemas.Chat, _WISHES),
    Entry("POST", "/v1/completions", completions.completions, openai_schemas.Completion, _WISHES),
    Entry("POST", "/v1/responses", responses.responses, openai_schemas.Answered, _WISHES),
    Entry("POST", "/v1/embeddings", embeddings.embeddings, openai_schemas.Embeddings),
    Entry("GET", "/v1/models", openai_models.models),
    Entry("GET", "/v1/models/{model:path}", openai_models.model),
    Entry("HEAD", "/", ollama_models.running),
    Entry("POST", "/api/chat", ollama_generate.chat, ollama_schemas.Chat, _WISHES),
    Entry("POST", "/api/generate", ollama_generate.generate, ollama_schemas.Generate, _WISHES),
    Entry("POST", "/api/embed", ollama_generate.embed, ollama_schemas.Embed),
    Entry("POST", "/api/embeddings", ollama_generate.embeddings, ollama_schemas.EmbedOne),
    Entry("GET", "/api/tags", ollama_models.tags),
    Entry("GET", "/api/ps", ollama_models.ps),
    Entry("POST", "/api/show", ollama_models.show, ollama_schemas.Show),
    Entry("GET", "/api/version", ollama_models.version),
    Entry("POST", "/orch/run", native.run, native_schemas.Run, ("x-orch-priority",)),
    Entry("POST", "/orch/route", native.route, native_schemas.Asked, ("x-orch-priority",)),
    Entry("GET", "/orch/health", native.health),
    Entry("GET", "/orch/stats", native.stats, query=("since",)),
    Entry("GET", "/orch/models", native.models),
    Entry("POST", "/orch/models/load", native.load_model, native_schemas.Loaded),
    Entry("POST", "/orch/models/unload", native.unload_model, native_schemas.Loaded),
    Entry("POST", "/orch/memory/{name}", native.memory, native_schemas.Arguments),
    Entry("GET", "/orch/runs", native.runs, query=("limit", "since")),
    Entry("GET", "/orch/runs/{run_id}", native.one_run),
    Entry("POST", "/orch/runs/{run_id}/end", native.end, native_schemas.Ended),
    Entry("POST", "/orch/rate", native.rate, native_schemas.Rate),
    Entry("GET", "/orch/server", native.server),
    Entry("POST", "/orch/page", native.page),
    Entry("GET", "/metrics", metrics),
)
"""Every route of the endpoint."""


def application(service: Service, *, with_page: bool = False) -> ASGIApp:
    """The application over a service, which it closes when it ends: FastAPI with the routes of the
    table in front of it, the page behind them."""
    # /docs with scripts of its own: FastAPI's would come from another machine
    app = FastAPIOffline(
        redoc_url=None,
        title="orch",
        version=VERSION,
        description="One endpoint in front of all your local models.",
        lifespan=_lifespan(service),
    )
    app.add_exception_handler(HTTPException, _refused)
    app.state.service = service
    routes = [Route(entry.path, entry.endpoint, methods=[entry.method]) for entry in ROUTES]
    app.router.routes += routes
    app.openapi = lambda: documented(app)  # type: ignore[method-assign]
    whole: ASGIApp = app
    if with_page:
        from orch.server.web.mount import attach

        whole = attach(app, service)
    plain = {
        (entry.method, entry.path): entry.endpoint for entry in ROUTES if "{" not in entry.path
    }

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's six layers cost a tenth of a request, and the endpoints tell their errors
        themselves."""
        endpoint = plain.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await whole(scope, receive, send)
            return
        scope["app"] = app
        answer = await endpoint(Request(scope, receive, send))
        await answer(scope, receive, send)

    return front


async def _refused(request: Request, error: Exception) -> Response:
    """No such path, or not by that method, as the API of the path tells it."""
    assert isinstance(error, HTTPException)
    method = f" {request.method}" if error.status_code == 405 else ""
    body, content_type = envelope(
        request.url.path, error.status_code, "not_found", f"there is no{method} {request.url.path}"
    )
    return Response(body, error.status_code, dict(error.headers or {}), content_type)


def _lifespan(service: Service) -> Lifespan[FastAPI]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        helpers = [asyncio.create_task(watch(service)), asyncio.create_task(attend(service))]
        try:
            yield
        finally:
            for helper in helpers:
                helper.cancel()
            await service.aclose()

    return lifespan


# ---------------------------------------------------------------- documentation


def documented(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: the routes of the table, their forms, the answers that any of them may
    give."""
    if app.openapi_schema is None:
        schemas: dict[str, Any] = {}
        paths: dict[str, Any] = {}
        for entry in ROUTES:
            paths.setdefault(entry.path.replace(":path}", "}"), {})[entry.method.lower()] = (
                _operation(entry, schemas)
            )
        info = {"title": app.title, "version": app.version, "description": app.description}
        app.openapi_schema = {
            "openapi": "3.1.0",
            "info": info,
            "paths": paths,
            "components": {"schemas": schemas},
        }
    return app.openapi_schema


def _operation(entry: Entry, schemas: dict[str, Any]) -> dict[str, Any]:
    about = (entry.endpoint.__doc__ or "").partition(": ")[2] or (entry.endpoint.__doc__ or "")
    name = entry.path.replace(":path}", "}")
    operation: dict[str, Any] = {
        "summary": about.strip(),
        "operationId": f"{entry.method} {name}",
        "tags": [name.split("/")[1] or "orch"],
        "responses": dict(_RESPONSES),
    }
    names = [part[1:-1] for part in name.split("/") if part.startswith("{")]
    parameters = [
        {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
        for each in names
    ]
    parameters += [
        {"name": each, "in": place, **_PARAMETERS[each]}
        for place, given in (("header", entry.headers), ("query", entry.query))
        for each in given
    ]
    if parameters:
        operation["parameters"] = parameters
    if entry.form is not None:
        # two APIs have forms of the same name
        module = entry.form.__module__.rsplit(".", 1)[-1]
        schema = entry.form.model_json_schema(
            ref_template=f"#/components/schemas/{module}.{{model}}"
        )
        schemas.update(
            {f"{module}.{each}": about for each, about in schema.pop("$defs", {}).items()}
        )
        schemas[f"{module}.{entry.form.__name__}"] = schema
        reference = {"$ref": f"#/components/schemas/{module}.{entry.form.__name__}"}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": reference}},
        }
    return operation


_PARAMETERS: dict[str, dict[str, Any]] = {
    "x-orch-session": {
        "description": "What the requests of one conversation have in common.",
        "schema": {"type": "string"},
    },
    "x-orch-priority": {
        "description": "batch waits behind interactive.",
        "schema": {"enum": ["interactive", "batch"]},
    },
    "x-orch-timeout": {
        "description": "Seconds to the first token.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 86_400},
    },
    "x-orch-cache": {
        "description": "use takes an earlier answer to the same question.",
        "schema": {"enum": ["use"]},
    },
    "limit": {
        "description": "At most so many, up to 1,000; 50 where it is not said.",
        "schema": {"type": "number"},
    },
    "since": {"description": "Seconds since the epoch.", "schema": {"type": "number"}},
}

_RESPONSES = {
    "200": {
        "description": (
            "The answer; with x-orch-model, x-orch-task-type, x-orch-run-id and x-orch-fallback"
            " where a model gave it, and an x-orch-warning, percent-encoded, for each warning that"
            " was known before its first byte."
        )
    },
    "default": {"description": "An error in the API's own form."},
}
