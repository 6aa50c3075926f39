"""Who may ask and for how long: host, origin and key are checked before the app sees a request; its
body, its answer and its reader have bounds."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from orch.errors import UsageError
from orch.server.http.authorization import required_access
from orch.server.http.errors import REFUSALS, RenderRefusal, error_body
from orch.server.http.hosts import (
    LOOPBACK_HOSTS,
    client_network,
    is_loopback,
    parse_host,
    validate_host,
    validate_origin,
)
from orch.server.http.limits import PEER_EXTENSION, RequestLimits
from orch.server.http.peer_user import PeerIdentity, SocketAddress, SocketOwners, identify_user
from orch.server.http.sessions import WrongKeyLimiter

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from orch.server.http.keys import ApiKeys
    from orch.server.http.sessions import LoginSession, LoginSessions

SAFE_PATH = re.compile(r"/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?")
"""A path of this server that can stand anywhere; nothing that a browser could take for another
server."""
_SINGLE_HEADERS = frozenset(
    {
        b"host",
        b"origin",
        b"authorization",
        b"x-api-key",
        b"content-length",
        b"sec-fetch-site",
        b"sec-fetch-mode",
        b"sec-fetch-dest",
    }
)
_MAX_CACHED_HOSTS = 64
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed; hosts are names without port. Raises UsageError for one that could never
    match."""

    allowed_hosts: frozenset[str] = frozenset(LOOPBACK_HOSTS)
    allowed_origins: frozenset[str] = frozenset()
    keys: ApiKeys | None = None
    most_body_bytes: int = 32 * _MB
    body_s: float = 30.0
    """For a body to arrive whole, from the request's beginning."""
    stream_s: float = 3600.0
    """The longest visit, from the request's beginning."""
    write_s: float = 30.0
    """The longest that one piece of an answer may wait for the client to read."""
    linger_s: float = 1.0
    """For a client that was refused to read why, while its body is thrown away."""
    public_paths: frozenset[str] = frozenset()
    """Paths that are answered without a key."""
    logins: LoginSessions | None = None
    """Who may come in with a cookie, for pages that can't send a key; a browser without one is led
    to its path."""
    tries: WrongKeyLimiter = field(default_factory=WrongKeyLimiter, compare=False)
    """Wrong keys, by where they came from."""
    uid_of: Callable[[SocketAddress | None, SocketAddress | None], Awaitable[int | None]] = field(
        default_factory=lambda: SocketOwners().uid_of, compare=False
    )
    """Whose socket a client's is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed_hosts", frozenset(map(validate_host, self.allowed_hosts)))
        object.__setattr__(
            self, "allowed_origins", frozenset(map(validate_origin, self.allowed_origins))
        )

    @classmethod
    def for_host(
        cls,
        address: str,
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        keys: ApiKeys | None = None,
        **bounds: Any,
    ) -> Self:
        """The rules of a server that listens at an address. Raises UsageError when that is not
        loopback and there are no keys."""
        if keys is None and not is_loopback(address):
            raise UsageError(
                f"--host {address or '(all addresses)'} lets other machines in, and there is no"
                " API key",
                "give --api-key FILE or set ORCH_API_KEY, or stay on 127.0.0.1",
            )
        named = frozenset((*LOOPBACK_HOSTS, address or "0.0.0.0", *hosts))
        return cls(allowed_hosts=named, allowed_origins=frozenset(origins), keys=keys, **bounds)


def is_unix_socket(scope: Scope) -> bool:
    """Whether a request came over the Unix socket, which is its owner's alone."""
    # not by `client`: uvicorn has none either for a TCP client that is gone already
    server = scope.get("server")
    return server is not None and server[1] is None


class Guard:
    """The outermost ASGI app. Over the Unix socket only the bounds hold. Lives in one event
    loop."""

    def __init__(self, app: ASGIApp, rules: Rules, refuse: RenderRefusal = error_body) -> None:
        self.app, self.rules, self._refusal = app, rules, refuse
        self._origins = frozenset(origin.encode() for origin in rules.allowed_origins)
        self._hosts: set[bytes] = set()
        self._under_way: set[RequestLimits] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tick_s = min(1.0, rules.body_s / 5, rules.stream_s / 5, rules.write_s / 5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, if it may be served, and ends it in an orderly way whatever
        happens."""
        if scope["type"] != "http":
            await self._not_http(scope, receive, send)
            return
        visit = RequestLimits(self.rules, scope, receive, send)
        self._under_way.add(visit)
        if self._timer is None:
            self._watch()
        try:
            await self._serve(scope, visit)
            code = visit.cut
        except asyncio.CancelledError:
            code = visit.cut or "stopping"
        except Exception as error:
            code = visit.cut or "internal_error"
            if not visit.cut:
                # without its message, which may quote the prompt
                logging.getLogger("orch.server").error("%s", error_location(error))
        try:
            if code:
                await self._end(visit, code)
        except asyncio.CancelledError:
            visit.close_connection()
        finally:
            self._under_way.discard(visit)

    async def _serve(self, scope: Scope, visit: RequestLimits) -> None:
        headers, local = visit.headers, is_unix_socket(scope)
        code = "" if local else self._misplaced(scope, headers)
        if not code and b"origin" in headers and headers[b"origin"] in self._origins and not local:
            visit.origin = headers[b"origin"]
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                await _preflight(visit)
                return
        code = code or await self._unnamed(scope, headers, local) or self._oversized(headers)
        if (
            code in ("missing_api_key", "owner_only")
            and self.rules.logins is not None
            and _wants_page(scope, headers)
        ):
            code = "log_in"
        if code:
            await self._refuse(visit, code)
        else:
            await self.app(scope, visit.receive, visit.send)

    async def _not_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            headers, local = dict(scope["headers"]), is_unix_socket(scope)
            if (not local and self._misplaced(scope, headers)) or await self._unnamed(
                scope, headers, local
            ):
                # before it is accepted, which servers write as 403
                await send({"type": "websocket.close", "code": 1008})
                return
            if login := scope["state"].get("login"):
                receive = login.while_in(receive)
        await self.app(scope, receive, send)

    def _misplaced(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """Why a request may not come from where it comes, if so."""
        if len(headers) != len(scope["headers"]) and _ambiguous(scope["headers"]):
            return "ambiguous_header"
        host = headers.get(b"host", b"")
        if host not in self._hosts and not self._is_ours(host, scope):
            return "host_not_allowed"
        if b"origin" in headers:
            origin = headers[b"origin"]
            if origin not in self._origins and origin.lower() not in (
                b"http://" + host.lower(),
                b"https://" + host.lower(),
            ):
                return "origin_not_allowed"
        elif headers.get(b"sec-fetch-site") == b"cross-site" and not _navigates(scope, headers):
            return "origin_not_allowed"
        return ""

    def _is_ours(self, host: bytes, scope: Scope) -> bool:
        name = parse_host(host.decode("latin-1"))
        allowed = self.rules.allowed_hosts
        ours = name in allowed
        if not ours and name and not allowed.isdisjoint(("0.0.0.0", "[::]")):
            # listening everywhere: the address the connection came in by is one of ours, and no
            # rebound name
            ours = name in (_at := (scope.get("server") or ("",))[0], f"[{_at}]")
        if ours and len(self._hosts) < _MAX_CACHED_HOSTS:
            self._hosts.add(host)
        return ours

    async def _unnamed(self, scope: Scope, headers: dict[bytes, bytes], local: bool) -> str:
        """Why a client may not ask for this, if so; else writes down who it is."""
        state, keys = scope.setdefault("state", {}), self.rules.keys
        state.update(client="", login=None, logins=self.rules.logins, who="owner", source="")
        if local:
            return ""
        presented = _presented(headers) if keys is not None else ""
        login = None if presented else self._login(headers)
        if login is not None:
            state.update(client=login.client, login=login)
            return ""
        if keys is None:
            return await self._not_the_owner(scope)
        if scope["path"] in self.rules.public_paths:
            state.update(who="unknown", source=await self._source(scope))
            return ""
        name = keys.name_of(presented)
        if name is None:
            return await self._wrong_key(scope) if presented else "missing_api_key"
        state["client"] = name
        return ""

    async def _not_the_owner(self, scope: Scope) -> str:
        state, need = scope["state"], required_access(scope.get("method", "GET"), scope["path"])
        state["who"] = "unknown"
        if need == "open":
            return ""
        uid, state["who"] = await self._peer(scope)
        if state["who"] == "stranger":
            state["client"] = f"uid {uid}"
        return "" if need == "told" or state["who"] == "owner" else "owner_only"

    async def _peer(self, scope: Scope) -> tuple[int | None, PeerIdentity]:
        """The user of the client's socket, and whether that is the owner: asked once for each
        connection."""
        kept = (scope.get("extensions") or {}).get(PEER_EXTENSION, {})
        if "uid" not in kept:
            client, server = (scope.get(end) for end in ("client", "server"))
            kept["uid"] = await self.rules.uid_of(
                client and tuple(client), server and tuple(server)
            )
        return kept["uid"], identify_user(kept["uid"])

    async def _source(self, scope: Scope) -> str:
        """Where a client is: an account of this machine, or an address."""
        uid, _ = await self._peer(scope)
        return client_network((scope.get("client") or ("",))[0]) if uid is None else f"uid {uid}"

    async def _wrong_key(self, scope: Scope) -> str:
        return (
            "too_many_wrong_keys"
            if await self.rules.tries.record_failure(await self._source(scope))
            else "invalid_api_key"
        )

    def _login(self, headers: dict[bytes, bytes]) -> LoginSession | None:
        """Who a cookie is of. Pages of other origins that may ask need a key all the same."""
        if self.rules.logins is None or headers.get(b"origin") in self._origins:
            return None
        return self.rules.logins.session_of(headers.get(b"cookie", b""))

    def _oversized(self, headers: dict[bytes, bytes]) -> str:
        length = headers.get(b"content-length")
        return (
            "body_too_large"
            if length is not None and (len(length) > 18 or int(length) > self.rules.most_body_bytes)
            else ""
        )

    async def _end(self, visit: RequestLimits, code: str) -> None:
        """Refuses or hangs up, after the app was cancelled or broke."""
        visit.cut = code
        if visit.done:
            return
        if not visit.started:
            await self._refuse(visit, code)
            return
        # half an answer must not look whole
        visit.close_connection()
        await visit.drain(until_gone=True)

    async def _refuse(self, visit: RequestLimits, code: str) -> None:
        status, message = REFUSALS[code]
        body, kind = self._refusal(visit.scope.get("path", ""), status, code, message)
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
        headers += (
            visit.cors_headers()
            if visit.origin
            else [(b"vary", b"origin")]
            if b"origin" in visit.headers
            else []
        )
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status == 429:
            headers.append((b"retry-after", b"60"))
        if status == 303:
            headers.append((b"location", _way_in(visit.scope["path"])))
        if status == 503:
            headers.append((b"retry-after", b"1"))
        unread = not visit.whole and (
            b"transfer-encoding" in visit.headers
            or visit.headers.get(b"content-length", b"0") != b"0"
        )
        if unread:
            headers.append((b"connection", b"close"))
        visit.started = True
        await visit.send_timed(
            {"type": "http.response.start", "status": status, "headers": headers}
        )
        await visit.send_timed({"type": "http.response.body", "body": body, "more_body": unread})
        if unread:
            # the client has all of it; closing on what it still sends would reset the connection
            # and take the refusal away
            await visit.drain(until_gone=False)
            await visit.send_timed({"type": "http.response.body", "body": b"", "more_body": False})

    def _watch(self) -> None:
        now = monotonic()
        for visit in self._under_way:
            visit.check_timeouts(now)
        self._timer = (
            asyncio.get_running_loop().call_later(self._tick_s, self._watch)
            if self._under_way
            else None
        )


async def _preflight(visit: RequestLimits) -> None:
    headers = [
        *visit.cors_headers(),
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
        (
            b"access-control-allow-headers",
            visit.headers.get(b"access-control-request-headers", b""),
        ),
        (b"access-control-max-age", b"600"),
        (b"vary", b"access-control-request-headers"),
    ]
    if visit.headers.get(b"access-control-request-private-network") == b"true":
        headers.append((b"access-control-allow-private-network", b"true"))
    visit.started = True
    await visit.send_timed({"type": "http.response.start", "status": 204, "headers": headers})
    await visit.send_timed({"type": "http.response.body", "body": b"", "more_body": False})


def _ambiguous(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    names = [name for name, _ in headers if name in _SINGLE_HEADERS]
    return len(names) != len(set(names))


def _navigates(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether somebody followed a link to a page of ours, not a page that embeds or calls us."""
    return scope.get("method") == "GET" and (
        headers.get(b"sec-fetch-mode"),
        headers.get(b"sec-fetch-dest"),
    ) == (b"navigate", b"document")


def _wants_page(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether somebody opens a page in a browser, not a program that asks."""
    path: str = scope["path"]
    mode = headers.get(
        b"sec-fetch-mode", b"navigate"
    )  # browsers send it over https and from this machine only
    asks = (
        scope["method"] == "GET"
        and mode == b"navigate"
        and b"text/html" in headers.get(b"accept", b"")
    )
    return asks and not path.startswith(("/v1/", "/api/", "/orch/", "/_nicegui"))


def _way_in(path: str) -> bytes:
    """Where to log in, and from there back to a plain path."""
    return f"/login?to={path}".encode() if path != "/" and SAFE_PATH.fullmatch(path) else b"/login"


def _presented(headers: dict[bytes, bytes]) -> str:
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    return (key.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")).decode(
        "latin-1"
    )


def error_location(error: BaseException) -> str:
    """An error's kind and the last places it passed, without a word of what it says."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    places, step = [], error.__traceback__
    while step is not None:
        places.append(
            f"{'/'.join(Path(step.tb_frame.f_code.co_filename).parts[-3:])}:{step.tb_lineno}"
        )
        step = step.tb_next
    return f"{type(error).__name__} at {' < '.join(reversed(places[-4:]))}"
