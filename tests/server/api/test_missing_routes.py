"""Errors for paths without a route."""

from __future__ import annotations

import httpx
import pytest

from orch.server.api.missing_routes import HINTS, missing_route_message
from orch.server.api.routes import ROUTES


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/signout", "Ollama's own address"),
        ("/api/experimental/web_search", "Ollama's own address"),
        ("/v1/audio/transcriptions", "orch serves chat"),
    ],
)
def test_a_route_that_others_have_is_refused_with_what_to_do(
    url: str, path: str, text: str
) -> None:
    answer = httpx.post(url + path, json={})
    error = answer.json()["error"]
    message = error if path.startswith("/api") else error["message"]
    assert (answer.status_code, f"there is no {path}; " in message, text in message) == (
        404,
        True,
        True,
    )


def test_any_other_path_is_only_named() -> None:
    assert missing_route_message("", "/api/nosuch") == "there is no /api/nosuch"
    assert missing_route_message("GET", "/api/chat") == "there is no GET /api/chat"
    assert missing_route_message("", "/elsewhere") == "there is no /elsewhere"


def test_no_route_is_called_missing() -> None:
    missing = {f"{prefix}{name}" for prefix, hints in HINTS.items() for name in hints}
    assert missing & {"/".join(route.path.split("/")[:3]) for route in ROUTES} == set()


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/messages", "POST"),
        ("/v1/models/a/b", "GET, HEAD"),
        ("/api/blobs/sha256:0", "HEAD, POST"),
    ],
)
def test_a_wrong_method_is_answered_with_those_that_there_are(
    url: str, path: str, methods: str
) -> None:
    response = httpx.put(url + path)
    assert (response.status_code, response.headers["allow"]) == (405, methods)
