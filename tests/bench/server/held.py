"""Holds many concurrent streams open through one server, checks each token by token, and records
the server's memory."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from tests.bench.server.http1 import Response, post
from tests.bench.server.process import Server
from tests.bench.server.prompts import PATHS, body, text_of

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Number of streams, how long each is held, the pause between tokens, and the time in which
    they are opened; seconds."""

    streams: int
    hold_s: float = 60.0
    interval_s: float = 0.5
    ramp_s: float = 5.0
    settle_s: float = 2.0

    @property
    def count(self) -> int:
        """Tokens per stream."""
        return max(round(self.hold_s / self.interval_s), 1)


class Checker:
    """Expects a stream of `NAME-0 NAME-1 …` up to `count`; `fault` is the first difference."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self.seen = 0
        self.fault = ""
        self._rest = ""

    def feed(self, text: str) -> None:
        """Checks the complete tokens."""
        *tokens, self._rest = (self._rest + text).split(" ")
        for token in tokens:
            self.fault = self.fault or self._wrong(token)
            self.seen += 1

    def end(self) -> str:
        """The fault of the complete stream, empty if there is none."""
        if self.fault:
            return self.fault
        return "cut" if self.seen < self.count or self._rest else ""

    def _wrong(self, token: str) -> str:
        name, _, number = token.rpartition("-")
        if name != self.name:
            return "mixed"
        place = int(number)
        return "" if place == self.seen else "lost" if place > self.seen else "repeated"


class Stream(asyncio.Protocol):
    """One stream on its own connection; `gone` is set to its fault, empty if it was complete."""

    def __init__(self, host: str, model: str, checker: Checker, interval_s: float) -> None:
        said = f"hold {checker.name} {checker.count} {interval_s:g} "
        self._request = post(host, PATHS["openai"], body(model, said, True))
        self._checker = checker
        self._response = Response()
        self._lines = b""
        self._end = False
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the request."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Checks the complete lines."""
        whole, _, self._lines = (self._lines + self._response.feed(data)).rpartition(b"\n")
        self._checker.feed(text_of(whole).decode())
        self._end = self._end or b"data: [DONE]" in whole
        if self._response.done:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Reports the result."""
        if self._response.status not in (0, 200):
            fault = f"status {self._response.status}"
        else:
            fault = self._checker.end() or ("" if self._end and self._response.done else "no end")
        self.gone.set_result(fault)


@dataclass
class Held:
    """The result: faults by kind, tokens, and the server's memory in bytes over time (seconds since
    the first stream)."""

    plan: Plan
    tokens: int = 0
    most_files: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)
    before: int = 0
    after: int = 0
    peak: int = 0

    def between(self, begin: float, end: float) -> int:
        """The peak memory between two moments, 0 without samples."""
        return max((size for at, size in self.memory if begin <= at < end), default=0)


async def held(server: Server, models: Sequence[str], plan: Plan) -> Held:
    """Opens the streams, spread over the models, and waits for them."""
    found = Held(plan, before=server.bytes_now())
    checkers = [Checker(f"s{number}x", plan.count) for number in range(plan.streams)]
    begun = time.monotonic()
    watch = asyncio.create_task(_watch(server, found, begun))
    async with asyncio.TaskGroup() as group:
        for number, checker in enumerate(checkers):
            await asyncio.sleep(
                max(begun + plan.ramp_s * number / plan.streams - time.monotonic(), 0)
            )
            group.create_task(_one(server.url, models[number % len(models)], checker, found))
    watch.cancel()
    found.tokens = sum(checker.seen for checker in checkers)
    await asyncio.sleep(plan.settle_s)  # the server lets go of what it held
    found.after, found.peak = server.bytes_now(), server.peak_bytes()
    return found


async def _one(url: str, model: str, checker: Checker, found: Held) -> None:
    try:
        fault = await asyncio.wait_for(
            _fault(url, model, checker, found.plan.interval_s), found.plan.hold_s + PATIENCE_S
        )
    except TimeoutError:
        fault = "never ended"
    except OSError as error:
        fault = f"connecting: {error.strerror}"
    if fault:
        found.faults[fault] += 1


async def _fault(url: str, model: str, checker: Checker, interval_s: float) -> str:
    where, loop = urlsplit(url), asyncio.get_running_loop()
    transport, stream = await loop.create_connection(
        lambda: Stream(where.netloc, model, checker, interval_s),
        where.hostname or "",
        where.port or 80,
    )
    try:
        return await stream.gone
    finally:
        transport.close()


async def _watch(server: Server, found: Held, begun: float) -> None:
    while True:
        found.memory.append((time.monotonic() - begun, server.bytes_now()))
        found.most_files = max(found.most_files, server.files())
        await asyncio.sleep(1)


def report(found: Held) -> list[str]:
    """Returns sentences with figures, and whether the goals were reached."""
    plan = found.plan
    early, late = (
        found.between(plan.ramp_s, plan.ramp_s + plan.hold_s / 4),
        found.between(plan.hold_s * 3 / 4, plan.hold_s),
    )
    faults = ", ".join(f"{count} x {fault}" for fault, count in found.faults.items()) or "none"
    each = (found.peak - found.before) / plan.streams / 1e3
    return [
        (
            f"{plan.streams:,} streams held {plan.hold_s:g} s, a token each {plan.interval_s:g} s:"
            f" {found.tokens:,} of {plan.streams * plan.count:,} tokens; faulty streams: {faults}."
        ),
        (
            f"Memory: {found.before / 1e6:.0f} MB before, {early / 1e6:.0f} MB in the first"
            f" quarter, {late / 1e6:.0f} MB in the last, peak {found.peak / 1e6:.0f} MB ({each:.0f}"
            f" kB a stream), {found.after / 1e6:.0f} MB afterwards. Most open files:"
            f" {found.most_files:,}."
        ),
        (
            f"No token lost or mixed: {'no' if found.faults else 'yes'}. Memory bounded (the last"
            f" quarter within a tenth of the first): {'yes' if late <= early * 1.1 else 'no'}."
        ),
    ]
