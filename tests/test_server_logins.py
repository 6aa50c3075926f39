"""What is kept of logins, for how long, and how many wrong keys are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Message

from orch.server.keys import Keys
from orch.server.logins import COOKIE, IDLE_S, MOST, TRIES, TRIES_S, Logins

KEY = "laptops-own-key-0123456789"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _logins(clock: Callable[[], float]) -> Logins:
    return Logins(Keys([("laptop", KEY)]), clock)


def _cookie(token: str | None) -> bytes:
    return f"a=b; {COOKIE}={token}; c=d".encode()


async def test_a_login_is_forgotten_when_it_is_idle_and_kept_while_it_is_used() -> None:
    clock = Clock()
    logins = _logins(clock)
    token = _cookie(logins.enter(KEY))
    for _ in range(3):
        clock.now += IDLE_S - 1
        assert (login := logins.of(token)) is not None
        assert login.client == "laptop"
    clock.now += IDLE_S + 1
    assert (logins.of(token), logins.of(token), logins.of(b""), logins.of(b"\xff\xfe=;;")) == (None,) * 4


async def test_no_more_logins_are_kept_than_that() -> None:
    clock = Clock()
    logins = _logins(clock)
    tokens = []
    for _ in range(MOST + 1):
        clock.now += 1
        tokens.append(_cookie(logins.enter(KEY)))
    assert [logins.of(token) is None for token in tokens] == [True] + [False] * MOST
    assert len(set(tokens)) == MOST + 1


async def test_tries_are_free_again_after_a_while() -> None:
    clock = Clock()
    logins = _logins(clock)
    assert [logins.enter("wrong") for _ in range(TRIES)] == [None] * TRIES
    assert (logins.enter(KEY), logins.wait_s) == (None, TRIES_S)
    clock.now += TRIES_S
    assert logins.enter(KEY) is not None


async def test_an_open_page_keeps_its_login_and_ends_with_it() -> None:
    clock = Clock()
    logins = _logins(clock)
    token = _cookie(logins.enter(KEY))
    login = logins.of(token)
    assert login is not None
    coming: asyncio.Queue[Message] = asyncio.Queue()
    receive = login.while_in(coming.get)
    clock.now += IDLE_S - 1
    coming.put_nowait({"type": "websocket.receive", "text": "3"})
    assert (await receive())["text"] == "3"
    clock.now += 2
    assert logins.of(token) is login
    waiting = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    logins.leave(token)
    assert await waiting == {"type": "websocket.disconnect", "code": 1008}
    assert logins.of(token) is None
