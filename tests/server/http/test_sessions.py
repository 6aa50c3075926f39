"""Login sessions, login links and the rate limit on wrong keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Message

from orch.server.http.keys import ApiKeys
from orch.server.http.sessions import (
    COOKIE,
    LINK_TTL_S,
    MAX_LINKS,
    MAX_SESSIONS,
    SESSION_IDLE_S,
    LoginSessions,
)
from orch.server.http.wrong_key_limit import (
    MAX_WRONG_KEYS,
)

KEY = "laptops-own-key-0123456789"


class Clock:
    """A manual clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _logins(clock: Callable[[], float]) -> LoginSessions:
    return LoginSessions(ApiKeys([("laptop", KEY)]), clock=clock)


def _cookie(token: str | None) -> bytes:
    return f"a=b; {COOKIE}={token}; c=d".encode()


async def test_a_session_expires_when_idle_and_stays_while_used() -> None:
    clock = Clock()
    logins = _logins(clock)
    token = _cookie(logins.log_in(KEY))
    for _ in range(3):
        clock.now += SESSION_IDLE_S - 1
        assert (login := logins.session_of(token)) is not None
        assert login.client == "laptop"
    clock.now += SESSION_IDLE_S + 1
    assert (
        logins.session_of(token),
        logins.session_of(token),
        logins.session_of(b""),
        logins.session_of(b"\xff\xfe=;;"),
    ) == (None,) * 4


async def test_the_number_of_sessions_is_limited() -> None:
    clock = Clock()
    logins = _logins(clock)
    tokens = []
    for _ in range(MAX_SESSIONS + 1):
        clock.now += 1
        tokens.append(_cookie(logins.log_in(KEY)))
    assert [logins.session_of(token) is None for token in tokens] == [True] + [False] * MAX_SESSIONS
    assert len(set(tokens)) == MAX_SESSIONS + 1


async def test_a_valid_key_is_always_accepted() -> None:
    logins = _logins(Clock())
    for _ in range(MAX_WRONG_KEYS * 3):
        assert logins.log_in("wrong") is None
    assert logins.log_in(KEY) is not None


async def test_a_link_logs_one_browser_in_until_it_expires() -> None:
    clock = Clock()
    logins = LoginSessions(None, clock=clock)
    first, second, old = (logins.create_link().partition("=")[2] for _ in range(3))
    assert (login := logins.session_of(_cookie(logins.redeem_link(first)))) is not None
    assert (
        login.client,
        logins.redeem_link(first),
        logins.redeem_link("guessed"),
        logins.redeem_link(""),
    ) == (
        "",
        None,
        None,
        None,
    )
    clock.now += LINK_TTL_S - 1
    assert logins.redeem_link(second) is not None
    clock.now += 1
    assert logins.redeem_link(old) is None


async def test_the_number_of_links_is_limited() -> None:
    clock = Clock()
    logins = LoginSessions(None, clock=clock)
    links = []
    for _ in range(MAX_LINKS + 1):
        clock.now += 1
        links.append(logins.create_link().partition("=")[2])
    assert [logins.redeem_link(link) is None for link in links] == [True] + [False] * MAX_LINKS


async def test_an_open_page_keeps_its_session_alive_and_ends_with_it() -> None:
    clock = Clock()
    logins = _logins(clock)
    token = _cookie(logins.log_in(KEY))
    login = logins.session_of(token)
    assert login is not None
    coming: asyncio.Queue[Message] = asyncio.Queue()
    receive = login.receive_until_revoked(coming.get)
    clock.now += SESSION_IDLE_S - 1
    coming.put_nowait({"type": "websocket.receive", "text": "3"})
    assert (await receive())["text"] == "3"
    clock.now += 2
    assert logins.session_of(token) is login
    waiting = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    logins.log_out(token)
    assert await waiting == {"type": "websocket.disconnect", "code": 1008}
    assert logins.session_of(token) is None
