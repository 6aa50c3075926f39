"""Finds an earlier task that the same answer would serve: by vectors, then by guards that compare
every word."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import mul

from orch.errors import OrchError
from orch.memory.on_demand import OnDemandMemory
from orch.storage.answers import AnswerStore
from orch.storage.offload import Offload
from orch.text.equivalence.guards import is_equivalent

MAX_COMPARED_TASKS = 2_000
MAX_TASK_CHARS = 400
"""A longer task is not compared: the guards are made for questions."""


async def find_similar_task(
    text: str, store: AnswerStore, memory: OnDemandMemory, offload: Offload
) -> tuple[str, str] | None:
    """Key and text of the nearest earlier task; None if none is near enough, or nothing can be
    embedded."""
    if len(text) > MAX_TASK_CHARS:
        return None
    try:
        embedder = memory.embedder()
        vector = await embedder.query(text)
        if vector is None:
            return None
        tasks = await offload(store.tasks_without_vector, embedder.name, MAX_COMPARED_TASKS)
        vectors = [
            (key, array("f", await embedder.query(task) or ()).tobytes())
            for key, task in tasks
            if len(task) <= MAX_TASK_CHARS
        ]
        await offload(store.set_vectors, embedder.name, vectors)
        return await offload(_nearest, text, vector, store, embedder.name)
    except (OrchError, ImportError):
        return None


def _nearest(
    text: str, vector: Sequence[float], store: AnswerStore, embedder: str
) -> tuple[str, str] | None:
    rows = store.vectors(embedder, MAX_COMPARED_TASKS)
    scored = [(_cosine(vector, blob), key, task) for key, task, blob in rows]
    for score, key, task in sorted(scored, reverse=True):
        if task != text and is_equivalent(text, task, score):
            return key, task
    return None


def _cosine(vector: Sequence[float], blob: bytes) -> float:
    """Of two vectors of length 1."""
    other = array("f")
    other.frombytes(blob)
    return float(sum(map(mul, vector, other)))
