"""Finds the earlier task that one answer would serve as well: by vectors, then by guards that look
at every word."""

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
"""Earlier tasks that are compared."""
MAX_TASK_CHARS = 400
"""A longer task is not compared: guards are made for questions."""


async def find_similar_task(
    text: str, cache: AnswerStore, memory: OnDemandMemory, aside: Offload
) -> tuple[str, str] | None:
    """Key and task of the nearest earlier task; None where none is near enough, or nothing can be
    embedded."""
    if len(text) > MAX_TASK_CHARS:
        return None
    try:
        embedder = memory.embedder()
        vector = await embedder.query(text)
        if vector is None:
            return None
        new = [
            (key, task)
            for key, task in await aside(
                cache.tasks_without_vector, embedder.name, MAX_COMPARED_TASKS
            )
            if len(task) <= MAX_TASK_CHARS
        ]
        kept = [(key, array("f", await embedder.query(task) or ()).tobytes()) for key, task in new]
        await aside(cache.set_vectors, embedder.name, kept)
        return await aside(_nearest, text, vector, cache, embedder.name)
    except (OrchError, ImportError):
        return None


def _nearest(
    text: str, vector: Sequence[float], cache: AnswerStore, embedder: str
) -> tuple[str, str] | None:
    scored = [
        (_cosine(vector, blob), key, task)
        for key, task, blob in cache.vectors(embedder, MAX_COMPARED_TASKS)
    ]
    return next(
        (
            (key, task)
            for score, key, task in sorted(scored, reverse=True)
            if task != text and is_equivalent(text, task, score)
        ),
        None,
    )


def _cosine(vector: Sequence[float], blob: bytes) -> float:
    """Of two vectors of length 1."""
    other = array("f")
    other.frombytes(blob)
    return float(sum(map(mul, vector, other)))
