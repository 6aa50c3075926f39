"""Login sessions of the page and one-time login links; tokens are kept as digests in memory."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from typing import TYPE_CHECKING

from orch.server.http.keys import ApiKeys
from orch.server.http.wrong_key_limit import WrongKeyLimiter

if TYPE_CHECKING:
    from starlette.types import Message, Receive

COOKIE = "orch_login"
LOGIN_PATH, LOGOUT_PATH, LINK_PARAMETER = "/login", "/logout", "link"
SESSION_IDLE_S = 12 * 3600.0
"""A session without a request and without an open page expires after this time."""
MAX_SESSIONS = 100
"""Sessions kept; the one that has been idle longest is evicted."""
LINK_TTL_S, MAX_LINKS = 600.0, 16
"""A link logs one browser in and expires after this time; the oldest one is evicted."""


@dataclass(slots=True, eq=False)
class LoginSession:
    """One logged-in browser: whose key it used, when it was last active, and a future that resolves
    when the session ends."""

    client: str
    clock: Callable[[], float]
    ended: asyncio.Future[None]
    last_active: float = 0.0

    def __post_init__(self) -> None:
        self.last_active = self.clock()

    def receive_until_revoked(self, receive: Receive) -> Receive:
        """Wraps a WebSocket's `receive`: reports a disconnect once the session has ended. An open
        page keeps the session alive."""

        async def received() -> Message:
            coming = asyncio.ensure_future(receive())
            try:
                await asyncio.wait((coming, self.ended), return_when=asyncio.FIRST_COMPLETED)
                if self.ended.done():
                    return {"type": "websocket.disconnect", "code": 1008}
                self.last_active = self.clock()
                return coming.result()
            finally:
                coming.cancel()

        return received


class LoginSessions:
    """The login sessions of one server; `keys` is None where only the owner's account counts.
    Belongs to one event loop."""

    def __init__(
        self,
        keys: ApiKeys | None,
        tries: WrongKeyLimiter | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.keys, self.tries, self._clock = keys, tries or WrongKeyLimiter(clock=clock), clock
        self._kept: dict[bytes, LoginSession] = {}
        self._links: dict[bytes, float] = {}

    def log_in(self, key: str) -> str | None:
        """A session token for a valid key; None for a wrong one."""
        client = self.keys.name_of(key) if self.keys is not None else None
        return None if client is None else self._let_in(client)

    def create_link(self) -> str:
        """A path that logs one browser in as the owner, once."""
        token = secrets.token_urlsafe(32)
        if len(self._links) >= MAX_LINKS:
            del self._links[min(self._links, key=self._links.__getitem__)]
        self._links[_digest(token)] = self._clock() + LINK_TTL_S
        return f"{LOGIN_PATH}?{LINK_PARAMETER}={token}"

    def redeem_link(self, link: str) -> str | None:
        """A session token for a link's token, which is then used up; None if it was used or has
        expired."""
        return self._let_in("") if self._links.pop(_digest(link), 0.0) > self._clock() else None

    def _let_in(self, client: str) -> str:
        if len(self._kept) >= MAX_SESSIONS:
            self._forget(min(self._kept, key=lambda each: self._kept[each].last_active))
        token = secrets.token_urlsafe(32)
        self._kept[_digest(token)] = LoginSession(
            client, self._clock, asyncio.get_running_loop().create_future()
        )
        return token

    def session_of(self, cookies: bytes) -> LoginSession | None:
        """The session of a Cookie header, marked as active now."""
        digest = _digest(session_token(cookies)) if cookies else b""
        login, now = self._kept.get(digest), self._clock()
        if login is None:
            return None
        if now - login.last_active > SESSION_IDLE_S:
            self._forget(digest)
            return None
        login.last_active = now
        return login

    def log_out(self, cookies: bytes) -> None:
        """Ends a session and disconnects its open pages."""
        self._forget(_digest(session_token(cookies)))

    def _forget(self, digest: bytes) -> None:
        login = self._kept.pop(digest, None)
        if login is not None and not login.ended.done():
            login.ended.set_result(None)


def session_token(cookies: bytes) -> str:
    """The session token in a Cookie header; empty if there is none."""
    try:
        cookie = SimpleCookie(cookies.decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _digest(token: str) -> bytes:
    # the time of a look-up then says nothing of the token
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
