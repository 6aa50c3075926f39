"""Similar earlier tasks: found by vectors and confirmed by words."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from orch import OrchError, TaskType
from orch.execution.similar_tasks import MAX_TASK_CHARS, find_similar_task
from orch.memory.on_demand import OnDemandMemory
from orch.storage.answers import AnswerStore
from orch.storage.offload import run_inline
from orch.text.prompt import Task
from orch.types import Decision, Response, RunResult, Timing

DECISION = Decision(
    "a:1b", "A", "ollama", TaskType.SIMPLE, 0.9, "best", (), "balanced", {}, 12, "c0"
)
RESULT = RunResult(
    DECISION, TaskType.SIMPLE, 0.9, Response("A lock."), Timing(0.1, 0.2), (), (), "run1"
)


class SameVector:
    """Memory whose embedder finds every text equally near."""

    name = "same"

    def embedder(self) -> SameVector:
        """Itself."""
        return self

    async def query(self, text: str) -> list[float]:
        """The same vector for every text."""
        return [1.0, 0.0]


class NoMemory:
    """Memory without an embedder."""

    def embedder(self) -> None:
        """Raises OrchError."""
        raise OrchError("no embedder")


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    """A store with one answer."""
    opened = AnswerStore(tmp_path / "answers.sqlite3", 100)
    opened.put("k", Task(text="What is a mutex?"), RESULT, "d")
    return opened


async def similar(text: str, store: AnswerStore, memory: object = None) -> tuple[str, str] | None:
    """Key and text of the similar task."""
    chosen = cast("OnDemandMemory", memory or SameVector())
    return await find_similar_task(text, store, chosen, run_inline)


async def test_the_same_question_in_other_words_is_found(store: AnswerStore) -> None:
    assert await similar("what's a mutex", store) == ("k", "What is a mutex?")


@pytest.mark.parametrize(
    "text", ["What is a semaphore?", "What is a mutex?", "x" * (MAX_TASK_CHARS + 1)]
)
async def test_another_the_same_or_a_long_task_is_not_similar(
    text: str, store: AnswerStore
) -> None:
    assert await similar(text, store) is None


async def test_without_an_embedder_nothing_is_similar(store: AnswerStore) -> None:
    assert await similar("what's a mutex", store, NoMemory()) is None
