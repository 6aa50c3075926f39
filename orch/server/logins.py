"""Who has logged in at the page: a random token for each browser, kept as a digest and in memory alone, and a bound on wrong tries."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from typing import TYPE_CHECKING

from orch.server.keys import Keys

if TYPE_CHECKING:
    from starlette.types import Message, Receive

COOKIE = "orch_login"
PATH, LEAVING = "/login", "/logout"
IDLE_S = 12 * 3600.0
"""Without a request and without an open page, a login is forgotten after this long."""
MOST = 100
"""Logins kept; the longest idle one makes room."""
TRIES, TRIES_S = 10, 60.0
"""Wrong keys that are looked at in that time, whoever they come from."""


@dataclass(slots=True, eq=False)
class Login:
    """One browser that showed a good key, when it was last heard of, and what is done when it is forgotten."""

    client: str
    clock: Callable[[], float]
    gone: asyncio.Future[None]
    seen: float = 0.0

    def __post_init__(self) -> None:
        self.seen = self.clock()

    def while_in(self, receive: Receive) -> Receive:
        """What a WebSocket receives, until its login is gone: then that it was disconnected. An open page keeps the login."""

        async def received() -> Message:
            coming = asyncio.ensure_future(receive())
            try:
                await asyncio.wait((coming, self.gone), return_when=asyncio.FIRST_COMPLETED)
                if self.gone.done():
                    return {"type": "websocket.disconnect", "code": 1008}
                self.seen = self.clock()
                return coming.result()
            finally:
                coming.cancel()

        return received


class Logins:
    """The logins of one server, which ends them when it ends. Lives in one event loop."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = monotonic) -> None:
        self._keys, self._clock = keys, clock
        self._kept: dict[bytes, Login] = {}
        self._wrong: deque[float] = deque(maxlen=TRIES)

    @property
    def wait_s(self) -> float:
        """Seconds until a key is looked at again; 0 for at once."""
        full = len(self._wrong) == TRIES
        return max(self._wrong[0] + TRIES_S - self._clock(), 0.0) if full else 0.0

    def enter(self, key: str) -> str | None:
        """A token for a good key; None for a wrong one, and for any after too many of those."""
        if self.wait_s:
            return None
        client = self._keys.name_of(key)
        if client is None:
            self._wrong.append(self._clock())
            return None
        if len(self._kept) >= MOST:
            self._forget(min(self._kept, key=lambda each: self._kept[each].seen))
        token = secrets.token_urlsafe(32)
        self._kept[_digest(token)] = Login(client, self._clock, asyncio.get_running_loop().create_future())
        return token

    def of(self, cookies: bytes) -> Login | None:
        """The login of a Cookie header, which is now the last time it was heard of."""
        digest = _digest(token_in(cookies)) if cookies else b""
        login, now = self._kept.get(digest), self._clock()
        if login is None:
            return None
        if now - login.seen > IDLE_S:
            self._forget(digest)
            return None
        login.seen = now
        return login

    def leave(self, cookies: bytes) -> None:
        """Forgets a login and ends its open pages."""
        self._forget(_digest(token_in(cookies)))

    def _forget(self, digest: bytes) -> None:
        login = self._kept.pop(digest, None)
        if login is not None and not login.gone.done():
            login.gone.set_result(None)


def token_in(cookies: bytes) -> str:
    """The token of a Cookie header, empty where there is none."""
    try:
        found = SimpleCookie(cookies.decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _digest(token: str) -> bytes:
    # the time of a look-up then says nothing of the token
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
