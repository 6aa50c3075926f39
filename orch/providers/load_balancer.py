"""Picks the address of a provider for each request, by load and recent failures; decides how long a
failing address is left alone (no I/O)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zlib import crc32

from orch.config.urls import display_url

FIRST_COOLDOWN_S, MAX_COOLDOWN_S, MAX_RETRY_AFTER_S = 1.0, 30.0, 60.0
"""After a failure an address is left alone; the cooldown doubles with each further failure. A
server may ask for more (Retry-After), up to a minute."""
AFFINITY_SLACK = 2
"""How many more requests than the least busy address a conversation's own address may have: its
prompt cache is worth that."""
ERROR_WEIGHT, ERROR_HALF_LIFE_S = 2.0, 30.0
"""A recent error counts as this many requests in flight, and half as much after each half-life: an
address that fails now and then gets fewer requests."""


class _Address:
    """State of one address. Not a dataclass, which would add a twentieth of `python -c pass` to
    every start."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.in_flight = self.failures = 0
        self.cooling_down, self.cooldown_until = False, 0.0
        self.failed_at, self.errors = float("-inf"), 0.0
        self.probe: InFlightRequest | None = None

    def recent_errors(self, now: float) -> float:
        return self.errors * math.exp2((self.failed_at - now) / ERROR_HALF_LIFE_S)

    def cooldown_s(self, now: float) -> float:
        """Seconds of cooldown that are left, to a tenth."""
        return round(max(self.cooldown_until - now, 0.0), 1) if self.cooling_down else 0.0

    def load(self, now: float) -> float:
        """Requests in flight, plus recent errors counted as requests."""
        return self.in_flight + ERROR_WEIGHT * self.recent_errors(now)


class LoadBalancer:
    """The addresses of one provider. Belongs to one event loop; `clock` returns seconds."""

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = [_Address(url) for url in urls]
        self._clock = clock

    def order(self, affinity: str = "", cached_at: str = "") -> list[str]:
        """Every address, best first.

        First comes the conversation's own address unless it is much busier, or an address whose
        cooldown is over (one request probes it). The own one is that which has the prompt cached,
        where it is known, else one by the hash of `affinity`. The others follow by load. Addresses
        in cooldown come last, so that a request always has somewhere to go.
        """
        if len(self._addresses) == 1:
            return [self._addresses[0].url]
        healthy, due, cooling = self._sorted(self._clock())
        first = self._cached(cached_at, healthy) if cached_at else None
        if first is None:
            first = self._own(affinity, healthy, due) if affinity else next(iter(due), None)
        others = (each for each in (*healthy, *due, *cooling) if each is not first)
        return _urls((first, *others) if first else others)

    def address_of(self, url: str) -> str:
        """Which of the addresses a URL belongs to; empty if it is none of them."""
        urls = (each.url for each in self._addresses)
        return next((each for each in urls if url.startswith(f"{each}/")), "")

    def fixed_order(self) -> list[str]:
        """Every address in the configured order, those in cooldown last: questions about a server
        should all reach the same address."""
        healthy, due, cooling = self._sorted(self._clock())
        usable = (each for each in self._addresses if each in healthy or each in due)
        return _urls((*usable, *cooling))

    def _sorted(self, now: float) -> tuple[list[_Address], list[_Address], list[_Address]]:
        """Healthy addresses by load, those due for a probe, and those in cooldown or being
        probed."""
        healthy = [each for each in self._addresses if not each.cooling_down]
        healthy.sort(key=lambda each: each.load(now))
        failed = [each for each in self._addresses if each.cooling_down]
        failed.sort(key=lambda each: each.cooldown_until)
        due = [each for each in failed if now >= each.cooldown_until and each.probe is None]
        return healthy, due, [each for each in failed if each not in due]

    def _own(self, affinity: str, healthy: list[_Address], due: list[_Address]) -> _Address | None:
        def weight(address: _Address) -> int:
            return crc32(f"{affinity} {address.url}".encode("utf-8", "replace"))

        # rendezvous hashing: few conversations move when an address disappears
        own = max((*healthy, *due), key=weight, default=None)
        return _unless_busy(own, healthy)

    def _cached(self, url: str, healthy: list[_Address]) -> _Address | None:
        return _unless_busy(next((each for each in healthy if each.url == url), None), healthy)

    def start(self, url: str) -> InFlightRequest:
        """Registers a request to an address."""
        address = next(each for each in self._addresses if each.url == url)
        request = InFlightRequest(address, self._clock)
        address.in_flight += 1
        is_due = address.cooling_down and request.started_at >= address.cooldown_until
        if is_due and address.probe is None:
            address.probe = request
        return request

    def status(self) -> list[dict[str, Any]]:
        """Each address with its requests in flight, consecutive failures and seconds of
        cooldown."""
        now = self._clock()
        return [
            {
                "url": display_url(each.url),
                "in_flight": each.in_flight,
                "failures": each.failures,
                "rests_s": each.cooldown_s(now),
            }
            for each in self._addresses
        ]


def _unless_busy(own: _Address | None, healthy: list[_Address]) -> _Address | None:
    least = min((each.in_flight for each in healthy), default=0)
    return own if own is not None and own.in_flight <= least + AFFINITY_SLACK else None


def _urls(addresses: Iterable[_Address]) -> list[str]:
    return [each.url for each in addresses]


class InFlightRequest:
    """One request to one address, from its start to the end of the response body."""

    def __init__(self, address: _Address, clock: Callable[[], float]) -> None:
        self._address, self._clock = address, clock
        self.started_at = clock()
        self._answered = False

    def mark_answered(self) -> None:
        """Ends the cooldown unless the address failed since the request started. Called before the
        body is read, so that other requests need not wait for its end."""
        self._answered = self.started_at >= self._address.failed_at
        if self._answered:
            self._address.cooling_down = False

    def finish(self, *, failed: bool = False, retry_after_s: float | None = None) -> None:
        """Unregisters the request. One that was cancelled before it was answered changes
        nothing."""
        address = self._address
        address.in_flight -= 1
        probed = address.probe is self
        if probed:
            address.probe = None
        if failed:
            self._fail(retry_after_s, probed=probed)
        elif self._answered and self.started_at >= address.failed_at:
            address.failures = 0

    def _fail(self, retry_after_s: float | None, *, probed: bool) -> None:
        address, now = self._address, self._clock()
        cooldown_s = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
        # requests that fail together, because the server went away, count as one failure
        if not address.cooling_down or probed:
            address.failures += 1
            address.errors = 1 + address.recent_errors(now)
            backoff_s = FIRST_COOLDOWN_S * 2 ** min(address.failures - 1, 16)
            cooldown_s = max(cooldown_s, min(backoff_s, MAX_COOLDOWN_S))
            address.cooldown_until = now
        address.cooling_down, address.failed_at = True, now
        address.cooldown_until = max(address.cooldown_until, now + cooldown_s)


def parse_retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None where it is neither."""
    value = value.strip()
    if not value:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        wait_s = _seconds_until(value)
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S) if wait_s == wait_s else None  # NaN


def _seconds_until(date: str) -> float:
    """Seconds until an HTTP date; NaN where it is not one."""
    from email.utils import parsedate_to_datetime  # few servers send a date

    try:
        return parsedate_to_datetime(date[:100]).timestamp() - time.time()
    except (ValueError, OverflowError):
        return float("nan")
