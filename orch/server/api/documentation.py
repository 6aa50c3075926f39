"""The OpenAPI document of the endpoint, generated from the table of routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from orch.server.api.routes import ROUTES, ApiRoute
from orch.types import TaskType


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: the routes of the table, their request schemas, and the responses
    common to all."""
    if app.openapi_schema is None:
        schemas: dict[str, Any] = {}
        paths: dict[str, Any] = {}
        for route in ROUTES:
            path = route.path.replace(":path}", "}")
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
        info = {"title": app.title, "version": app.version, "description": app.description}
        app.openapi_schema = {
            "openapi": "3.1.0",
            "info": info,
            "paths": paths,
            "components": {"schemas": schemas},
        }
    return app.openapi_schema


def _operation(route: ApiRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    docstring = " ".join((route.endpoint.__doc__ or "").split())
    path = route.path.replace(":path}", "}")
    operation: dict[str, Any] = {
        "summary": docstring.partition(": ")[2] or docstring,
        "operationId": f"{route.method} {path}",
        "tags": [path.split("/")[1] or "orch"],
        "responses": dict(_RESPONSES),
    }
    if parameters := _parameters(route, path):
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": _reference(route.body, schemas)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(route: ApiRoute, path: str) -> list[dict[str, Any]]:
    in_path = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    text = {"in": "path", "required": True, "schema": {"type": "string"}}
    return [
        *({"name": name, **text} for name in in_path),
        *({"name": name, "in": "header", **_PARAMETERS[name]} for name in route.headers),
        *({"name": name, "in": "query", **_PARAMETERS[name]} for name in route.query),
    ]


def _reference(body: type[BaseModel], schemas: dict[str, Any]) -> dict[str, str]:
    """Adds the schema of a body, and those that it uses, to the document."""
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[body.__name__] = schema
    return {"$ref": f"#/components/schemas/{body.__name__}"}


_PARAMETERS: dict[str, dict[str, Any]] = {
    "x-orch-session": {
        "description": "The conversation of a request, before any id of its client.",
        "schema": {"type": "string"},
    },
    "x-orch-priority": {
        "description": "batch waits behind interactive.",
        "schema": {"enum": ["interactive", "batch"]},
    },
    "x-orch-chore": {
        "description": "What the client asks for by itself, such as title; none for a person's"
        " question, whatever it looks like.",
        "schema": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,31}$"},
    },
    "x-orch-timeout": {
        "description": "Seconds to the first token.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 86_400},
    },
    "x-orch-cache": {
        "description": "use accepts a cached answer to the same question.",
        "schema": {"enum": ["use"]},
    },
    "x-orch-provider": {
        "description": "The Ollama that is meant, where models.yaml has several.",
        "schema": {"type": "string"},
    },
    "limit": {
        "description": "Maximum number: up to 1,000 runs, default 50; up to 100 items, default 20.",
        "schema": {"type": "number"},
    },
    "order": {
        "description": "asc lists the oldest first; default desc.",
        "schema": {"enum": ["asc", "desc"]},
    },
    "after": {"description": "The id of the item before the list.", "schema": {"type": "string"}},
    "since": {"description": "Seconds since the epoch.", "schema": {"type": "number"}},
    "type": {
        "description": "One task type; all without it.",
        "schema": {"enum": list(map(str, TaskType))},
    },
    "ctx": {
        "description": "Tokens of context that have to fit.",
        "schema": {"type": "integer", "minimum": 0},
    },
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
