"""Hosts, origins, keys and the owner's socket over real sockets; requests are never logged."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from orch.errors import UsageError
from orch.server.http.guard import Guard
from orch.server.http.hosts import client_network, parse_host
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from orch.server.http.wrong_key_limit import MAX_WRONG_KEYS, WrongKeyLimiter
from tests.support.guarded_app import (
    HOST,
    SECRET,
    GuardedServer,
    RawClient,
    RecordingApp,
    run_guarded,
)

KEY, OTHER = "k" * 15 + "1", "k" * 15 + "2"
PAGE = "https://chat.example"


@pytest.fixture(scope="module")
def keys() -> ApiKeys:
    return ApiKeys([("laptop", KEY), ("ci", OTHER)])


@pytest.fixture(scope="module")
def server() -> Iterator[GuardedServer]:
    """No keys, one allowed origin, default limits except for a small body."""
    with run_guarded(
        Rules(
            allowed_hosts=frozenset({"localhost", "127.0.0.1", "::1", "nas.local"}),
            allowed_origins=frozenset({PAGE}),
            max_body_bytes=1000,
        )
    ) as there:
        yield there


@pytest.fixture(scope="module")
def locked(keys: ApiKeys) -> Iterator[GuardedServer]:
    with run_guarded(
        Rules(keys=keys, allowed_origins=frozenset({PAGE}), public_paths=frozenset({"/public"}))
    ) as there:
        yield there


# ---------------------------------------------------------------- host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:11435",
        "127.0.0.1:1",
        "[::1]:80",
        "[0:0:0:0:0:0:0:1]",
        "localhost.",
        "nas.local:9",
        "localhost:",
    ],
)
def test_serves_its_own_host_names(server: GuardedServer, host: str) -> None:
    assert server.get(f"Host: {host}").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "",
        "localhost.evil.example",
        "evil.example:localhost",
        "localhost:80@evil.example",
        "evil.example, localhost",
        "127.0.0.1.nip.io",
        "[::1",
        "::1",
        "[::1].evil.example",
        "localhost..",
        "x@localhost",
        "xn--localhost",
        "localhost\xe9",
        "127.0.0.2",
        "0.0.0.0",
        "localhost:123456",
    ],
)
def test_a_rebound_name_is_refused(server: GuardedServer, host: str) -> None:
    reply = server.get(f"Host: {host}", path="/v1/models")
    assert (reply.status, reply.json["error"]["code"]) == (403, "host_not_allowed")


def test_requests_without_a_host_or_with_two_are_refused(server: GuardedServer) -> None:
    assert server.get("X: y").status == 403
    assert server.get("Host: localhost", "Host: evil.example").status == 400


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost:1/x", 200),
        ("HTTP://[::1]:1/x", 200),
        ("http://evil.example/x", 403),
        ("http://u@localhost/x", 400),
        ("*", 400),
        ("evil:443", 400),
        ("ftp://localhost/x", 400),
    ],
)
def test_the_host_of_an_absolute_target_is_used(
    server: GuardedServer, target: str, status: int
) -> None:
    assert (
        server.get("Host: localhost" if status == 403 else "Host: evil.example", path=target).status
        == status
    )


@pytest.mark.parametrize(
    ("listening", "host", "status"),
    [
        ("0.0.0.0", "192.168.1.5:1", 200),
        ("::", "192.168.1.5", 200),
        ("192.168.1.6", "192.168.1.5", 403),
    ],
)
async def test_a_server_on_all_addresses_accepts_the_address_of_the_connection_as_host(
    keys: ApiKeys, listening: str, host: str, status: int
) -> None:
    headers = [(b"host", host.encode()), (b"x-api-key", KEY.encode())]
    assert (
        await status_of(
            Guard(RecordingApp(), Rules.for_host(listening, keys=keys)),
            headers,
            ("192.168.1.5", 11435),
        )
        == status
    )
    assert (
        await status_of(
            Guard(RecordingApp(), Rules.for_host(listening, keys=keys)),
            [(b"host", b"evil.example"), *headers[1:]],
            ("192.168.1.5", 11435),
        )
        == 403
    )


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.168.1.5", "nas.local", "127.1"])
def test_other_addresses_need_keys(address: str, keys: ApiKeys) -> None:
    with pytest.raises(UsageError, match="no API key"):
        Rules.for_host(address)
    assert Rules.for_host(address, keys=keys).keys is keys


def test_loopback_addresses_need_no_keys() -> None:
    assert Rules.for_host("127.0.0.1") == Rules.for_host("localhost") == Rules.for_host("::1")
    assert Rules.for_host("::ffff:127.0.0.1").keys is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": ["*"]},
        {"hosts": ["a.example:80"]},
        {"hosts": [""]},
        {"origins": ["*"]},
        {"origins": ["null"]},
        {"origins": ["a.example"]},
    ],
)
def test_invalid_hosts_and_origins_are_rejected(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(UsageError, match="is no"):
        Rules.for_host("127.0.0.1", **wrong)  # type: ignore[arg-type]  # one of two parameters of this type


def test_host_names_are_parsed_as_browsers_send_them() -> None:
    assert [
        parse_host(host)
        for host in ("A.b:1", "[::0001]", "[1::2::3]", "a b", "a/b", "[fe80::1%25eth0]")
    ] == ["a.b", "[::1]", "", "", "", ""]


# ---------------------------------------------------------------- origin


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "http://localhost.evil.example",
        "https://chat.example.evil",
        "file://",
        "",
    ],
)
def test_requests_of_foreign_origins_are_refused(
    server: GuardedServer, method: str, origin: str
) -> None:
    with RawClient(server.address) as client:
        reply = client.send(
            f"{method} /api/tags HTTP/1.1\r\nHost: localhost:11435\r\nOrigin: {origin}\r\n\r\n".encode()
        ).receive(method)
    assert (
        reply.status,
        "access-control-allow-origin" in reply.headers,
        reply.headers["vary"],
    ) == (403, False, "origin")


def test_requests_of_own_and_allowed_origins_are_served(server: GuardedServer) -> None:
    own = server.get(
        "Host: localhost:11435", "Origin: http://localhost:11435", "Sec-Fetch-Site: same-origin"
    )
    listed = server.get("Host: localhost:11435", f"Origin: {PAGE}", "Sec-Fetch-Site: cross-site")
    assert (own.status, own.headers.get("access-control-allow-origin")) == (200, None)
    assert (
        listed.status,
        listed.headers["access-control-allow-origin"],
        listed.headers["vary"],
    ) == (200, PAGE, "origin")
    assert (
        listed.headers["access-control-expose-headers"]
        == "x-orch-model, x-orch-task-type, x-orch-run-id, x-orch-fallback, x-orch-warning"
    )


def test_the_origin_of_a_rebound_host_is_refused(server: GuardedServer) -> None:
    assert (
        server.get("Host: evil.example", "Origin: http://evil.example").json["error"]["code"]
        == "host_not_allowed"
    )


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        (["cross-site", "no-cors", "image"], "GET", 403),
        (["cross-site", "navigate", "document"], "GET", 200),
        (["cross-site", "navigate", "iframe"], "GET", 403),
        (["cross-site", "navigate", "document"], "POST", 403),
        (["same-origin", "cors", "empty"], "GET", 200),
        (["none", "navigate", "document"], "GET", 200),
    ],
)
def test_other_sites_may_only_link(
    server: GuardedServer, headers: list[str], method: str, status: int
) -> None:
    site, mode, kind = headers
    assert (
        server.get(
            "Host: localhost",
            f"Sec-Fetch-Site: {site}",
            f"Sec-Fetch-Mode: {mode}",
            f"Sec-Fetch-Dest: {kind}",
            method=method,
        ).status
        == status
    )


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
    """Says that every socket is the owner's."""
    return os.geteuid()


# ---------------------------------------------------------------- keys


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


@pytest.mark.parametrize("header", ["Authorization: Bearer wrong", "x-api-key: wrong"])
def test_wrong_keys_are_rate_limited_and_valid_ones_always_accepted(
    keys: ApiKeys, header: str
) -> None:
    with run_guarded(Rules(keys=keys, wrong_keys=WrongKeyLimiter(late_s=0))) as there:
        assert [there.get("Host: localhost", header).status for _ in range(MAX_WRONG_KEYS + 3)] == [
            401
        ] * MAX_WRONG_KEYS + [429] * 3
        late = there.get("Host: localhost", header, path="/v1/models")
        assert (
            late.json["error"]["code"],
            late.json["error"]["type"],
            late.headers["retry-after"],
        ) == ("too_many_wrong_keys", "rate_limit_error", "60")
        assert there.get("Host: localhost", f"x-api-key: {KEY}").status == 200


def test_a_source_is_an_ipv4_address_or_an_ipv6_network() -> None:
    addresses = ("10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2:1", "")
    assert [client_network(each) for each in addresses] == [
        *["10.0.0.1"] * 2,
        *["2001:db8::/64"] * 2,
        "",
    ]


# ---------------------------------------------------------------- the owner's socket


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


async def status_of(
    guard: Guard, headers: list[tuple[bytes, bytes]], server: tuple[str, int]
) -> int:
    """The status sent to a client that disconnected right after its request."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": headers,
        "server": server,
        "client": None,
    }
    await guard(scope, receive, send)
    return int(sent[0]["status"])


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
