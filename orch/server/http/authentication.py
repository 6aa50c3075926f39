"""Identifies the client of a request: by the Unix socket, a key, a login session, or the user of
its socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orch.server.http.authorization import Access, required_access
from orch.server.http.hosts import client_network
from orch.server.http.limits import PEER_EXTENSION
from orch.server.http.origins import is_own_origin, is_root_text
from orch.server.http.peer_user import PeerIdentity, identify_user

if TYPE_CHECKING:
    from starlette.types import Scope

    from orch.server.http.rules import Rules
    from orch.server.http.sessions import LoginSession


def is_unix_socket(scope: Scope) -> bool:
    """Whether a request came over the Unix socket, which only its owner can use."""
    # not by `client`: uvicorn has none for a TCP client that has disconnected, either
    server = scope.get("server")
    return server is not None and server[1] is None


class Authentication:
    """Writes who a client is to `scope["state"]`: `client`, `login`, `logins`, `who`, `source`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """The code of the error for a client that may not make this request; empty if it may."""
        state, keys = scope.setdefault("state", {}), self._rules.keys
        state.update(client="", login=None, logins=self._rules.logins, who="owner", source="")
        if is_unix_socket(scope):
            return ""
        presented = _presented_key(headers) if keys is not None else ""
        login = None if presented else self._session(headers)
        if login is not None:
            state.update(client=login.client, login=login)
            return ""
        if keys is None:
            return await self._refusal_without_keys(scope, headers)
        if scope["path"] in self._rules.public_paths:
            state.update(who="unknown", source=await self._source(scope))
            return ""
        name = keys.name_of(presented)
        if name is None:
            return await self._wrong_key(scope) if presented else "missing_api_key"
        state["client"] = name
        return ""

    async def _refusal_without_keys(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        state, access = scope["state"], _required_access(scope, headers)
        state["who"] = "unknown"
        if access == "open":
            return ""
        uid, state["who"] = await self._peer(scope)
        if state["who"] == "stranger":
            state["client"] = f"uid {uid}"
        return "" if access == "identified" or state["who"] == "owner" else "owner_only"

    async def _peer(self, scope: Scope) -> tuple[int | None, PeerIdentity]:
        """The user of the client's socket; looked up once for each connection."""
        known = (scope.get("extensions") or {}).get(PEER_EXTENSION, {})
        if "uid" not in known:
            client, server = (scope.get(end) for end in ("client", "server"))
            known["uid"] = await self._rules.uid_of(
                client and tuple(client), server and tuple(server)
            )
        return known["uid"], identify_user(known["uid"])

    async def _source(self, scope: Scope) -> str:
        """Where a client is: an account of this machine, or a network address."""
        uid, _ = await self._peer(scope)
        return client_network((scope.get("client") or ("",))[0]) if uid is None else f"uid {uid}"

    async def _wrong_key(self, scope: Scope) -> str:
        delayed = await self._rules.wrong_keys.record_failure(await self._source(scope))
        return "too_many_wrong_keys" if delayed else "invalid_api_key"

    def _session(self, headers: dict[bytes, bytes]) -> LoginSession | None:
        """The session of a cookie. Pages of other allowed origins need a key all the same."""
        is_foreign = b"origin" in headers and not is_own_origin(headers)
        if self._rules.logins is None or is_foreign:
            return None
        return self._rules.logins.session_of(headers.get(b"cookie", b""))


def _required_access(scope: Scope, headers: dict[bytes, bytes]) -> Access:
    """The access that a request requires; for the text at `/`, the same as for its head."""
    method = "HEAD" if is_root_text(scope, headers) else scope.get("method", "GET")
    return required_access(method, scope["path"])


def _presented_key(headers: dict[bytes, bytes]) -> str:
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    bearer = key.strip() if scheme.lower() == b"bearer" else b""
    return (bearer or headers.get(b"x-api-key", b"")).decode("latin-1")
