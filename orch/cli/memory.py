"""`orch memory`: search, list, show, add, forget, export, import, stats, reindex."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from orch.cli import opening
from orch.errors import InputError, JournalError, UsageError

if TYPE_CHECKING:
    from orch.memory.index import Found, Memory, Progress
    from orch.memory.source import Remembered
    from orch.memory.store import Where

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True, help="Search, read, add to and forget what was said."
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
Session = Annotated[str, typer.Option(metavar="NAME", help="Only this conversation.", show_default=False)]
Kind = Annotated[str, typer.Option("--type", metavar="TYPE", help="Only this kind of task.", show_default=False)]
Model = Annotated[str, typer.Option("--model", metavar="MODEL", help="Only this model.", show_default=False)]
Since = Annotated[str, typer.Option(help="Only the last 24h, 7d, …, or since a date such as 2026-11-01.", show_default=False)]
Count = Annotated[int, typer.Option("-k", metavar="N", min=1, max=1000, help="How many.")]
_T = TypeVar("_T")
MOST_CHARS = 4_000_000
"""Of one note: 4,000 pieces, which take the embedder some six minutes."""


@app.command()
def search(
    ctx: typer.Context,
    query: Annotated[list[str], typer.Argument(metavar="QUERY", show_default=False)],
    k: Count = 5,
    kind: Kind = "",
    model: Model = "",
    session: Session = "",
    since: Since = "",
    as_json: Json = False,
) -> None:
    """Find what was said: by words and by meaning, best first."""
    from orch import render

    where = _where(session=session, kind=kind, model=model, since=since)
    found = _with_memory(ctx, lambda memory, progress: memory.find(" ".join(query), k, where, progress))
    if as_json:
        render.show_json({"v": 1, "hits": [{"score": each.score, **_facts(each.row)} for each in found]})
    elif not found:
        render.say("nothing was found")
    else:
        render.table(("score", "date", "task", "answer", "id"), [_hit(each) for each in found], drop=("answer", "score"))


@app.command("list")
def list_(ctx: typer.Context, k: Count = 20, kind: Kind = "", model: Model = "", session: Session = "", since: Since = "", as_json: Json = False) -> None:
    """List what is remembered, newest first."""
    from orch import render

    where = _where(session=session, kind=kind, model=model, since=since)
    rows = _with_source(ctx, lambda memory: memory.source.newest(k, where))
    if as_json:
        render.show_json({"v": 1, "memories": [_facts(row) for row in rows]})
    else:
        render.table(
            ("date", "type", "model", "task", "id"),
            [(_day(row.at), row.task_type or "note", row.model or "-", _short(row.task), row.run_id) for row in rows],
            drop=("model", "type"),
        )


@app.command()
def show(ctx: typer.Context, run_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)], as_json: Json = False) -> None:
    """Show one memory whole."""
    from orch import render

    row = _with_source(ctx, lambda memory: _one(memory, run_id))
    if as_json:
        render.show_json({"v": 1, **_facts(row), "task": row.task, "answer": row.answer})
        return
    for name, value in _facts(row).items():
        if name not in ("task", "beginning") and value is not None:
            render.say(f"{name:10} {value}")
    render.show(row.task if row.is_note else f"{row.task}\n\n{row.answer}")


@app.command()
def add(
    ctx: typer.Context,
    text: Annotated[list[str], typer.Argument(metavar="[TEXT] [-]", help="The note; - reads stdin.", show_default=False)] = [],  # noqa: B006
    files: Annotated[list[str], typer.Option("-f", "--file", metavar="FILE", help="A document; can be repeated.", show_default=False)] = [],  # noqa: B006
    session: Annotated[str, typer.Option(metavar="NAME", help="The conversation it belongs to.", show_default=False)] = "",
) -> None:
    """Add a note, or documents, split along their structure."""
    from orch import render
    from orch.memory.notes import notes_of

    texts = _given(text, files)
    for title, whole in texts:
        if len(whole) > MOST_CHARS:
            raise InputError(
                f"{title or 'the text'} has {len(whole) / 1e6:.0f} million characters, {MOST_CHARS / 1e6:.0f} are the most", "add the parts that matter"
            )
    notes = [note for title, whole in texts for note in notes_of(whole, title, session or None)]
    if not notes:
        raise UsageError("there is nothing to add", 'orch memory add "the staging server is called nemo"')
    _with_index(ctx, lambda memory: _add(memory, notes))
    render.show(f"added {len(notes)} {'piece' if len(notes) == 1 else 'pieces'}: {notes[0]['run_id']}{' …' if len(notes) > 1 else ''}")


@app.command()
def forget(
    ctx: typer.Context,
    run_ids: Annotated[list[str], typer.Argument(metavar="[ID]...", show_default=False)] = [],  # noqa: B006
    session: Session = "",
    before: Annotated[str, typer.Option(metavar="WHEN", help="Older than 30d, or than a date.", show_default=False)] = "",
    everything: Annotated[bool, typer.Option("--all", help="Everything, the journal's texts too.")] = False,
) -> None:
    """Forget for good: from the index, the journal's text, the cache and the free space of their files."""
    from orch import render

    if sum((bool(run_ids), bool(session), bool(before), everything)) != 1:
        raise UsageError("say what to forget: an ID, --session NAME, --before WHEN or --all, one of them")
    gone = _with_index(ctx, lambda memory: _forget(ctx, memory, run_ids, _where(session=session, before=before)))
    render.show(f"forgot {len(gone)} {'entry' if len(gone) == 1 else 'entries'}")


@app.command()
def export(ctx: typer.Context) -> None:
    """Write everything that is remembered as JSON, one a line."""
    from orch import render

    def write(memory: Memory) -> None:
        for row in memory.source.everything():
            render.show(json.dumps(_whole(row), ensure_ascii=False))

    _with_source(ctx, write)


@app.command("import")
def import_(ctx: typer.Context, file: Annotated[str, typer.Argument(metavar="FILE|-", show_default=False)]) -> None:
    """Read what export wrote; what is there already is left alone, broken lines are told."""
    from orch import render
    from orch.memory.notes import parse_export

    rows, faults = parse_export(_read(file))
    new = _with_index(ctx, lambda memory: _add(memory, rows)) if rows else 0
    for fault in faults:
        render.say(f"! {file}: {fault}")
    render.show(f"imported {new} of {len(rows)}; {len(rows) - new} were there already")
    if faults:
        raise typer.Exit(2)


@app.command()
def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how much is remembered, and where."""
    from orch import render

    facts = _with_index(ctx, _stats)
    if as_json:
        render.show_json({"v": 1, **facts})
        return
    for name, value in facts.items():
        render.show(f"{name:12} {value:,}" if isinstance(value, int) else f"{name:12} {value}")


@app.command()
def reindex(ctx: typer.Context) -> None:
    """Build the index anew from the journal."""
    from orch import render

    render.show(f"indexed {_with_memory(ctx, lambda memory, progress: memory.reindex(progress)):,} entries")


# ---------------------------------------------------------------- opening


def _with_index(ctx: typer.Context, work: Callable[[Memory], Awaitable[_T]]) -> _T:
    """Does something with the memory opened and brought up to the journal. Raises OrchError."""

    async def opened(memory: Memory, progress: Progress) -> _T:
        await memory.open(progress)
        return await work(memory)

    return _with_memory(ctx, opened)


def _with_memory(ctx: typer.Context, work: Callable[[Memory, Progress], Awaitable[_T]]) -> _T:
    """Does something with the memory, which it opens itself. Raises OrchError."""

    async def run() -> _T:
        from orch import render

        async with opening.orchestrator(ctx) as orchestrator:
            with _in_words(), render.Progress("indexing") as bar:
                memory = await orchestrator.runtime.memory.memory()
                try:
                    return await work(memory, bar.count)
                finally:
                    memory.close()
                    for note in (*memory.notes, *orchestrator.runtime.journal.warnings):
                        render.say(f"! {note}")

    return asyncio.run(run())


def _with_source(ctx: typer.Context, work: Callable[[Memory], _T]) -> _T:
    """Reads the journal alone: the index need not be opened."""

    async def run() -> _T:
        async with opening.orchestrator(ctx) as orchestrator:
            with _in_words():
                return work(await orchestrator.runtime.memory.memory())

    return asyncio.run(run())


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"the journal can't be used: {error}", "orch health shows where it is") from None


# ---------------------------------------------------------------- the work


async def _add(memory: Memory, notes: list[dict[str, Any]]) -> int:
    new = memory.source.add(notes)
    await memory.catch_up()
    return new


async def _forget(ctx: typer.Context, memory: Memory, prefixes: list[str], where: Where) -> list[str]:
    ids = [_one(memory, prefix).run_id for prefix in prefixes]
    chosen = memory.source.chosen(where, ids)
    if not chosen:
        raise UsageError("nothing matches: nothing was forgotten", "orch memory list shows what there is")
    memory.forget(chosen)
    everything = not ids and where == type(where)()
    # also answers whose run the journal no longer has
    opening.orchestrator(ctx).runtime.reuse.cache.forget(run_ids=None if everything else chosen)
    return chosen


async def _stats(memory: Memory) -> dict[str, Any]:
    return {
        "remembered": memory.source.count(),
        "pieces": memory.store.count(),
        "lag": memory.lag(),
        "embedder": memory.embedder.name,
        "dimension": await memory.embedder.dimension() or 0,
        "index": memory.name,
    }


def forget_session(ctx: typer.Context, session: str) -> int:
    """Forgets a conversation; how many turns it had. Raises UsageError where it had none."""
    return len(_with_index(ctx, lambda memory: _forget(ctx, memory, [], _where(session=session))))


def _one(memory: Memory, prefix: str) -> Remembered:
    """The row whose id begins so. Raises OrchError where none or several do."""
    rows = memory.source.find(prefix) if prefix else []
    if len(rows) != 1:
        said = f"no memory's id begins with {prefix!r}" if not rows else f"several ids begin with {prefix!r}"
        raise UsageError(said, "orch memory list shows the ids")
    return rows[0]


def _where(*, session: str = "", kind: str = "", model: str = "", since: str = "", before: str = "") -> Where:
    from orch.cli.stats import since_when
    from orch.memory.store import Where
    from orch.types import TaskType

    if kind and kind not in tuple(TaskType):
        raise UsageError(f"{kind!r} is no task type", f"there are: {', '.join(TaskType)}")
    return Where(
        session=session or None,
        task_type=kind or None,
        model=model or None,
        since=since_when(since) if since else None,
        before=since_when(before, "--before") if before else None,
    )


def _given(words: list[str], files: list[str]) -> list[tuple[str | None, str]]:
    """The texts to add with their titles."""
    from orch.cli import stdin

    texts: list[tuple[str | None, str]] = []
    for path in files:
        attachment = stdin.attachment(path)
        if attachment.image:
            raise InputError(f"{path} is an image: only text can be remembered")
        texts.append((path, attachment.text))
    text = " ".join(word for word in words if word != "-")
    if "-" in words or (not words and not files and stdin.is_piped()):
        texts.append((None, stdin.read()))
    return [(None, text), *texts] if text.strip() else texts


def _read(file: str) -> str:
    from orch.cli import stdin

    return stdin.read() if file == "-" else stdin.attachment(file).text


# ---------------------------------------------------------------- showing


def _facts(row: Remembered) -> dict[str, Any]:
    facts = asdict(row)
    answer = facts.pop("answer")
    return {
        "id": facts.pop("run_id"),
        "date": datetime.fromtimestamp(row.at).isoformat(timespec="seconds"),
        **{name: facts[name] for name in ("session", "task_type", "model", "title")},
        "task": _short(row.task, 400),
        "beginning": _short(answer, 400),
        "note": row.is_note,
        "redacted": row.redacted,
    }


def _whole(row: Remembered) -> dict[str, Any]:
    facts = asdict(row)
    del facts["seq"]
    return {"v": 1, **facts}


def _hit(each: Found) -> tuple[str, ...]:
    row = each.row
    return (f"{each.score:.2f}", _day(row.at), _short(row.task), _short(row.answer) or "-", row.run_id)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d")


def _short(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
