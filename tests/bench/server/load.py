"""The load generator: a closed loop over keep-alive connections in its own process that checks
every answer and prints one line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.bench.server.figures import percentile
from tests.bench.server.http1 import Response, post
from tests.bench.server.prompts import PATHS, PINNED, Ask, asks, text_of

PATIENCE_S = 30.0
"""Timeout for an answer after the end of the loop."""
_TOKEN = re.compile(rb'"(?:content|text)":\s*"[^"]')
_ENDS = (
    *(b'"finish_reason":"stop"', b'"finish_reason": "stop"', b'"done":true', b'"done": true'),
    b'"stop_reason":"end_turn"',
)


@dataclass(frozen=True, slots=True)
class Load:
    """Results of a closed loop: `asked` counts all requests, the others those that ended after the
    warm-up. Milliseconds."""

    asked: int
    per_s: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float
    first_p99_ms: float
    errors: dict[str, int]


@dataclass
class Tally:
    """State shared by the connections of one loop: where to send, when to count and stop (clock
    seconds), and the results."""

    host: str
    path: str
    asks: Iterator[Ask]
    counts_from: float
    ends: float
    asked: int = 0
    last: float = 0.0
    whole_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def load(self) -> Load:
        """The results."""
        spent = max(self.last - self.counts_from, 1e-9)
        whole, first = (
            [percentile(values, share) * 1000 for share in (0.5, 0.99)]
            for values in (self.whole_s, self.first_s)
        )
        return Load(
            self.asked,
            len(self.whole_s) / spent,
            whole[0],
            whole[1],
            first[0],
            first[1],
            dict(self.errors),
        )


class Client(asyncio.Protocol):
    """One connection, which sends the next request as soon as it has the answer; `gone` is set when
    it has ended."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._under_way = False
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the first request."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self._ask()

    def _ask(self) -> None:
        tally = self._tally
        ask = next(tally.asks)
        self._response, self._body, self._answer = Response(), b"", ask.answer
        self._first = 0.0
        self._under_way = True
        tally.asked += 1
        self._begun = time.perf_counter()
        self._transport.write(post(tally.host, tally.path, ask.body))

    def data_received(self, data: bytes) -> None:
        """Reads on; sends the next request after the last byte."""
        self._body += self._response.feed(data)
        now = time.perf_counter()
        if not self._first and _TOKEN.search(self._body):
            self._first = now
        if not self._response.done:
            return
        self._under_way = False
        self._count(now)
        if now < self._tally.ends:
            self._ask()
        else:
            self._transport.close()

    def _count(self, now: float) -> None:
        tally = self._tally
        if fault := self._fault():
            tally.errors[fault] += 1
        elif now >= tally.counts_from:
            tally.whole_s.append(now - self._begun)
            tally.first_s.append(self._first - self._begun)
            tally.last = now

    def _fault(self) -> str:
        if self._response.status != 200:
            return f"status {self._response.status}: {self._body[:200].decode(errors='replace')}"
        if text_of(self._body) != self._answer:
            return "another text"
        return "" if any(end in self._body for end in _ENDS) else "no end"

    def connection_lost(self, error: Exception | None) -> None:
        """Counts an answer that never arrived."""
        if self._under_way:
            self._tally.errors["connection lost"] += 1
        self.gone.set_result(None)


async def _worker(tally: Tally, host: str, port: int) -> None:
    """Keeps one connection open until the loop ends, and reconnects if the server closes it."""
    while time.perf_counter() < tally.ends:
        try:
            _, client = await asyncio.get_running_loop().create_connection(
                lambda: Client(tally), host, port
            )
        except OSError as error:
            tally.errors[f"connecting: {error.strerror}"] += 1
            await asyncio.sleep(0.1)
            continue
        await client.gone


async def load(
    url: str, *, api: str, model: str, connections: int, seconds: float, warm_s: float, stream: bool
) -> Load:
    """Runs a closed loop of `seconds`, after a warm-up of `warm_s`."""
    where = urlsplit(url)
    begun = time.perf_counter()
    tally = Tally(
        where.netloc, PATHS[api], asks(model, stream, api), begun + warm_s, begun + warm_s + seconds
    )
    workers = [
        asyncio.create_task(_worker(tally, where.hostname or "", where.port or 80))
        for _ in range(connections)
    ]
    _, late = await asyncio.wait(workers, timeout=warm_s + seconds + PATIENCE_S)
    for worker in late:
        tally.errors["never answered"] += 1
        worker.cancel()
    return tally.load()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.server.load", description=__doc__)
    parser.add_argument("url", help="Of the server, without a path.")
    parser.add_argument("--api", choices=PATHS, default="openai")
    parser.add_argument("--model", default=PINNED)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warm-s", type=float, default=0.5)
    parser.add_argument("--stream", action="store_true")
    args = vars(parser.parse_args())
    print(json.dumps(asdict(uvloop.run(load(args.pop("url"), **args)))))


if __name__ == "__main__":
    main()
