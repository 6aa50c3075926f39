"""Weight columns: the contribution of words to kinds and models (pure)."""

from __future__ import annotations

import math
import sys
from array import array
from dataclasses import dataclass, field
from operator import itemgetter

from orch.quality.features import FeatureGroups


@dataclass(slots=True)
class WeightColumns:
    """Fitted columns: BUCKETS weights for each kind, for each model, and one column for how new a
    bucket is."""

    kinds: list[array[float]] = field(default_factory=list)
    offsets: list[float] = field(default_factory=list)
    temperature: float = 1.0
    models: list[array[float]] = field(default_factory=list)
    newness: list[array[float]] = field(default_factory=list)
    trust: list[float] = field(default_factory=lambda: [4.0, 0.0, 0.0])

    def scores(self, groups: FeatureGroups) -> list[float]:
        """One score for each kind."""
        return [
            offset + column_sum(column, groups)
            for column, offset in zip(self.kinds, self.offsets, strict=True)
        ]

    def shares(self, scores: list[float]) -> list[float]:
        """P(kind | text)."""
        return _softmax([self.temperature * score for score in scores])

    def columns(self) -> list[array[float]]:
        """All columns, in the order of the file."""
        return [*self.kinds, *self.models, *self.newness]


def column_sum(column: array[float], groups: FeatureGroups, *, square: bool = False) -> float:
    """The weighted sum of a column over a text's buckets."""
    total = 0.0
    for at, value in groups:
        total += (value * value if square else value) * (
            sum(itemgetter(*at)(column)) if len(at) > 1 else column[at[0]]
        )
    return total


def _softmax(logits: list[float]) -> list[float]:
    top = max(logits, default=0.0)
    weights = [math.exp(each - top) for each in logits]
    total = sum(weights)
    return [each / total for each in weights]


def pack_column(column: array[float]) -> bytes:
    if sys.byteorder == "big":
        column = array("f", column)
        column.byteswap()
    return column.tobytes()


def unpack_column(data: memoryview) -> array[float]:
    column = array("f")
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column
