"""Turns rows of the journal into chunks, and these into points of the index (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from orch.memory import chunking
from orch.memory.bm25 import document_weights
from orch.memory.journal_source import Remembered
from orch.memory.store import Point

_IDS = UUID("6f1d6a52-7c0f-4f0e-9d6e-0c2b5a6a9e11")
"""The namespace of the points' ids: the same chunk has the same id in every index."""


@dataclass(frozen=True, slots=True)
class RowChunk:
    """One chunk of a row, and whether it is the last. Without text it only marks the row as
    seen."""

    row: Remembered
    number: int
    text: str
    is_last: bool


def chunks_of(row: Remembered) -> list[RowChunk]:
    """The chunks of a row, each with its date, since people search by time; one without text if
    there is nothing to index."""
    day = datetime.fromtimestamp(row.at).strftime("%d %B %Y")
    parts = (
        chunking.note_chunks(row.task) if row.is_note else chunking.run_chunks(row.task, row.answer)
    )
    texts = [f"[{day}] {part}" for part in parts] or [""]
    return [
        RowChunk(row, number, text, number == len(texts) - 1) for number, text in enumerate(texts)
    ]


def to_point(chunk: RowChunk, dense: Sequence[float] | None) -> Point:
    """The point of a chunk. Only the last chunk of a row has the row's number: an interrupted row
    does not count as done."""
    row = chunk.row
    return Point(
        id=str(uuid5(_IDS, f"{row.run_id}:{chunk.number}")),
        seq=row.seq if chunk.is_last else None,
        dense=dense,
        sparse=document_weights(chunk.text),
        run_id=row.run_id,
        part=chunk.number,
        session=row.session,
        task_type=row.task_type,
        model=row.model,
        at=row.at,
    )
