"""Medians, quartiles and percentiles."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its quartiles; NaN without measurements."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of the values; NaN values are ignored."""
        values = [value for value in values if not math.isnan(value)]
        if len(values) < 2:
            return cls(*((values or [math.nan])[0],) * 3)
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


def percentile(values: Sequence[float], share: float) -> float:
    """The percentile by nearest rank; NaN without values."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]
