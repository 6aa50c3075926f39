"""Remembers what the models' servers counted of prompts, so that the tokens of another prompt are
estimated as its model counts; in memory only."""

from __future__ import annotations

from collections import OrderedDict, deque

from orch.text.token_ratios import Parts, corrected, fit_ratios
from orch.types import ModelKey

MAX_MODELS, MAX_SAMPLES = 64, 32
MIN_SAMPLES = 3
"""Counts from which they are used: before that the journal's ratio of the model is."""
MIN_TOKENS = 200
"""Estimated tokens of a prompt that is remembered: below, most tokens are the model's template."""
FURTHEST_COUNT = 4.0
"""How many times off the estimate a count may be: further off, the server counted something else,
such as what its cache did not hold."""


class TokenCounts:
    """The last counts of each model, and the ratios that follow from them, found when they are
    asked for."""

    def __init__(self) -> None:
        self._samples: OrderedDict[ModelKey, deque[tuple[Parts, int]]] = OrderedDict()
        self._ratios: dict[ModelKey, Parts] = {}

    def record(self, model: ModelKey, parts: Parts, counted: int) -> None:
        """Remembers a count."""
        estimate = sum(parts)
        if estimate < MIN_TOKENS or not (
            estimate / FURTHEST_COUNT < counted < estimate * FURTHEST_COUNT
        ):
            return
        self._samples.setdefault(model, deque(maxlen=MAX_SAMPLES)).append((parts, counted))
        self._samples.move_to_end(model)
        self._ratios.pop(model, None)
        if len(self._samples) > MAX_MODELS:
            oldest, _ = self._samples.popitem(last=False)
            self._ratios.pop(oldest, None)

    def estimate(self, model: ModelKey, parts: Parts) -> int | None:
        """The tokens of a prompt for that model; None while too little is known of it."""
        samples = self._samples.get(model, deque())
        if len(samples) < MIN_SAMPLES or not any(parts):
            return None
        if model not in self._ratios:
            self._ratios[model] = fit_ratios(samples)
        return corrected(parts, self._ratios[model])
