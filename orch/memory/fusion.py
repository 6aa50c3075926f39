"""Fuses lexical and dense hits into one ranking, and includes the rows around a hit (pure).

Scores are added, not ranks: reciprocal-rank fusion of the same two lists is worse than BM25 alone
on LoCoMo. The constants were chosen on its conversations 1 to 3 (Recall@10 81.9; 80.5 to 82.5 with
any of 81 settings around them) and validated on 4 and 5 (78.0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from orch.memory.bm25 import normalized_words

NEIGHBOUR_REACH = 2
"""How far a hit extends to its neighbours: in a dialogue, the next row is the answer and the one
after it has the same speaker."""
SECONDS_A_DAY = 86_400

_LATEST = frozenset(
    """latest newest recent recently last lately yesterday today tonight currently now ultimo ultima
    ultimos ultimas ultimamente reciente recientes recientemente ayer hoy ahora
    actualmente""".split()
)


@dataclass(frozen=True, slots=True)
class Fusion:
    """The weight of each part, in points of BM25 (a match of a rare word is worth 5 to 8)."""

    dense: float = 1.4
    """For a standard deviation of cosine above the mean of the hits: independent of scale, since
    embedders differ in it."""
    near: tuple[float, ...] = (0.4, 0.25)
    """Share of a hit's score that is added to the rows next to it and to those after them, on both
    sides."""
    session: float = 0.4
    """Share of a session's best hit that is added to each of its rows. A row without a session is
    its own."""
    speaker: float = 2.5
    """For rows of a speaker whom the query names."""
    latest: float = 2.0
    """For the newest row if the query asks for the latest; half for one that is `half_life_days`
    older."""
    half_life_days: float = 30.0


@dataclass(frozen=True, slots=True)
class RowContext:
    """The context of a row: its session, its speaker (empty if unknown), and its time in seconds
    since the epoch."""

    session: str | None = None
    speaker: str = ""
    at: float = 0.0


ROUNDING = 1e-9
"""A smaller deviation of cosines is a rounding error of equal values."""


def fuse(
    question: str,
    lexical: Mapping[str, float],
    dense: Mapping[str, float],
    near: Mapping[str, Sequence[tuple[str, int]]],
    places: Mapping[str, RowContext],
    fusion: Fusion = Fusion(),
) -> list[tuple[str, float]]:
    """Ids with their scores, the best first: every hit and its neighbours.

    `lexical` holds BM25 scores, `dense` cosines, each of its best few hundred rows; a row missing
    in one gets nothing from it. `near` has the rows around each hit in its session, with their
    distance (negative: before it); `places` has the context of the known ones.
    """
    hits = _hits(lexical, dense, fusion.dense)
    scores = _spread(hits, near, fusion.near)
    bonus = _Bonus(question, hits, places, fusion)
    ranked = [(row, score + bonus.of(row)) for row, score in scores.items()]
    return sorted(ranked, key=lambda each: (-each[1], -dense.get(each[0], 0.0), each[0]))


def asks_for_latest(question: str) -> bool:
    """Whether a query asks for the latest, in English or Spanish."""
    return not _LATEST.isdisjoint(normalized_words(question))


def _hits(
    lexical: Mapping[str, float], dense: Mapping[str, float], weight: float
) -> dict[str, float]:
    """Each row's own score. A cosine below the mean counts as no hit, so that there is no step
    where the list ends."""
    middle = fmean(dense.values()) if dense else 0.0
    spread = pstdev(dense.values(), middle) if dense else 0.0
    scores = dict(lexical)
    for row, cosine in dense.items():
        above = max(cosine - middle, 0.0) / spread if spread > ROUNDING else 0.0
        scores[row] = scores.get(row, 0.0) + weight * above
    return scores


def _spread(
    hits: Mapping[str, float],
    near: Mapping[str, Sequence[tuple[str, int]]],
    shares: Sequence[float],
) -> dict[str, float]:
    scores = dict(hits)
    for row, score in hits.items():
        for other, distance in near.get(row, ()):
            if 0 < abs(distance) <= len(shares):
                scores[other] = scores.get(other, 0.0) + shares[abs(distance) - 1] * score
    return scores


class _Bonus:
    """The additions to a row's score from its context."""

    def __init__(
        self,
        question: str,
        hits: Mapping[str, float],
        places: Mapping[str, RowContext],
        fusion: Fusion,
    ) -> None:
        self._places, self._fusion, self._hits = places, fusion, hits
        self._asked = set(normalized_words(question))
        self._newest = (
            max((place.at for place in places.values()), default=0.0)
            if asks_for_latest(question)
            else None
        )
        self._best: dict[str, float] = {}
        for row, score in hits.items():
            session = places[row].session if row in places else None
            if session is not None:
                self._best[session] = max(score, self._best.get(session, 0.0))

    def of(self, row: str) -> float:
        place = self._places.get(row, RowContext())
        best = (
            self._hits.get(row, 0.0)
            if place.session is None
            else self._best.get(place.session, 0.0)
        )
        named = not self._asked.isdisjoint(normalized_words(place.speaker))
        return (
            self._fusion.session * best
            + (self._fusion.speaker if named else 0.0)
            + self._latest(place)
        )

    def _latest(self, place: RowContext) -> float:
        if self._newest is None:
            return 0.0
        days = (self._newest - place.at) / SECONDS_A_DAY
        return self._fusion.latest * math.exp2(-days / self._fusion.half_life_days)
