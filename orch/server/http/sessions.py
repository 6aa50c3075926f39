"""Who has logged in at the page: a random token for each browser and for each link that logs one
in, kept as digests in memory; and a bound on wrong tries."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from typing import TYPE_CHECKING

from orch.server.http.keys import ApiKeys

if TYPE_CHECKING:
    from starlette.types import Message, Receive

COOKIE = "orch_login"
LOGIN_PATH, LOGOUT_PATH, LINK_PARAMETER = "/login", "/logout", "link"
SESSION_IDLE_S = 12 * 3600.0
"""Without a request and without an open page, a login is forgotten after this long."""
MAX_SESSIONS = 100
"""Logins kept; the longest idle one makes room."""
MAX_WRONG_KEYS, WRONG_KEYS_WINDOW_S = 10, 60.0
"""Wrong keys in that time from one account or address, after which each more is answered late."""
LATE_S = 1.0
MAX_SOURCES = 1024
LINK_TTL_S, MAX_LINKS = 600.0, 16
"""A link logs one browser in, and is good for so long; the oldest makes room."""


@dataclass(slots=True, eq=False)
class LoginSession:
    """One browser that showed a good key, when it was last heard of, and what is done when it is
    forgotten."""

    client: str
    clock: Callable[[], float]
    gone: asyncio.Future[None]
    seen: float = 0.0

    def __post_init__(self) -> None:
        self.seen = self.clock()

    def receive_until_revoked(self, receive: Receive) -> Receive:
        """What a WebSocket receives, until its login is gone: then that it was disconnected. An
        open page keeps the login."""

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


class WrongKeyLimiter:
    """Wrong keys by where they come from. A right one is let in whatever came before: nobody can
    lock another out."""

    def __init__(self, late_s: float = LATE_S, clock: Callable[[], float] = monotonic) -> None:
        self._late_s, self._clock = late_s, clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    async def record_failure(self, source: str) -> float:
        """Counts a wrong key: 0, or after too many of them, late, the seconds until they are
        forgotten."""
        wrong = self._wrong.setdefault(source, deque(maxlen=MAX_WRONG_KEYS + 1))
        self._wrong.move_to_end(source)
        wrong.append(self._clock())
        if len(self._wrong) > MAX_SOURCES:
            self._wrong.popitem(last=False)
        wait_s = (
            wrong[0] + WRONG_KEYS_WINDOW_S - self._clock() if len(wrong) > MAX_WRONG_KEYS else 0.0
        )
        if wait_s <= 0:
            return 0.0
        await asyncio.sleep(self._late_s)
        return wait_s


class LoginSessions:
    """The logins of one server, which ends them when it ends; `keys` are None where the account
    alone counts. Lives in one event loop."""

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
        """A token for a good key; None for a wrong one."""
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
        """A token for a link's, which then is good for nothing; None for one that was used or is
        too old."""
        return self._let_in("") if self._links.pop(_digest(link), 0.0) > self._clock() else None

    def _let_in(self, client: str) -> str:
        if len(self._kept) >= MAX_SESSIONS:
            self._forget(min(self._kept, key=lambda each: self._kept[each].seen))
        token = secrets.token_urlsafe(32)
        self._kept[_digest(token)] = LoginSession(
            client, self._clock, asyncio.get_running_loop().create_future()
        )
        return token

    def session_of(self, cookies: bytes) -> LoginSession | None:
        """The login of a Cookie header, which is now the last time it was heard of."""
        digest = _digest(session_token(cookies)) if cookies else b""
        login, now = self._kept.get(digest), self._clock()
        if login is None:
            return None
        if now - login.seen > SESSION_IDLE_S:
            self._forget(digest)
            return None
        login.seen = now
        return login

    def log_out(self, cookies: bytes) -> None:
        """Forgets a login and ends its open pages."""
        self._forget(_digest(session_token(cookies)))

    def _forget(self, digest: bytes) -> None:
        login = self._kept.pop(digest, None)
        if login is not None and not login.gone.done():
            login.gone.set_result(None)


def session_token(cookies: bytes) -> str:
    """The token of a Cookie header, empty where there is none."""
    try:
        found = SimpleCookie(cookies.decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _digest(token: str) -> bytes:
    # the time of a look-up then says nothing of the token
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
