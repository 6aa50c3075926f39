"""The OpenAPI document and its page."""

from __future__ import annotations

import re
from typing import Any

import httpx
from fastapi import FastAPI

from orch.server.api.documentation import openapi_document
from orch.server.api.routes import ROUTES


def document() -> dict[str, Any]:
    return openapi_document(FastAPI(title="orch", version="1", description="d"))


def test_the_documentation_loads_nothing_from_other_machines(url: str) -> None:
    page = httpx.get(f"{url}/docs").text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert files
    assert all(file.startswith("/") and httpx.get(url + file).status_code == 200 for file in files)
    assert "/v1/chat/completions" in httpx.get(f"{url}/openapi.json").json()["paths"]


def test_the_openapi_document_is_served(url: str) -> None:
    given = httpx.get(f"{url}/openapi.json").json()
    assert (given["paths"], given["components"]) == (
        document()["paths"],
        document()["components"],
    )


def test_every_route_is_an_operation_with_the_first_sentence_of_its_endpoint() -> None:
    paths = document()["paths"]
    assert sum(len(operations) for operations in paths.values()) == len(ROUTES)
    operation = paths["/orch/route"]["post"]
    assert operation["summary"] == "the decision only; no model is run."
    assert operation["tags"] == ["orch"]
    assert set(operation["responses"]) == {"200", "default"}


def test_parameters_stand_where_they_are_sent() -> None:
    paths = document()["paths"]
    places = {
        (parameter["in"], parameter["name"])
        for path, method in (("/orch/runs", "get"), ("/orch/runs/{run_id}", "get"))
        for parameter in paths[path][method]["parameters"]
    }
    assert places == {("query", "limit"), ("query", "since"), ("path", "run_id")}
    assert [
        parameter["name"] for parameter in paths["/v1/chat/completions"]["post"]["parameters"]
    ] == ["x-orch-session", "x-orch-priority", "x-orch-timeout", "x-orch-cache", "x-orch-chore"]
    assert paths["/v1/models/{model}"]["get"]["parameters"][0]["name"] == "model"


def test_a_body_refers_to_its_schema_and_those_it_uses() -> None:
    openapi = document()
    body = openapi["paths"]["/orch/run"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/RunRequest"
    }
    assert {"RunRequest", "AttachmentInput"} <= set(openapi["components"]["schemas"])
    assert "$defs" not in openapi["components"]["schemas"]["RunRequest"]
