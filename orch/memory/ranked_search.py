"""Searches a store by words and by vector, and ranks the rows of both results with their
neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orch.memory.bm25 import query_weights, transcript_speaker
from orch.memory.fusion import NEIGHBOUR_REACH, RowContext, fuse
from orch.memory.journal_source import JournalSource, Remembered
from orch.memory.store import Filter, Hit, Store

DEPTH = 200
"""Hits requested from each part of the index before fusion."""


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """One row with its score: larger is better, comparable within one search only."""

    row: Remembered
    score: float


def search_rows(
    store: Store,
    source: JournalSource,
    question: str,
    vector: Sequence[float] | None,
    limit: int,
    where: Filter,
) -> list[ScoredRow]:
    """The rows that match a question best, best first. Without a vector only its words count; an
    empty question matches nothing."""
    if not question:
        return []
    lexical = _best(store.lexical(query_weights(question), DEPTH, where))
    dense = _best(store.dense(vector, DEPTH, where)) if vector is not None else {}
    near = source.neighbours(list(dict.fromkeys((*lexical, *dense))), NEIGHBOUR_REACH)
    around = (run_id for places in near.values() for run_id, _ in places)
    rows = source.by_ids(list(dict.fromkeys((*near, *around))))
    contexts = {run_id: _context(row) for run_id, row in rows.items()}
    ranked = [
        ScoredRow(rows[run_id], score)
        for run_id, score in fuse(question, lexical, dense, near, contexts)
        if run_id in rows and score > 0
    ]
    return [each for each in ranked if _passes(each.row, where)][:limit]


def _best(hits: Sequence[Hit]) -> dict[str, float]:
    """The score of each row: that of its best chunk."""
    best: dict[str, float] = {}
    for hit in hits:
        best[hit.run_id] = max(hit.score, best.get(hit.run_id, hit.score))
    return best


def _context(row: Remembered) -> RowContext:
    return RowContext(row.session, transcript_speaker(row.task) if row.is_note else "", row.at)


def _passes(row: Remembered, where: Filter) -> bool:
    """Neighbours are added without a filter in the store, so the filter is applied to them here."""
    conditions = (
        (where.session, row.session),
        (where.task_type, row.task_type),
        (where.model, row.model),
    )
    return (
        all(wanted is None or wanted == value for wanted, value in conditions)
        and (where.since is None or row.at >= where.since)
        and (where.before is None or row.at < where.before)
    )
