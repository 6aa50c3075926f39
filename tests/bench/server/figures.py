"""Medians, quartiles and percentiles of few or many numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """A median between its quartiles; all three are not a number where nothing was measured."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of what was measured; what is not a number was not."""
        values = [value for value in values if not math.isnan(value)]
        if len(values) < 2:
            return cls(*((values or [math.nan])[0],) * 3)
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many of all do not exceed (nearest rank); not a number where there is
    none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]
