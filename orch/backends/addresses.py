"""Several addresses of one provider: which one is asked next, by what each has to do and how it has failed (no I/O)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

FIRST_COOLDOWN_S, LONGEST_COOLDOWN_S, LONGEST_ASKED_S = 1.0, 30.0, 60.0
"""After a failure an address is left alone, twice as long after each further one; a server may ask for more (Retry-After), up to a minute."""
MUCH_BUSIER = 2
"""Requests that a conversation's address may have more than the least busy one: its prompt cache is worth that."""


@dataclass(slots=True)
class _Address:
    url: str
    in_flight: int = 0
    failures: int = 0
    until: float = 0.0
    probed: bool = False


class Addresses:
    """The addresses with what is known of each. Lives in one event loop; `clock` gives seconds."""

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = [_Address(url) for url in urls]
        self._clock = clock

    def order(self, affinity: str = "") -> list[str]:
        """Every address, the best first: those that rest last, the least busy first, a conversation's own before it where it is not much busier."""
        if len(self._addresses) == 1:
            return [self._addresses[0].url]
        now = self._clock()
        awake = sorted((each for each in self._addresses if not self._rests(each, now)), key=_busyness)
        resting = sorted((each for each in self._addresses if self._rests(each, now)), key=lambda each: each.until)
        if affinity and awake:
            own = max(awake, key=lambda each: crc32(f"{affinity} {each.url}".encode()))  # rendezvous hashing: few move when an address goes
            if own.in_flight <= awake[0].in_flight + MUCH_BUSIER and not own.failures:
                awake = [own, *(each for each in awake if each is not own)]
        return [each.url for each in (*awake, *resting)]

    def _rests(self, address: _Address, now: float) -> bool:
        """Also where its rest is over and another request is finding out how it is."""
        return now < address.until or (address.failures > 0 and address.probed)

    def began(self, url: str) -> None:
        """A request to it is under way; after a failure the first one finds out whether it is well again."""
        address = self._of(url)
        address.in_flight += 1
        address.probed = address.failures > 0

    def ended(self, url: str, *, failed: bool, retry_after_s: float | None = None) -> None:
        """The request is over. A fast error is a failure, not idleness."""
        address = self._of(url)
        address.in_flight -= 1
        address.probed = False
        if not failed:
            address.failures, address.until = 0, 0.0
            return
        rest = min(FIRST_COOLDOWN_S * 2**address.failures, LONGEST_COOLDOWN_S)
        address.failures = min(address.failures + 1, 16)
        address.until = self._clock() + max(rest, min(retry_after_s or 0.0, LONGEST_ASKED_S))

    def _of(self, url: str) -> _Address:
        return next(each for each in self._addresses if each.url == url)

    def status(self) -> list[dict[str, Any]]:
        """For people: each address, its requests under way, its failures in a row, and how long it still rests."""
        now = self._clock()
        return [
            {"url": each.url, "in_flight": each.in_flight, "failures": each.failures, "rests_s": round(max(each.until - now, 0.0), 1)}
            for each in self._addresses
        ]


def _busyness(address: _Address) -> tuple[int, int]:
    return address.failures, address.in_flight
