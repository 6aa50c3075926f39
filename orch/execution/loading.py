"""Waits while a model server loads its model or has no free slot: sends the same request again,
within the timeout for the first token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Self

from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.types import FIRST_TOKEN_TIMEOUT_S

FIRST_PAUSE_S, MAX_PAUSE_S = 0.25, 3.0
"""Between two requests; each pause is half as long again as the one before."""
_REASONS = {
    "loading": "is still being loaded by its server",
    "busy": "has to wait: its server is busy",
}
"""Codes that are waited for, and what is said about them."""


class Waiting(NamedTuple):
    """Why the answer is not there yet, as a sentence; said once."""

    message: str


class LoadingWait:
    """The wait of one call. `request` is what to send next: its timeout is what is left."""

    def __init__(self, request: ChatRequest, clock: Callable[[], float] = time.monotonic) -> None:
        self.request, self._original, self._clock = request, request, clock
        self._deadline = clock() + request.first_token_timeout_s
        self._pause_s = FIRST_PAUSE_S
        self._refusal: ProviderError | None = None

    @classmethod
    def of_server(cls, timeout_s: float | None) -> Self:
        """A wait for a server that has not listed its models yet."""
        limit_s = timeout_s or FIRST_TOKEN_TIMEOUT_S
        return cls(ChatRequest("the model", [], first_token_timeout_s=limit_s))

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
        return Waiting(f"{self._original.model} {_REASONS[failure.code]}; orch waits for it")

    def _timeout(self, refusal: ProviderError) -> ProviderError:
        model, limit_s = self._original.model, self._original.first_token_timeout_s
        message = f"{model} was not ready within {limit_s:g} s: {refusal.message}"
        return ProviderError("timeout", message)

    def next_pause_s(self) -> float:
        """Seconds until the next request: the server's own estimate if it gives one."""
        own_s = self._refusal.retry_after_s if self._refusal else None
        pause_s = min(own_s or self._pause_s, MAX_PAUSE_S, self._deadline - self._clock())
        self._pause_s *= 1.5
        return max(pause_s, 0.0)

    async def pause(self) -> None:
        """Sleeps until the next request is due, and shortens its timeout."""
        await asyncio.sleep(self.next_pause_s())
        left_s = max(self._deadline - self._clock(), 0.1)
        self.request = replace(self._original, first_token_timeout_s=left_s)
