"""The FastAPI application: every route in one table."""

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
from orch.server.http.errors import error_body
from orch.server.reload import poll_while_waiting, watch_config
from orch.server.service import Service


class ApiRoute(NamedTuple):
    """One route; its endpoint's docstring is its summary in the API documentation."""

    method: str
    path: str
    endpoint: Endpoint
    form: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


async def get_metrics(request: Request) -> Response:
    """`GET /metrics`: metrics in Prometheus' text format."""
    service = service_of(request)
    await service.flush_journal()
    return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


_RUN_HEADERS = ("x-orch-session", "x-orch-priority", "x-orch-timeout", "x-orch-cache")

ROUTES = (
    ApiRoute(
        "POST",
        "/v1/chat/completions",
        chat.chat_completions,
        openai_schemas.ChatCompletionRequest,
        _RUN_HEADERS,
    ),
    ApiRoute(
        "POST",
        "/v1/completions",
        completions.completions,
        openai_schemas.CompletionRequest,
        _RUN_HEADERS,
    ),
    ApiRoute(
        "POST", "/v1/responses", responses.responses, openai_schemas.ResponsesRequest, _RUN_HEADERS
    ),
    ApiRoute(
        "POST", "/v1/embeddings", embeddings.create_embeddings, openai_schemas.EmbeddingsRequest
    ),
    ApiRoute("GET", "/v1/models", openai_models.list_models),
    ApiRoute("GET", "/v1/models/{model:path}", openai_models.get_model),
    ApiRoute("HEAD", "/", ollama_models.head_root),
    ApiRoute(
        "POST",
        "/api/chat",
        ollama_generate.ollama_chat,
        ollama_schemas.OllamaChatRequest,
        _RUN_HEADERS,
    ),
    ApiRoute(
        "POST",
        "/api/generate",
        ollama_generate.generate,
        ollama_schemas.GenerateRequest,
        _RUN_HEADERS,
    ),
    ApiRoute("POST", "/api/embed", ollama_generate.embed_inputs, ollama_schemas.EmbedRequest),
    ApiRoute(
        "POST",
        "/api/embeddings",
        ollama_generate.embed_prompt,
        ollama_schemas.LegacyEmbeddingsRequest,
    ),
    ApiRoute("GET", "/api/tags", ollama_models.tags),
    ApiRoute("GET", "/api/ps", ollama_models.ps),
    ApiRoute("POST", "/api/show", ollama_models.show_model, ollama_schemas.ShowRequest),
    ApiRoute("GET", "/api/version", ollama_models.get_version),
    ApiRoute("POST", "/orch/run", native.run_task, native_schemas.RunRequest, ("x-orch-priority",)),
    ApiRoute(
        "POST", "/orch/route", native.route_task, native_schemas.TaskRequest, ("x-orch-priority",)
    ),
    ApiRoute("GET", "/orch/health", native.get_health),
    ApiRoute("GET", "/orch/stats", native.get_stats, query=("since",)),
    ApiRoute("GET", "/orch/models", native.list_all_models),
    ApiRoute("POST", "/orch/models/load", native.post_load_model, native_schemas.LoadRequest),
    ApiRoute("POST", "/orch/models/unload", native.post_unload_model, native_schemas.LoadRequest),
    ApiRoute(
        "POST",
        "/orch/memory/{name}",
        native.perform_memory_operation,
        native_schemas.MemoryArguments,
    ),
    ApiRoute("GET", "/orch/runs", native.get_runs, query=("limit", "since")),
    ApiRoute("GET", "/orch/runs/{run_id}", native.get_run),
    ApiRoute("POST", "/orch/runs/{run_id}/end", native.end_run, native_schemas.EndRunRequest),
    ApiRoute("POST", "/orch/rate", native.rate_answer, native_schemas.RateRequest),
    ApiRoute("GET", "/orch/server", native.get_server),
    ApiRoute("POST", "/orch/page", native.create_page_link),
    ApiRoute("GET", "/metrics", get_metrics),
)
"""Every route of the endpoint."""


def create_app(service: Service, *, with_page: bool = False) -> ASGIApp:
    """The application over a service, which it closes at shutdown: the routes of the table in front
    of FastAPI, the page behind it."""
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
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    whole: ASGIApp = app
    if with_page:
        from orch.server.web.mount import mount_page

        whole = mount_page(app, service)
    plain = {
        (entry.method, entry.path): entry.endpoint for entry in ROUTES if "{" not in entry.path
    }

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the endpoint directly: FastAPI's six layers cost a tenth of a request, and the
        endpoints render their errors themselves."""
        endpoint = plain.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await whole(scope, receive, send)
            return
        scope["app"] = app
        answer = await endpoint(Request(scope, receive, send))
        await answer(scope, receive, send)

    return front


async def _refused(request: Request, error: Exception) -> Response:
    """Renders 404 and 405 in the format of the path's API."""
    assert isinstance(error, HTTPException)
    method = f" {request.method}" if error.status_code == 405 else ""
    path = request.url.path
    body = error_body(path, "not_found", f"there is no{method} {path}")
    return Response(body, error.status_code, dict(error.headers or {}), "application/json")


def _lifespan(service: Service) -> Lifespan[FastAPI]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        helpers = [
            asyncio.create_task(watch_config(service)),
            asyncio.create_task(poll_while_waiting(service)),
        ]
        try:
            yield
        finally:
            for helper in helpers:
                helper.cancel()
            await service.aclose()

    return lifespan


# ---------------------------------------------------------------- documentation


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: the routes of the table, their request schemas, and the responses
    common to all."""
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


def _operation(entry: ApiRoute, schemas: dict[str, Any]) -> dict[str, Any]:
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
