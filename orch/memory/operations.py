"""The operations of `orch memory`, by name: plain values in and out, so that a call can cross a
socket."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orch.errors import JournalError, OrchError, UsageError
from orch.memory.operation_arguments import check_arguments, parse_filter
from orch.memory.store import FORGOTTEN_FOR_GOOD
from orch.text.lines import truncate_line

if TYPE_CHECKING:
    from orch.memory.index import MemoryIndex, Progress
    from orch.memory.journal_source import JournalSource, Remembered
    from orch.storage.answers import AnswerStore
    from orch.storage.journal import Journal

Result = dict[str, Any]
PAGE_CHARS = 4_000_000
"""Of the rows that `export` returns at once."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """The context of an operation. `index` is there for operations that need it; they open it, and
    the creator closes it."""

    source: JournalSource
    cache: AnswerStore
    journal: Journal
    index: MemoryIndex | None = None
    progress: Progress | None = None

    @property
    def memory_index(self) -> MemoryIndex:
        """The index."""
        assert self.index is not None, "the operation is not one that needs the index"
        return self.index


@dataclass(frozen=True, slots=True)
class Operation:
    """One command. Without `needs_index` it only uses the journal, and does not wait for the index.

    `follow` updates the index afterwards, until a deadline of time.monotonic(), and returns notes.
    `later` is the note if the index can't follow now.
    """

    function: Callable[..., Awaitable[Result]]
    needs_index: bool = False
    follow: Callable[[MemoryIndex, float], Awaitable[list[str]]] | None = None
    later: str = ""


async def perform(name: str, arguments: Mapping[str, Any], means: OperationContext) -> Result:
    """The result of an operation, with notes for the user in `notes`. Raises OrchError with the
    notes as its `warnings`."""
    operation = checked_operation(name, arguments)
    try:
        result = await _translating(operation.function(means, **arguments))
    except OrchError as error:
        error.warnings = (*error.warnings, *_notes(operation, means))
        raise
    return {**result, "notes": [*result.get("notes", ()), *_notes(operation, means)]}


async def _translating(work: Awaitable[Result]) -> Result:
    try:
        return await work
    except sqlite3.Error as error:
        raise JournalError(
            f"the journal can't be used: {error}", "orch health shows where it is"
        ) from None


def _notes(operation: Operation, means: OperationContext) -> list[str]:
    """The notes beside a result."""
    if not operation.needs_index and operation.follow is None:
        return []
    return [*(means.index.take_notes() if means.index else []), *means.journal.warnings]


# ---------------------------------------------------------------- the operations

SEARCH_S = 10.0
"""How long a search without a progress bar waits for the index: a busy server's journal may grow
faster than it is indexed."""
STILL_READ = (
    "another program is reading the journal: the text is gone for orch, and leaves the file's log"
    " when that program and then orch have ended"
)


async def search_memories(
    means: OperationContext,
    query: str,
    k: int = 5,
    kind: str = "",
    model: str = "",
    session: str = "",
    since: str = "",
) -> Result:
    """`hits`: the rows that match best, best first, each with its `score`."""
    where = parse_filter(session=session, kind=kind, model=model, since=since)
    # a caller with a progress bar waits for the whole index
    until = None if means.progress else time.monotonic() + SEARCH_S
    rows = await means.memory_index.find(query, k, where, means.progress, until)
    notes = lag_note(means.memory_index.lag(), "that goes on now") if until else []
    return {"hits": [{"score": each.score, **_facts(each.row)} for each in rows], "notes": notes}


async def list_memories(
    means: OperationContext,
    k: int = 20,
    kind: str = "",
    model: str = "",
    session: str = "",
    since: str = "",
) -> Result:
    """`memories`: the newest, newest first."""
    where = parse_filter(session=session, kind=kind, model=model, since=since)
    return {"memories": [_facts(row) for row in means.source.newest(k, where)]}


async def show_memory(means: OperationContext, id: str) -> Result:
    """One memory with its whole text; a prefix of its id is enough."""
    row = _resolve_id(means.source, id)
    return {**_facts(row), "task": row.task, "answer": row.answer}


async def add_notes(means: OperationContext, texts: list[Result], session: str = "") -> Result:
    """Adds texts with or without a `title`; `ids` are those of their chunks, `new` is the number of
    new ones."""
    from orch.memory.notes import check_length, note_rows

    for each in texts:
        check_length(each["text"], each.get("title"))
    notes = [
        note
        for each in texts
        for note in note_rows(each["text"], each.get("title"), session or None)
    ]
    if not notes:
        raise UsageError(
            "there is nothing to add", 'orch memory add "the staging server is called nemo"'
        )
    return {"ids": [note["run_id"] for note in notes], "new": means.source.add(notes)}


async def forget_memories(
    means: OperationContext,
    ids: Sequence[str] = (),
    session: str = "",
    before: str = "",
    all: bool = False,
) -> Result:
    """Forgets permanently, including cached answers; `forgotten` is the number of rows. Journal
    first: the index holds no text."""
    if sum((bool(ids), bool(session), bool(before), all)) != 1:
        raise UsageError(
            "say what to forget: an ID, --session NAME, --before WHEN or --all, one of them"
        )
    where = parse_filter(session=session, before=before)
    chosen = means.source.chosen(
        where, [_resolve_id(means.source, prefix).run_id for prefix in ids]
    )
    if not chosen:
        raise UsageError(
            "nothing matches: nothing was forgotten", "orch memory list shows what there is"
        )
    means.journal.set_fact(FORGOTTEN_FOR_GOOD, str(means.source.last_forgotten() + len(chosen)))
    cleared = means.source.forget(chosen)
    # with --all, also answers whose run the journal no longer has
    means.cache.forget(run_ids=None if all else chosen)
    if unread := means.source.forget_in_copies(where, chosen if ids else ()):
        files = " ".join(map(str, unread))
        raise OrchError(
            f"forgotten in the journal; these copies of it can't be read, and may hold it: {files}",
            f"rm {files}",
        )
    return {"forgotten": len(chosen), "notes": [] if cleared else [STILL_READ]}


async def export_memories(means: OperationContext, after: int = 0) -> Result:
    """`memories`: whole rows in order, after a position in the journal; `next` is the position to
    continue from, None at the end."""
    rows: list[Result] = []
    chars = 0
    for row in means.source.everything(after):
        facts = asdict(row)
        place = facts.pop("seq")
        rows.append({"v": 1, **facts})
        chars += len(row.task) + len(row.answer)
        if chars >= PAGE_CHARS:
            return {"memories": rows, "next": place}
    return {"memories": rows, "next": None}


async def import_memories(means: OperationContext, text: str, first: int = 1) -> Result:
    """Imports exported lines; `first` is the number of the first one.

    Returns how many there are (`total`), how many were `new`, and in `faults` the problems of the
    others.
    """
    from orch.memory.notes import parse_export

    rows, faults = parse_export(text, first)
    return {"new": means.source.add(rows) if rows else 0, "total": len(rows), "faults": faults}


async def memory_stats(means: OperationContext) -> Result:
    """How much is remembered, and where."""
    memory = means.memory_index
    await memory.open(means.progress)
    return {
        "remembered": memory.source.count(),
        "pieces": memory.store.count(),
        "lag": memory.lag(),
        "embedder": memory.embedder.name,
        "dimension": await memory.embedder.dimension() or 0,
        "index": memory.name,
    }


async def reindex_memory(means: OperationContext) -> Result:
    """Rebuilds the index; `indexed` is the number of its rows."""
    return {"indexed": await means.memory_index.reindex(means.progress)}


async def _follow_new(memory: MemoryIndex, until: float) -> list[str]:
    return lag_note(
        await memory.follow_new(until), "the next search, or orch memory stats, does it"
    )


async def _follow_forgotten(memory: MemoryIndex, _: float) -> list[str]:
    await memory.follow_forgotten()
    return []


_RECORDED = "recorded, and indexed at the next search"
OPERATIONS = {
    "search": Operation(search_memories, needs_index=True),
    "list": Operation(list_memories),
    "show": Operation(show_memory),
    "add": Operation(add_notes, follow=_follow_new, later=_RECORDED),
    "forget": Operation(
        forget_memories,
        follow=_follow_forgotten,
        later=(
            "forgotten in the journal; the index, which holds no text, follows at the next search"
        ),
    ),
    "export": Operation(export_memories),
    "import": Operation(import_memories, follow=_follow_new, later=_RECORDED),
    "stats": Operation(memory_stats, needs_index=True),
    "reindex": Operation(reindex_memory, needs_index=True),
}


def lag_note(lag: int, then: str) -> list[str]:
    """The note about rows that are not indexed yet."""
    return (
        [f"{lag:,} {'entry is' if lag == 1 else 'entries are'} not indexed yet: {then}"]
        if lag
        else []
    )


def _resolve_id(source: JournalSource, prefix: str) -> Remembered:
    """The row with this id prefix. Raises UsageError if there is none, or several."""
    rows = source.find(prefix) if prefix else []
    if len(rows) != 1:
        message = (
            f"no memory's id begins with {prefix!r}"
            if not rows
            else f"several ids begin with {prefix!r}"
        )
        raise UsageError(message, "orch memory list shows the ids")
    return rows[0]


def _facts(row: Remembered) -> Result:
    return {
        "id": row.run_id,
        "date": datetime.fromtimestamp(row.at).isoformat(timespec="seconds"),
        **{name: getattr(row, name) for name in ("session", "task_type", "model", "title")},
        "task": truncate_line(row.task, 400),
        "beginning": truncate_line(row.answer, 400),
        "note": row.is_note,
        "redacted": row.redacted,
    }


def checked_operation(name: str, arguments: Mapping[str, Any]) -> Operation:
    """The operation, if it accepts these arguments. Raises UsageError."""
    if name not in OPERATIONS:
        raise UsageError(f"unknown memory operation {name!r}", f"one of: {', '.join(OPERATIONS)}")
    check_arguments(name, OPERATIONS[name].function, arguments)
    return OPERATIONS[name]
