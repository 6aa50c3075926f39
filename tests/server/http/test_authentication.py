"""Who a client is: by its key, by the owner's socket, or by the user of its connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orch.server.http.authentication import Authentication
from orch.server.http.guard import Guard
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from orch.server.http.sessions import COOKIE, LoginSessions
from tests.support.guarded_app import (
    HOST,
    KEY,
    OTHER,
    PAGE,
    GuardedServer,
    RawClient,
    RecordingApp,
    run_guarded,
    status_of,
)
from tests.support.peers import Uids

OTHER_UID = os.geteuid() + 1


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (f"Authorization: Bearer {KEY}", "laptop"),
        (f"authorization: bearer {OTHER}", "ci"),
        (f"x-api-key: {KEY}", "laptop"),
    ],
)
def test_a_key_identifies_its_client(locked: GuardedServer, header: str, client: str) -> None:
    assert locked.get("Host: localhost", header).json["client"] == client


def test_a_key_counts_beside_an_empty_bearer(locked: GuardedServer) -> None:
    headers = ("Host: localhost", "Authorization: Bearer ", f"x-api-key: {KEY}")
    assert locked.get(*headers).json["client"] == "laptop"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("X: y", "missing_api_key"),
        ("Authorization: Bearer", "missing_api_key"),
        (f"Authorization: Basic {KEY}", "missing_api_key"),
        (f"Authorization: Bearer {KEY}x", "invalid_api_key"),
        (f"x-api-key: {KEY[:-1]}", "invalid_api_key"),
        ("x-api-key: \xe9\xff", "invalid_api_key"),
    ],
)
def test_requests_without_a_valid_key_are_refused(
    locked: GuardedServer, header: str, code: str
) -> None:
    reply = locked.get("Host: localhost", header, path="/v1/models")
    assert (reply.status, reply.headers["www-authenticate"], reply.json["error"]["code"]) == (
        401,
        "Bearer",
        code,
    )
    assert locked.get("Host: localhost", header, path="/public").status == 200


def test_two_keys_in_one_request_are_refused(locked: GuardedServer) -> None:
    assert locked.get("Host: localhost", f"x-api-key: {KEY}", f"x-api-key: {OTHER}").status == 400


def test_a_page_of_an_allowed_origin_can_read_the_401(locked: GuardedServer) -> None:
    reply = locked.get("Host: localhost", f"Origin: {PAGE}")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (401, PAGE)


def test_over_the_unix_socket_only_the_limits_apply(tmp_path: Path, keys: ApiKeys) -> None:
    with run_guarded(Rules(keys=keys, max_body_bytes=10), path=tmp_path / "s") as own:
        assert (
            own.get("Host: whatever", "Origin: null", "Sec-Fetch-Site: cross-site").json["client"]
            == ""
        )
        assert own.request(b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n").status == 413


async def test_a_disconnected_client_is_not_taken_for_the_owner(keys: ApiKeys) -> None:
    assert (
        await status_of(
            Guard(RecordingApp(), Rules(keys=keys)), [(b"host", b"localhost")], ("127.0.0.1", 1)
        )
        == 401
    )


def rules(uid: int | None) -> Rules:
    return Rules(uid_of=Uids(uid))


def test_the_user_of_a_connection_is_looked_up_once() -> None:
    uids = Uids(os.geteuid())
    with run_guarded(Rules(uid_of=uids)) as there:
        for _ in range(2):
            with RawClient(there.address) as client:
                for _ in range(3):
                    assert (
                        client.send(b"GET /orch/runs HTTP/1.1\r\n" + HOST + b"\r\n")
                        .receive()
                        .status
                        == 200
                    )
    assert uids.asked == 2


def scope_of(method: str = "GET", path: str = "/") -> dict[str, Any]:
    ends = {"server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2)}
    return {"type": "http", "method": method, "path": path, **ends}


async def test_a_session_identifies_its_client_except_on_pages_of_other_origins(
    keys: ApiKeys,
) -> None:
    logins = LoginSessions(keys)
    authentication = Authentication(
        Rules(keys=keys, allowed_origins=frozenset({PAGE}), logins=logins)
    )
    cookie, scope = f"{COOKIE}={logins.log_in(KEY)}".encode(), scope_of()
    assert await authentication.refusal(scope, {b"cookie": cookie}) == ""
    assert (scope["state"]["client"], scope["state"]["login"].client) == ("laptop", "laptop")
    for headers in ({b"cookie": cookie, b"origin": PAGE.encode()}, {b"cookie": cookie + b"x"}):
        assert await authentication.refusal(scope_of(), headers) == "missing_api_key"


@pytest.mark.parametrize("pattern", ["http://localhost:*", "vscode-webview://*"])
async def test_a_session_counts_on_no_page_of_a_pattern_but_on_the_servers_own(
    keys: ApiKeys, pattern: str
) -> None:
    logins = LoginSessions(keys)
    authentication = Authentication(
        Rules(keys=keys, allowed_origins=frozenset({pattern}), logins=logins)
    )
    cookie = f"{COOKIE}={logins.log_in(KEY)}".encode()
    for origin, code in (
        (pattern.replace("*", "3000").encode(), "missing_api_key"),
        (b"http://localhost:11435", ""),
        (b"https://localhost:11435", ""),
    ):
        headers = {b"cookie": cookie, b"origin": origin, b"host": b"localhost:11435"}
        assert await authentication.refusal(scope_of(), headers) == code


@pytest.mark.parametrize(
    ("uid", "who", "client"),
    [
        (os.geteuid(), "owner", ""),
        (OTHER_UID, "stranger", f"uid {OTHER_UID}"),
        (None, "unknown", ""),
    ],
)
async def test_without_keys_the_owner_is_told_from_others(
    uid: int | None, who: str, client: str
) -> None:
    authentication, scope = Authentication(rules(uid)), scope_of("POST", "/v1/chat/completions")
    assert await authentication.refusal(scope, {}) == ""
    assert (scope["state"]["who"], scope["state"]["client"]) == (who, client)
    refused = await authentication.refusal(scope_of("GET", "/orch/runs"), {})
    assert refused == ("" if who == "owner" else "owner_only")
