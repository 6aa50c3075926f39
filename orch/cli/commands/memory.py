"""`orch memory`: searches, lists, adds and deletes memories, at a running server or here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

import typer

from orch.cli import context
from orch.cli.options import Json, Since
from orch.errors import InputError, OrchError

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="Search, list, add and delete memories.",
)

Session = Annotated[
    str, typer.Option(metavar="NAME", help="Only this conversation.", show_default=False)
]
Kind = Annotated[
    str, typer.Option("--type", metavar="TYPE", help="Only this task type.", show_default=False)
]
Model = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Only this model.", show_default=False)
]
Count = Annotated[int, typer.Option("-k", metavar="N", min=1, max=1000, help="Number of results.")]
_T = TypeVar("_T")
MAX_REQUEST_CHARS = 4_000_000
"""About 24 MB as JSON at most; a server takes 32 MB."""


@app.command("search")
def memory_search(
    ctx: typer.Context,
    query: Annotated[list[str], typer.Argument(metavar="QUERY", show_default=False)],
    k: Count = 5,
    kind: Kind = "",
    model: Model = "",
    session: Session = "",
    since: Since = "",
    as_json: Json = False,
) -> None:
    """Search memories by words and by meaning, best match first."""
    from orch.cli import render

    result = _call(
        ctx,
        "search",
        query=" ".join(query),
        k=k,
        kind=kind,
        model=model,
        session=session,
        since=since,
    )
    if as_json:
        render.print_json({"v": 1, **result})
    elif not result["hits"]:
        render.print_stderr("no memories match")
    else:
        render.print_table(
            ("score", "date", "task", "answer", "id"),
            [_hit_row(each) for each in result["hits"]],
            drop=("answer", "score"),
            wraps="task",
        )


@app.command("list")
def memory_list(
    ctx: typer.Context,
    k: Count = 20,
    kind: Kind = "",
    model: Model = "",
    session: Session = "",
    since: Since = "",
    as_json: Json = False,
) -> None:
    """List memories, newest first."""
    from orch.cli import render

    result = _call(ctx, "list", k=k, kind=kind, model=model, session=session, since=since)
    if as_json:
        render.print_json({"v": 1, **result})
    else:
        render.print_table(
            ("date", "type", "model", "task", "id"),
            [
                (
                    _day(each),
                    each["task_type"] or "note",
                    each["model"] or "-",
                    _shorten(each["task"]),
                    each["id"],
                )
                for each in result["memories"]
            ],
            drop=("model", "type"),
            wraps="task",
        )


@app.command("show")
def memory_show(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show one memory in full."""
    from orch.cli import render
    from orch.text.lines import one_line

    facts = _call(ctx, "show", id=run_id)
    if as_json:
        render.print_json({"v": 1, **facts})
        return
    for name, value in facts.items():
        if name not in ("task", "beginning", "answer") and value is not None:
            render.print_stderr(f"{name:10} {one_line(str(value))}")
    render.print_stdout(facts["task"] if facts["note"] else f"{facts['task']}\n\n{facts['answer']}")


@app.command("add")
def memory_add(
    ctx: typer.Context,
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="[TEXT] [-]", help="The note; - reads it from stdin.", show_default=False
        ),
    ] = [],  # noqa: B006
    files: Annotated[
        list[str],
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            help="Document to add; can be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    session: Annotated[
        str,
        typer.Option(metavar="NAME", help="Conversation that it belongs to.", show_default=False),
    ] = "",
) -> None:
    """Add a note, or documents, which are split along their structure."""
    from orch.cli import render
    from orch.memory.notes import check_length

    texts = _texts_to_add(text, files)
    for each in texts:
        check_length(each["text"], each["title"])  # before a server refuses it for its bytes
    batches = _batches(texts, lambda each: len(each["text"]))
    ids = [
        each for batch in batches for each in _call(ctx, "add", texts=batch, session=session)["ids"]
    ]
    render.print_stdout(
        f"added {len(ids)} {'piece' if len(ids) == 1 else 'pieces'}:"
        f" {ids[0]}{' …' if len(ids) > 1 else ''}"
    )


@app.command("forget")
def memory_forget(
    ctx: typer.Context,
    run_ids: Annotated[list[str], typer.Argument(metavar="[ID]...", show_default=False)] = [],  # noqa: B006
    session: Session = "",
    before: Annotated[
        str,
        typer.Option(
            metavar="WHEN", help="Those older than 30d, or before a date.", show_default=False
        ),
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="All memories, with the texts in the journal.")
    ] = False,
) -> None:
    """Delete memories for good: from the index, the journal, the cache and the free space of
    their files."""
    from orch.cli import render

    count = _call(ctx, "forget", ids=run_ids, session=session, before=before, all=everything)[
        "forgotten"
    ]
    render.print_stdout(f"deleted {count} {'entry' if count == 1 else 'entries'}")


@app.command("export")
def memory_export(ctx: typer.Context) -> None:
    """Print all memories, one JSON object per line."""
    from orch.cli import render

    position: int | None = 0
    while position is not None:
        page = _call(ctx, "export", after=position)
        for each in page["memories"]:
            render.print_json(each, one_line=True)
        position = page["next"]


@app.command("import")
def memory_import(
    ctx: typer.Context, file: Annotated[str, typer.Argument(metavar="FILE|-", show_default=False)]
) -> None:
    """Read the output of export. Existing memories are kept; broken lines are reported."""
    from orch.cli import render

    new, total, line, faults = 0, 0, 1, list[str]()
    for lines in _batches(_read_text(file).split("\n"), len):
        result = _call(ctx, "import", text="\n".join(lines), first=line)
        new, total, line, faults = (
            new + result["new"],
            total + result["total"],
            line + len(lines),
            faults + result["faults"],
        )
    for fault in faults:
        render.print_warning(f"{file}: {fault}")
    render.print_stdout(f"imported {new} of {total}; {total - new} already existed")
    if faults:
        raise typer.Exit(2)


@app.command("stats")
def memory_print_stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the number of memories, and where they are stored."""
    from orch.cli import render

    facts = _call(ctx, "stats")
    if as_json:
        render.print_json({"v": 1, **facts})
        return
    render.print_fields(facts.items(), 12)


@app.command("reindex")
def memory_reindex(ctx: typer.Context) -> None:
    """Rebuild the index from the journal."""
    from orch.cli import render

    render.print_stdout(f"indexed {_call(ctx, 'reindex')['indexed']:,} entries")


def forget_session(ctx: typer.Context, session: str) -> int:
    """Deletes a conversation; returns the number of turns. Raises UsageError if it has none."""
    count: int = _call(ctx, "forget", session=session)["forgotten"]
    return count


# ---------------------------------------------------------------- calling


def _call(ctx: typer.Context, name: str, **arguments: Any) -> dict[str, Any]:
    """Runs an operation of memory and prints its notes. Arguments and result are JSON values.

    Raises OrchError.
    """
    from orch.cli import render, via_server

    notes: Sequence[str] = ()
    try:
        response = via_server.call_server(
            context.chosen_config_dir(ctx), f"/orch/memory/{name}", arguments
        )
        result: dict[str, Any] = (
            response["result"] if response else asyncio.run(_call_here(ctx, name, arguments))
        )
        notes = result.pop("notes")
        return result
    except OrchError as error:
        notes = error.warnings
        raise
    finally:
        for note in notes:
            render.print_warning(note)


async def _call_here(ctx: typer.Context, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Runs the operation in this process."""
    from orch.cli import render

    async with context.open_orchestrator(ctx) as orchestrator:
        with render.ProgressBar("indexing") as bar:
            return await orchestrator.runtime.memory.perform(name, arguments, bar.count)


def _batches(items: Iterable[_T], chars: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Splits items, in order, into batches that fit one request; yields one batch at least."""
    batch, size = list[_T](), 0
    for item in items:
        if batch and size + chars(item) > MAX_REQUEST_CHARS:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += chars(item)
    yield batch


def _texts_to_add(words: list[str], files: list[str]) -> list[dict[str, Any]]:
    """The texts to add, each with its title."""
    from orch.cli import stdin

    texts: list[dict[str, Any]] = []
    for path in files:
        attachment = stdin.read_attachment(path)
        if attachment.image:
            raise InputError(f"{path} is an image: only text can be added to memory")
        texts.append({"title": attachment.name, "text": attachment.text})
    text = " ".join(word for word in words if word != "-")
    if "-" in words or (not words and not files and stdin.is_piped()):
        texts.append({"title": None, "text": stdin.read_stdin()})
    return [{"title": None, "text": text}, *texts] if text.strip() else texts


def _read_text(file: str) -> str:
    from orch.cli import stdin

    return stdin.read_stdin() if file == "-" else stdin.read_attachment(file).text


# ---------------------------------------------------------------- printing


def _hit_row(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{each['score']:.2f}",
        _day(each),
        _shorten(each["task"]),
        _shorten(each["beginning"]) or "-",
        each["id"],
    )


def _day(facts: dict[str, Any]) -> str:
    return str(facts["date"])[:10]


def _shorten(text: str) -> str:
    from orch.text.lines import truncate_line

    return truncate_line(text, 60)
