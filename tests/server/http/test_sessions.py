"""What is kept of logins and of links, for how long, and how wrong keys are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Message

from orch.server.http.keys import Keys
from orch.server.http.sessions import (
    COOKIE,
    IDLE_S,
    LINK_S,
    MOST,
    MOST_LINKS,
    MOST_SOURCES,
    TRIES,
    TRIES_S,
    Logins,
    Tries,
)

KEY = "laptops-own-key-0123456789"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _logins(clock: Callable[[], float]) -> Logins:
    return Logins(Keys([("laptop", KEY)]), clock=clock)


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
    assert (logins.of(token), logins.of(token), logins.of(b""), logins.of(b"\xff\xfe=;;")) == (
        None,
    ) * 4


async def test_no_more_logins_are_kept_than_that() -> None:
    clock = Clock()
    logins = _logins(clock)
    tokens = []
    for _ in range(MOST + 1):
        clock.now += 1
        tokens.append(_cookie(logins.enter(KEY)))
    assert [logins.of(token) is None for token in tokens] == [True] + [False] * MOST
    assert len(set(tokens)) == MOST + 1


async def test_wrong_keys_are_counted_where_they_come_from_and_forgotten_after_a_while() -> None:
    clock = Clock()
    tries = Tries(late_s=0, clock=clock)
    assert [await tries.failed("uid 1") for _ in range(TRIES + 2)] == [0.0] * TRIES + [TRIES_S] * 2
    assert await tries.failed("uid 2") == 0.0
    clock.now += TRIES_S
    assert [await tries.failed("uid 1") for _ in range(3)] == [0.0] * 3
    for number in range(MOST_SOURCES + 5):
        await tries.failed(f"10.0.0.{number}")
    assert len(tries._wrong) == MOST_SOURCES


async def test_a_right_key_is_let_in_whatever_came_before() -> None:
    logins = _logins(Clock())
    for _ in range(TRIES * 3):
        assert logins.enter("wrong") is None
    assert logins.enter(KEY) is not None


async def test_a_link_logs_one_browser_in_while_it_is_fresh() -> None:
    clock = Clock()
    logins = Logins(None, clock=clock)
    first, second, old = (logins.link().partition("=")[2] for _ in range(3))
    assert (login := logins.of(_cookie(logins.follow(first)))) is not None
    assert (login.client, logins.follow(first), logins.follow("guessed"), logins.follow("")) == (
        "",
        None,
        None,
        None,
    )
    clock.now += LINK_S - 1
    assert logins.follow(second) is not None
    clock.now += 1
    assert logins.follow(old) is None


async def test_no_more_links_are_good_at_once_than_that() -> None:
    clock = Clock()
    logins = Logins(None, clock=clock)
    links = []
    for _ in range(MOST_LINKS + 1):
        clock.now += 1
        links.append(logins.link().partition("=")[2])
    assert [logins.follow(link) is None for link in links] == [True] + [False] * MOST_LINKS


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
