"""Turns in progress: sessions of which a step runs, or whose last answer ended with tool calls, and
the models that they use (no I/O; the time is passed in).

Such a session asks again as soon as its tools have run, and its model's server still holds its
prompt. What nobody waits for must not take that place meanwhile.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from orch.types import ModelKey

FORGOTTEN_S = 120.0
"""For how long a session may run its tools until its turn counts as given up: a client tells nobody
that it was left."""
MAX_SESSIONS = 1_000
"""The newest are kept."""


class TurnsInProgress:
    """The sessions of which a step runs, or whose client runs the tools of the last one."""

    def __init__(self) -> None:
        # by session: its model, and when it is forgotten, never while a step runs; in the order of
        # their last steps
        self._turns: OrderedDict[str, tuple[ModelKey, float]] = OrderedDict()

    def go_on(self, session: str, model: ModelKey) -> None:
        """A step of a session's turn began on a model. It may take longer than its tools may."""
        self._keep(session, model, math.inf)

    def _keep(self, session: str, model: ModelKey, until: float) -> None:
        self._turns[session] = model, until
        self._turns.move_to_end(session)
        if len(self._turns) > MAX_SESSIONS:
            self._turns.popitem(last=False)

    def renew(self, session: str, now: float) -> None:
        """A step ended: where it has tool calls, the turn goes on when these have run."""
        if session in self._turns:
            self._keep(session, self._turns[session][0], now + FORGOTTEN_S)

    def end(self, session: str) -> bool:
        """The session's turn ended. Returns whether it was in one."""
        return self._turns.pop(session, None) is not None

    def models(self, now: float) -> frozenset[ModelKey]:
        """The models that hold the prompt of a turn in progress."""
        for session in [each for each, (_, until) in self._turns.items() if until <= now]:
            del self._turns[session]
        return frozenset(model for model, _ in self._turns.values())
