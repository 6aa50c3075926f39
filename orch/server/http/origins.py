"""Checks where a request comes from: its Host and Origin headers, and what browsers say of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orch.server.http.allowed_origins import AllowedOrigins, allowing_option
from orch.server.http.errors import http_error
from orch.server.http.hosts import parse_host

if TYPE_CHECKING:
    from starlette.types import Scope

    from orch.server.http.rules import Rules

SAFE_PATH = re.compile(r"/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?")
"""A path of this server that is safe in a redirect: browsers can't read it as another server."""
_SINGLE_HEADERS = frozenset(
    (
        *(b"host", b"origin", b"authorization", b"x-api-key", b"content-length"),
        *(b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"),
    )
)
_MAX_CACHED_HOSTS = 64


class OriginCheck:
    """Refuses rebound host names and foreign pages. Caches the Host headers that it accepted."""

    def __init__(self, rules: Rules) -> None:
        self._allowed_hosts = rules.allowed_hosts
        self._origins = AllowedOrigins(rules.allowed_origins)
        self._hosts: set[bytes] = set()

    def is_listed(self, headers: dict[bytes, bytes]) -> bool:
        """Whether the request is from a page of an allowed origin."""
        return b"origin" in headers and self._origins.matches(headers[b"origin"])

    def refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """The code of the error for a request from elsewhere; empty if it is allowed."""
        if len(headers) != len(scope["headers"]) and _has_duplicates(scope["headers"]):
            return "ambiguous_header"
        host = headers.get(b"host", b"")
        if host not in self._hosts and not self._is_allowed_host(host, scope):
            return "host_not_allowed"
        if b"origin" in headers:
            if not self.is_listed(headers) and not is_own_origin(headers):
                return "origin_not_allowed"
        elif headers.get(b"sec-fetch-site") == b"cross-site" and not _is_navigation(scope, headers):
            return "origin_not_allowed"
        return ""

    def _is_allowed_host(self, host: bytes, scope: Scope) -> bool:
        name = parse_host(host.decode("latin-1"))
        is_allowed = name in self._allowed_hosts
        if not is_allowed and name and not self._allowed_hosts.isdisjoint(("0.0.0.0", "[::]")):
            # listening at every address: the one that the connection came in by is allowed, and
            # no rebound name
            address = (scope.get("server") or ("",))[0]
            is_allowed = name in (address, f"[{address}]")
        if is_allowed and len(self._hosts) < _MAX_CACHED_HOSTS:
            self._hosts.add(host)
        return is_allowed


def is_own_origin(headers: dict[bytes, bytes]) -> bool:
    """Whether a request with an Origin header is from a page of this server."""
    host = headers.get(b"host", b"").lower()
    return headers[b"origin"].lower() in (b"http://" + host, b"https://" + host)


def refusal_message(code: str, headers: dict[bytes, bytes]) -> str:
    """The message of a refusal, with the option that allows the request's host or origin."""
    name, option = parse_host(headers.get(b"host", b"").decode("latin-1")), ""
    if code == "host_not_allowed" and name:
        option = f"orch serve --allow-host {name.strip('[]')}"
    elif code == "origin_not_allowed":
        option = allowing_option(headers.get(b"origin", b""))
    message = http_error(code).message
    return f"{message}: {option}" if option else message


def is_page_view(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether a browser opens a page, as opposed to a program's request."""
    path: str = scope["path"]
    # browsers send the header over https and from this machine only
    mode = headers.get(b"sec-fetch-mode", b"navigate")
    is_view = scope["method"] == "GET" and mode == b"navigate" and accepts_html(headers)
    return is_view and not path.startswith(("/v1/", "/api/", "/orch/", "/_nicegui"))


def is_root_text(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether a request for `/` only asks whether the server runs, as health checks of Ollama do:
    they accept anything or do not say, and browsers say that they want HTML."""
    is_root = (scope.get("method"), scope["path"]) == ("GET", "/")
    return is_root and not accepts_html(headers)


def accepts_html(headers: dict[bytes, bytes]) -> bool:
    """Whether a client asks for HTML, as browsers do when they open a page."""
    return b"text/html" in headers.get(b"accept", b"")


def login_location(path: str) -> bytes:
    """Where to log in, and the path to return to if it is safe."""
    return f"/login?to={path}".encode() if path != "/" and SAFE_PATH.fullmatch(path) else b"/login"


def _has_duplicates(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    names = [name for name, _ in headers if name in _SINGLE_HEADERS]
    return len(names) != len(set(names))


def _is_navigation(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether a person followed a link to a page, as opposed to a page that embeds or calls it."""
    fetch = headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")
    return scope.get("method") == "GET" and fetch == (b"navigate", b"document")
