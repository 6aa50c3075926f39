"""The words of a vector store: the points it holds, what narrows a search, what it finds and what
can go wrong. Knows no Qdrant and holds no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orch.errors import OrchError

DENSE, LEXICAL = "dense", "lexical"
"""The names of the two vectors of a point."""
INDEXED = {
    "session": "keyword",
    "task_type": "keyword",
    "model": "keyword",
    "run_id": "keyword",
    "at": "float",
    "seq": "integer",
}
"""The payload fields that are looked up, each with the kind of its index in Qdrant."""
FORGOTTEN_FOR_GOOD = "forgotten:for_good"
"""The fact that holds the last place in the list of forgotten rows that a user chose, rather than
`journal.keep`."""
REINDEX_HINT = "build it anew with `orch memory reindex`"


@dataclass(frozen=True, slots=True)
class Point:
    """One piece of memory. `id` is a UUID, `at` seconds since the epoch, `sparse` the weight of
    each term's number.

    `seq` is the journal's row number; None for a piece after which others of its row follow.
    """

    id: str
    seq: int | None
    dense: Sequence[float] | None
    sparse: Mapping[int, float]
    run_id: str
    part: int
    session: str | None
    task_type: str | None
    model: str | None
    at: float

    def payload(self) -> dict[str, str | int | float]:
        """What is stored beside the vectors: names, numbers and a time, never text. What is None is
        left out."""
        fields = ("run_id", "part", "seq", "session", "task_type", "model", "at")
        return {name: value for name in fields if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Filter:
    """Narrows a search; what is None narrows nothing. `since` is the first moment that counts,
    `before` the first that does not, in seconds."""

    session: str | None = None
    task_type: str | None = None
    model: str | None = None
    since: float | None = None
    before: float | None = None

    def exact_matches(self) -> dict[str, str]:
        """The fields that must have one value."""
        wishes = {"session": self.session, "task_type": self.task_type, "model": self.model}
        return {name: wish for name, wish in wishes.items() if wish is not None}

    def has_time_range(self) -> bool:
        """Whether time narrows the search."""
        return self.since is not None or self.before is not None


@dataclass(frozen=True, slots=True)
class Hit:
    """One point that was found. Scores compare within one search only; larger is better."""

    id: str
    run_id: str
    part: int
    score: float


class StoreError(OrchError):
    """The index can't be used. `code` is one of locked, dimension, unreachable, denied, corrupt,
    full, memory."""

    code = "memory"


class Store(Protocol):
    """An index of points. Every method raises StoreError where it can't do its work."""

    created: bool
    """True when `open` had to begin a new, empty index."""
    notes: list[str]
    """What the user should be told of `open`: a corrupt index was set aside."""

    def open(self, patience_s: float | None = None) -> None:
        """Opens the index, or begins one. Nothing where it is open. `patience_s` is how long
        another process may hold it."""
        ...

    def close(self) -> None:
        """Gives the index free for others."""
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Writes points, all or none; those of the same id are replaced. They outlive the process
        once this returns."""
        ...

    def delete(self, run_ids: Sequence[str]) -> None:
        """Takes out all points of these runs; that outlives the process too."""
        ...

    def dense(self, vector: Sequence[float], limit: int, where: Filter) -> list[Hit]:
        """The points whose dense vector is nearest by cosine, best first."""
        ...

    def lexical(self, weights: Mapping[int, float], limit: int, where: Filter) -> list[Hit]:
        """The points that share terms with a query, best first. Qdrant weighs each term by its
        rarity (IDF)."""
        ...

    def newest_seq(self) -> int:
        """The largest row number in the index, 0 where it is empty."""
        ...

    def count(self) -> int:
        """How many points there are."""
        ...

    def compact(self) -> None:
        """Makes sure that nothing of what was deleted is left in the files."""
        ...

    def drop(self) -> None:
        """Removes the index; `open` begins a new one."""
        ...


def dimension_error(name: str, theirs: int | None, ours: int | None) -> StoreError:
    """The error of an index whose vectors are not the embedder's. None is an index without dense
    vectors."""
    said = f"the memory index {name} holds {_vectors(theirs)}, the embedder makes {_vectors(ours)}"
    return StoreError(said, REINDEX_HINT, code="dimension")


def _vectors(dimension: int | None) -> str:
    return f"vectors of {dimension} numbers" if dimension else "no dense vectors"
