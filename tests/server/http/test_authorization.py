"""Which routes are open, and which only the owner may use."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from orch.server.api.routes import ROUTES
from orch.server.http.authorization import ROUTE_ACCESS as NEEDS
from orch.server.http.authorization import required_access
from orch.server.http.rules import Rules
from tests.support.guarded_app import run_guarded
from tests.support.peers import Uids

OTHER = os.geteuid() + 1


def rules(uid: int | None) -> Rules:
    return Rules(uid_of=Uids(uid))


def test_every_route_is_in_the_authorization_table() -> None:
    assert {f"{entry.method} {entry.path}" for entry in ROUTES} <= set(NEEDS)


async def test_every_view_of_the_page_is_in_the_authorization_table(tmp_path: Path) -> None:
    source = (Path(__file__).parents[3] / "orch/server/web/mount.py").read_text()
    views = re.findall(r'"(/\w*)": \w+_view', source)
    assert len(views) == 5
    assert {NEEDS[f"GET {view}"] for view in views} == {"owner"}


@pytest.mark.parametrize(
    "route",
    [
        "GET /nope",
        "POST /api/signout",
        "POST /api/blobs/x",
        "PUT /v1/models",
        "GET /_nicegui/x.js",
        "GET /v1/modelsx",
        "TRACE /",
    ],
)
def test_unlisted_routes_require_the_owner(route: str) -> None:
    method, path = route.split()
    assert required_access(method, path) == "owner"


@pytest.mark.parametrize(
    ("uid", "statuses"),
    [(os.geteuid(), {200}), (OTHER, {403}), (None, {403})],
    ids=["owner", "stranger", "unknown"],
)
def test_owner_routes_are_refused_to_others(uid: int | None, statuses: set[int]) -> None:
    own = [route.split() for route, need in NEEDS.items() if need == "owner"]
    with run_guarded(rules(uid)) as there:
        assert {
            there.get("Host: localhost", "Accept: text/html", path=path, method=method).status
            for method, path in own
        } == statuses
        assert ("/orch/runs" in there.app.paths) == (statuses == {200})


def test_everybody_may_ask_whether_the_server_runs() -> None:
    with run_guarded(rules(OTHER)) as there:
        assert there.get("Host: localhost", path="/").status == 200
        assert there.get("Host: localhost", "Accept: */*", path="/").status == 200
        assert there.get("Host: localhost", "Accept: text/html", path="/").status == 403


def test_model_and_chat_routes_are_open() -> None:
    with run_guarded(rules(OTHER)) as there:
        for route, need in NEEDS.items():
            method, path = route.split()
            if need != "owner" and method != "HEAD":
                assert there.get("Host: localhost", path=path, method=method).status == 200
    uids = Uids(OTHER)
    with run_guarded(Rules(uid_of=uids)) as there:
        there.get("Host: localhost", path="/v1/models/some/model")
    assert uids.asked == 0


def test_the_error_says_what_to_do() -> None:
    with run_guarded(rules(OTHER)) as there:
        own, openai, ollama = (
            there.get("Host: localhost", path=path)
            for path in ("/orch/runs", "/v1/nope", "/api/pull")
        )
    assert own.json["error"]["code"] == openai.json["error"]["code"] == "owner_only"
    assert all(
        "orch page" in json.dumps(each.json) and "--unix-socket" in json.dumps(each.json)
        for each in (own, openai, ollama)
    )


def test_everybody_may_list_models_and_embed() -> None:
    assert {route for route, access in NEEDS.items() if access == "open"} == {
        *("HEAD /", "GET /api/version", "GET /api/tags", "GET /api/ps", "POST /api/show"),
        *("POST /api/embed", "POST /api/embeddings", "POST /v1/embeddings"),
        *("GET /v1/models", "GET /v1/models/{model:path}"),
        *("POST /v1/messages/count_tokens", "HEAD /api/hello"),
        *("HEAD /api/version", "HEAD /api/tags"),
    }
    assert required_access("GET", "/v1/models/some/model") == "open"
