"""Learns from counted prompts how a model's vocabulary differs from the estimate of tokens, by
kinds of text (pure).

One ratio for all texts is not enough: Llama 3 has a token for three digits where others have three,
and a small English vocabulary takes a third more for Spanish.
"""

from __future__ import annotations

from collections.abc import Collection
from statistics import median

Parts = tuple[float, ...]
"""An estimate by kinds of text: `Need.token_parts`."""
PRIOR = 0.003
"""How firmly each part's ratio is held to that of the whole, against the counts' relative errors.
The best of .3 to .001 for ten counts of code, English, Spanish, numbers and JSON by seven
vocabularies (2026-11-30): 93 % of other texts came within 10 %, with one ratio 66 %."""
FURTHEST = 4.0
"""How many times off the estimate a corrected one may be."""


def fit_ratios(samples: Collection[tuple[Parts, int]]) -> Parts:
    """The ratio of tokens to the estimate for each part, from prompts' parts and counts: least
    squares of the relative errors, with the median ratio as the prior of all."""
    usual = median(count / sum(parts) for parts, count in samples)
    size = len(next(iter(samples))[0])
    matrix = [[PRIOR * (row == column) for column in range(size)] for row in range(size)]
    right = [PRIOR * usual] * size
    for parts, count in samples:
        shares = [part / count for part in parts]
        for row, share in enumerate(shares):
            right[row] += share
            matrix[row] = [
                value + share * other for value, other in zip(matrix[row], shares, strict=True)
            ]
    return tuple(_solved(matrix, right))


def corrected(parts: Parts, ratios: Parts) -> int:
    """An estimate with the ratio of each of its parts."""
    whole = sum(parts)
    tokens = sum(part * ratio for part, ratio in zip(parts, ratios, strict=True))
    return round(min(max(tokens, whole / FURTHEST), whole * FURTHEST))


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a system of equations whose matrix is symmetric and positive definite, so
    that elimination needs no exchange of rows."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for place, pivot in enumerate(rows):
        for other in rows:
            if other is not pivot:
                factor = other[place] / pivot[place]
                other[:] = [value - factor * own for value, own in zip(other, pivot, strict=True)]
    return [row[-1] / row[place] for place, row in enumerate(rows)]
