"""The guard over real sockets: preflights, web sockets and errors; requests are never logged."""

from __future__ import annotations

import logging
import os
import re

import pytest
from starlette.types import Message, Receive, Scope, Send

from orch.server.http.guard import Guard
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.support.guarded_app import (
    HOST,
    KEY,
    PAGE,
    SECRET,
    GuardedServer,
    RawClient,
    run_guarded,
)

# ---------------------------------------------------------------- preflights and web sockets


def test_preflights_of_allowed_origins_need_no_key(locked: GuardedServer) -> None:
    asks = [
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization, x-stainless-os",
    ]
    reply = locked.get("Host: localhost", f"Origin: {PAGE}", *asks, method="OPTIONS")
    assert (reply.status, reply.headers["access-control-allow-origin"], reply.body) == (
        204,
        PAGE,
        b"",
    )
    assert reply.headers["access-control-allow-headers"] == "authorization, x-stainless-os"
    assert "origin" in reply.headers["vary"]
    refused = locked.get("Host: localhost", "Origin: https://evil.example", *asks, method="OPTIONS")
    assert (refused.status, any(name.startswith("access-control") for name in refused.headers)) == (
        403,
        False,
    )


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ([(b"host", b"localhost")], True),
        ([(b"host", b"localhost"), (b"origin", b"null")], False),
        ([], False),
    ],
)
async def test_web_sockets_pass_the_same_checks(
    headers: list[tuple[bytes, bytes]], passes: bool
) -> None:
    sent: list[Message] = []
    entered: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        entered.append(scope["type"])

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await Guard(app, Rules(uid_of=owners))(
        {"type": "websocket", "path": "/", "headers": headers, "server": ("127.0.0.1", 1)},
        receive,
        send,
    )
    assert (entered, sent) == (
        (["websocket"], []) if passes else ([], [{"type": "websocket.close", "code": 1008}])
    )


async def owners(*_: object) -> int:
    """Reports the owner as the user of every socket."""
    return os.geteuid()


# ---------------------------------------------------------------- refusals


def test_errors_have_the_format_of_the_paths_api(server: GuardedServer) -> None:
    openai, ollama, own = (
        server.get("Host: evil.example", path=path).json
        for path in ("/v1/models", "/api/tags", "/orch/stats")
    )
    assert openai["error"]["type"] == "permission_error"
    assert isinstance(ollama["error"], str)
    assert (own["v"], own["ok"], own["error"]["code"]) == (1, False, "host_not_allowed")


# ---------------------------------------------------------------- logs


def test_requests_are_not_logged(caplog: pytest.LogCaptureFixture, keys: ApiKeys) -> None:
    caplog.set_level(logging.DEBUG)
    with run_guarded(Rules(keys=keys, max_body_bytes=100)) as there:
        good = f"x-api-key: {KEY}"
        broken = there.get("Host: localhost", good, path="/break")
        assert (broken.status, broken.json["error"]["code"]) == (500, "internal_error")
        assert there.get("Host: localhost", good, path=f"/{SECRET}?key={KEY}").status == 200
        assert there.get("Host: localhost", f"x-api-key: {SECRET}-and-more").status == 401
        assert there.get(f"Host: {SECRET}").status == 403
        assert there.request(f"{SECRET} / HTTP/1.1\r\n\r\n".encode()).status == 400
        assert there.get(f"Host: localhost\r\nContent-Length: {SECRET}").status == 400
        assert (
            there.request(
                f"POST / HTTP/1.1\r\nHost: localhost\r\n{good}\r\nContent-Length:"
                f" 999\r\n\r\n{SECRET}".encode()
            ).status
            == 413
        )
    lines = "\n".join(
        logging.Formatter("%(name)s %(message)s").format(record) for record in caplog.records
    )
    assert re.search(r"orch\.server ValueError at tests/support/guarded_app\.py:\d+ < ", lines)
    assert not [secret for secret in (SECRET, KEY, "x-api-key") if secret in lines]


def test_an_error_during_a_response_does_not_end_it_normally(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ExceptionGroup(SECRET, [ValueError(SECRET)])

    with run_guarded() as there:
        there.app.echo = app  # type: ignore[method-assign]  # an app that breaks on its way
        with RawClient(there.address) as client:
            received = client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").receive_rest()
    assert not received.endswith(b"0\r\n\r\n")
    assert SECRET not in caplog.text
