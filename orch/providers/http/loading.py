"""Waits while a model server loads its model or has no free slot: sends the same request again,
within the timeout for the first token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from orch.errors import ProviderError

FIRST_PAUSE_S, MAX_PAUSE_S = 0.25, 3.0
"""Between two requests; each pause is half as long again as the one before."""
_REASONS = {
    "loading": "is still being loaded by its server",
    "busy": "has to wait: its server is busy",
}
"""Codes that are waited for, and what is said about them."""
_T = TypeVar("_T")


class Waiting(NamedTuple):
    """Why the answer is not there yet, as a sentence; said once."""

    message: str


class LoadingWait:
    """The wait of one call, for up to `limit_s`. `model` is how messages name what is waited
    for."""

    def __init__(
        self, model: str, limit_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model, self._limit_s, self._clock = model, limit_s, clock
        self._deadline = clock() + limit_s
        self._pause_s = FIRST_PAUSE_S
        self._refusal: ProviderError | None = None

    @property
    def left_s(self) -> float:
        """Seconds until the timeout, for the next request: at least a tenth."""
        return max(self._deadline - self._clock(), 0.1)

    @property
    def has_time(self) -> bool:
        """Whether the timeout is not over."""
        return self._clock() < self._deadline

    def add(self, failure: ProviderError) -> Waiting | None:
        """Takes a failure before the first token; returns what to say at the first one. Raises
        ProviderError if the failure is not waited for, or the time is over."""
        earlier = self._refusal
        if failure.code not in _REASONS:
            # the timeout of the last request is only what was left of the whole
            raise self._timeout(earlier) if earlier and failure.code == "timeout" else failure
        if not self.has_time:
            raise self._timeout(failure)
        self._refusal = failure
        if earlier is not None:
            return None
        return Waiting(f"{self._model} {_REASONS[failure.code]}; orch waits for it")

    def _timeout(self, refusal: ProviderError) -> ProviderError:
        message = f"{self._model} was not ready within {self._limit_s:g} s: {refusal.message}"
        return ProviderError("timeout", message)

    def next_pause_s(self) -> float:
        """Seconds until the next request: the server's own estimate if it gives one."""
        own_s = self._refusal.retry_after_s if self._refusal else None
        pause_s = min(own_s or self._pause_s, MAX_PAUSE_S, self._deadline - self._clock())
        self._pause_s *= 1.5
        return max(pause_s, 0.0)

    async def pause(self) -> None:
        """Sleeps until the next request is due."""
        await asyncio.sleep(self.next_pause_s())


async def when_loaded(model: str, limit_s: float, call: Callable[[float], Awaitable[_T]]) -> _T:
    """The result of `call`, which takes the seconds that are left, once the server has loaded the
    model. Raises ProviderError, after `limit_s` with the code `timeout`."""
    wait, failure = LoadingWait(model, limit_s), None
    while True:
        try:
            return await call(limit_s if failure is None else wait.left_s)
        except ProviderError as error:
            failure = error
        if failure.code == "busy":
            raise failure
        wait.add(failure)
        await wait.pause()
