"""The interface of a vector store: points, filters, hits and errors. Knows no Qdrant and holds no
text."""

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
"""The payload fields with an index, each with its kind in Qdrant."""
FORGOTTEN_FOR_GOOD = "forgotten:for_good"
"""The fact with the last position in the list of forgotten rows that the user chose, as opposed to
`journal.keep`."""
REINDEX_HINT = "build it anew with `orch memory reindex`"


@dataclass(frozen=True, slots=True)
class Point:
    """One chunk in the index. `id` is a UUID, `at` seconds since the epoch, `sparse` the weight of
    each term.

    `seq` is the journal's row number; None for a chunk that is not the last of its row.
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
        """The fields beside the vectors: names, numbers and a time, never text. None is left
        out."""
        fields = ("run_id", "part", "seq", "session", "task_type", "model", "at")
        return {name: value for name in fields if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of a search; None means any. `since` is inclusive, `before` exclusive, in seconds
    since the epoch."""

    session: str | None = None
    task_type: str | None = None
    model: str | None = None
    since: float | None = None
    before: float | None = None

    def exact_matches(self) -> dict[str, str]:
        """The fields with one exact value."""
        wishes = {"session": self.session, "task_type": self.task_type, "model": self.model}
        return {name: wish for name, wish in wishes.items() if wish is not None}

    def has_time_range(self) -> bool:
        """Whether the filter has a time range."""
        return self.since is not None or self.before is not None


@dataclass(frozen=True, slots=True)
class Hit:
    """One point that was found. Scores compare within one search only; larger is better."""

    id: str
    run_id: str
    part: int
    score: float


class StoreError(OrchError):
    """Raised when the index can't be used. `code` is one of locked, dimension, unreachable, denied,
    corrupt, full, missing, exists, rebuilt, memory."""

    code = "memory"


class Store(Protocol):
    """An index of points. Every method raises StoreError on failure."""

    created: bool
    """True if `open` created a new, empty index."""
    notes: list[str]
    """Notes of `open` for the user, such as a corrupt index that was moved aside."""
    generation: str
    """Identifies this build of an index that other processes may build anew while it is open; empty
    where a lock keeps them out."""

    def open(self, patience_s: float | None = None) -> None:
        """Opens the index, or creates one. Does nothing if it is open. `patience_s` is how long
        another process may hold it."""
        ...

    def close(self) -> None:
        """Releases the index."""
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Writes points, all or none; points with the same id are replaced. Durable on return."""
        ...

    def delete(self, run_ids: Sequence[str]) -> None:
        """Removes all points of these runs. Durable on return."""
        ...

    def dense(self, vector: Sequence[float], limit: int, where: Filter) -> list[Hit]:
        """The points whose dense vector is nearest by cosine, best first."""
        ...

    def lexical(self, weights: Mapping[int, float], limit: int, where: Filter) -> list[Hit]:
        """The points that share terms with a query, best first. Qdrant weighs each term by its
        rarity (IDF)."""
        ...

    def newest_seq(self) -> int:
        """The largest row number in the index, 0 if it is empty."""
        ...

    def count(self) -> int:
        """The number of points."""
        ...

    def compact(self) -> None:
        """Removes deleted data from the files."""
        ...

    def drop(self) -> None:
        """Removes the index; `open` creates a new one."""
        ...


def dimension_error(name: str, theirs: int | None, ours: int | None) -> StoreError:
    """The error for an index whose vectors don't fit the embedder. None is an index without dense
    vectors."""
    message = (
        f"the memory index {name} holds {_vectors(theirs)}, the embedder makes {_vectors(ours)}"
    )
    return StoreError(message, REINDEX_HINT, code="dimension")


def _vectors(dimension: int | None) -> str:
    return f"vectors of {dimension} numbers" if dimension else "no dense vectors"
