"""Sends sessions and chores to a server, and reads what each turn's prompt took."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, NamedTuple

from tests.bench.session.agent import TURNS, AgentSession
from tests.bench.session.chores import chore_body

TIMEOUT_S = 600.0
Between = Callable[[str, int], None]
"""Asks something else of the server, after the turn of that number."""


class Turn(NamedTuple):
    """One request: the tokens of its prompt, of these the tokens that the server had to read, and
    the seconds until its answer."""

    prompt: int
    read: int
    seconds: float


def play(
    url: str,
    session: AgentSession,
    *,
    between: Sequence[Between] = (),
    beside: Sequence[Between] = (),
) -> list[Turn]:
    """The turns of a session. `between` are called after each turn; `beside` begin with it, and the
    session waits for none of them."""
    turns: list[Turn] = []
    with ThreadPoolExecutor(TURNS) as threads:
        others: list[Future[None]] = []
        for number in range(TURNS):
            others += [threads.submit(ask, url, number) for ask in beside]
            turns.append(ask_turn(url, session, number))
            for ask in between:
                ask(url, number)
        for other in others:
            other.result()
    return turns


def play_both(url: str, sessions: Sequence[AgentSession]) -> list[list[Turn]]:
    """The turns of several sessions, which take turns."""
    turns: list[list[Turn]] = [[] for _ in sessions]
    for number in range(TURNS):
        for done, session in zip(turns, sessions, strict=True):
            done.append(ask_turn(url, session, number))
    return turns


def ask_turn(url: str, session: AgentSession, number: int) -> Turn:
    """One turn."""
    began = time.perf_counter()
    usage = post(f"{url}/v1/messages?beta=true", session.body(number), session.headers)["usage"]
    seconds = time.perf_counter() - began
    read = int(usage["input_tokens"])
    return Turn(read + int(usage["cache_read_input_tokens"]), read, seconds)


def ask_chore(url: str, number: int) -> None:
    """A title, tags or follow-ups of Open WebUI; it may be told to come back later."""
    try:
        post(f"{url}/v1/chat/completions", chore_body(number), {})
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise


def ask_title(session: AgentSession) -> Between:
    """The title of the agent itself, after its first turn."""

    def ask(url: str, number: int) -> None:
        if number == 0:
            post(f"{url}/v1/messages", session.title_body(), session.headers)

    return ask


def post(url: str, body: Any, headers: dict[str, str]) -> Any:
    """The answer to a JSON body. Raises HTTPError."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        return json.load(answer)
