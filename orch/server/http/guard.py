"""The outermost ASGI app: checks host, origin and client of a request, and enforces its limits."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING

from orch.server.http.api_paths import KNOWN_PATHS, canonical_path
from orch.server.http.authentication import Authentication, is_unix_socket
from orch.server.http.errors import ERRORS, error_body, error_content_type, error_location
from orch.server.http.limits import RequestLimits
from orch.server.http.origins import OriginCheck, is_page_view, login_location, refusal_message

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from orch.server.http.rules import Rules


class Guard:
    """Over the Unix socket only the limits apply. Belongs to one event loop."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app, self.rules = app, rules
        self._origins, self._authentication = OriginCheck(rules), Authentication(rules)
        self._active: set[RequestLimits] = set()
        self._timer: asyncio.TimerHandle | None = None
        timeouts = rules.body_timeout_s, rules.request_timeout_s, rules.write_timeout_s
        self._tick_s = min(1.0, *(timeout / 5 for timeout in timeouts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request that is allowed; whatever happens, its response ends in order."""
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        if scope["path"] not in KNOWN_PATHS:
            _correct_path(scope)
        request = RequestLimits(self.rules, scope, receive, send)
        self._active.add(request)
        if self._timer is None:
            self._check_timeouts()
        try:
            await self._serve(scope, request)
            code = request.abort_code
        except asyncio.CancelledError:
            code = request.abort_code or "stopping"
        except Exception as error:
            code = request.abort_code or "internal_error"
            if not request.abort_code:
                logging.getLogger("orch.server").error("%s", error_location(error))
        try:
            if code:
                await self._end(request, code)
        except asyncio.CancelledError:
            request.close_connection()
        finally:
            self._active.discard(request)

    async def _serve(self, scope: Scope, request: RequestLimits) -> None:
        headers, is_local = request.headers, is_unix_socket(scope)
        code = "" if is_local else self._origins.refusal(scope, headers)
        if not code and not is_local and self._origins.is_listed(headers):
            request.origin = headers[b"origin"]
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                await _send_preflight(request)
                return
        code = code or await self._authentication.refusal(scope, headers)
        code = code or self._length_refusal(request)
        if code in ("missing_api_key", "owner_only") and self._leads_to_login(scope, headers):
            code = "log_in"
        if code:
            await self._refuse(request, code)
        else:
            await self.app(scope, request.receive, request.send)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            headers = dict(scope["headers"])
            code = "" if is_unix_socket(scope) else self._origins.refusal(scope, headers)
            if code or await self._authentication.refusal(scope, headers):
                # before the handshake, which servers turn into a 403
                await send({"type": "websocket.close", "code": 1008})
                return
            if login := scope["state"].get("login"):
                receive = login.receive_until_revoked(receive)
        await self.app(scope, receive, send)

    def _leads_to_login(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        return self.rules.logins is not None and is_page_view(scope, headers)

    def _length_refusal(self, request: RequestLimits) -> str:
        length = request.headers.get(b"content-length")
        if length is None or request.takes_any_size:
            return ""
        is_larger = len(length) > 18 or int(length) > self.rules.max_body_bytes
        return "body_too_large" if is_larger else ""

    async def _end(self, request: RequestLimits, code: str) -> None:
        """Sends an error or closes the connection, after the app was cancelled or failed."""
        request.abort_code = code
        if request.is_response_complete:
            return
        if not request.is_response_started:
            await self._refuse(request, code)
            return
        # half a response must not look complete
        request.close_connection()
        await request.drain(until_gone=True)

    async def _refuse(self, request: RequestLimits, code: str) -> None:
        error, path = ERRORS[code], request.scope.get("path", "")
        message = refusal_message(code, request.headers)
        body, unread = error_body(path, code, message), request.has_unread_body
        headers = [
            (b"content-type", error_content_type(path).encode()),
            (b"content-length", b"%d" % len(body)),
            *request.cors_headers(),
            *error.headers,
        ]
        if code == "log_in":
            headers.append((b"location", login_location(path)))
        if unread:
            headers.append((b"connection", b"close"))
        await request.start_response(error.status, headers)
        await request.send_timed({"type": "http.response.body", "body": body, "more_body": unread})
        if unread:
            # the client has received all of it; closing while it still sends would reset the
            # connection and lose the error
            await request.drain(until_gone=False)
            await request.send_timed({"type": "http.response.body", "body": b""})

    def _check_timeouts(self) -> None:
        now, loop = monotonic(), asyncio.get_running_loop()
        for request in self._active:
            request.check_timeouts(now)
        more = bool(self._active)
        self._timer = loop.call_later(self._tick_s, self._check_timeouts) if more else None


def _correct_path(scope: Scope) -> None:
    """Gives a path of an API its documented spelling, by which it is authorized and served."""
    opens_page = is_page_view(scope, dict(scope["headers"]))
    scope["path"] = canonical_path(scope["path"], opens_page=opens_page)


async def _send_preflight(request: RequestLimits) -> None:
    requested = request.headers.get(b"access-control-request-headers", b"")
    headers = [
        *request.cors_headers(),
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", requested),
        (b"access-control-max-age", b"600"),
        (b"vary", b"access-control-request-headers"),
    ]
    if request.headers.get(b"access-control-request-private-network") == b"true":
        headers.append((b"access-control-allow-private-network", b"true"))
    await request.start_response(204, headers)
    await request.send_timed({"type": "http.response.body", "body": b""})
