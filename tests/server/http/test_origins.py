"""Hosts and origins over real sockets: rebound names and foreign pages are refused."""

from __future__ import annotations

import pytest

from orch.server.http.guard import Guard
from orch.server.http.keys import ApiKeys
from orch.server.http.origins import is_page_view, is_root_text, login_location
from orch.server.http.rules import Rules
from tests.support.guarded_app import (
    KEY,
    PAGE,
    GuardedServer,
    RawClient,
    RecordingApp,
    status_of,
)


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
            f"{method} /api/tags HTTP/1.1\r\nHost: localhost:11435\r\n".encode(),
            f"Origin: {origin}\r\n\r\n".encode(),
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
        == "x-orch-model, x-orch-task-type, x-orch-chore, x-orch-run-id, x-orch-fallback,"
        " x-orch-cache, x-orch-repaired, x-orch-warning, mcp-session-id"
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


# ---------------------------------------------------------------- pages


def _view(path: str = "/", accept: bytes = b"text/html,*/*", **headers: str) -> bool:
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return is_page_view({"method": "GET", "path": path}, {b"accept": accept, **fields})


def test_a_browser_that_opens_a_page_is_told_from_a_program() -> None:
    assert _view()
    assert _view("/models", sec_fetch_mode="navigate")
    assert not _view(accept=b"application/json")
    assert not _view(sec_fetch_mode="cors")
    assert not is_page_view({"method": "POST", "path": "/"}, {b"accept": b"text/html"})


@pytest.mark.parametrize("path", ["/v1/models", "/api/tags", "/orch/runs", "/_nicegui/x.js"])
def test_no_endpoint_is_a_page(path: str) -> None:
    assert not _view(path)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", b"/login"),
        ("/models", b"/login?to=/models"),
        ("//evil.example", b"/login"),
        ("/\\evil.example", b"/login"),
        ("/a?b", b"/login"),
    ],
)
def test_a_login_returns_to_safe_paths_only(path: str, location: bytes) -> None:
    assert login_location(path) == location


@pytest.mark.parametrize(
    ("method", "path", "accept", "is_text"),
    [
        ("GET", "/", None, True),
        ("GET", "/", b"*/*", True),
        ("GET", "/", b"text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("HEAD", "/", b"*/*", False),
        ("GET", "/models", b"*/*", False),
    ],
)
def test_only_browsers_ask_for_the_page_at_the_root(
    method: str, path: str, accept: bytes | None, is_text: bool
) -> None:
    headers = {} if accept is None else {b"accept": accept}
    assert is_root_text({"method": method, "path": path}, headers) == is_text
