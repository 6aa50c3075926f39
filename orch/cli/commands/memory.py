"""`orch memory`: search, list, show, add, forget, export, import, stats, reindex."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

import typer

from orch.cli import context
from orch.errors import InputError, OrchError

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="Search, read, add to and forget what was said.",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
Session = Annotated[
    str, typer.Option(metavar="NAME", help="Only this conversation.", show_default=False)
]
Kind = Annotated[
    str, typer.Option("--type", metavar="TYPE", help="Only this kind of task.", show_default=False)
]
Model = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Only this model.", show_default=False)
]
Since = Annotated[
    str,
    typer.Option(
        help="Only the last 24h, 7d, …, or since a date such as 2026-11-01.", show_default=False
    ),
]
Count = Annotated[int, typer.Option("-k", metavar="N", min=1, max=1000, help="How many.")]
_T = TypeVar("_T")
MAX_REQUEST_CHARS = 4_000_000
"""At most 24 MB as JSON, astral signs aside: a server takes 32 MB."""


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
    from orch.cli import render

    found = _ask(
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
        render.print_json({"v": 1, **found})
    elif not found["hits"]:
        render.print_stderr("nothing was found")
    else:
        render.print_table(
            ("score", "date", "task", "answer", "id"),
            [_hit(each) for each in found["hits"]],
            drop=("answer", "score"),
        )


@app.command("list")
def list_(
    ctx: typer.Context,
    k: Count = 20,
    kind: Kind = "",
    model: Model = "",
    session: Session = "",
    since: Since = "",
    as_json: Json = False,
) -> None:
    """List what is remembered, newest first."""
    from orch.cli import render

    found = _ask(ctx, "list", k=k, kind=kind, model=model, session=session, since=since)
    if as_json:
        render.print_json({"v": 1, **found})
    else:
        render.print_table(
            ("date", "type", "model", "task", "id"),
            [
                (
                    _day(each),
                    each["task_type"] or "note",
                    each["model"] or "-",
                    _short(each["task"]),
                    each["id"],
                )
                for each in found["memories"]
            ],
            drop=("model", "type"),
        )


@app.command()
def show(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show one memory whole."""
    from orch.cli import render
    from orch.text.lines import one_line

    facts = _ask(ctx, "show", id=run_id)
    if as_json:
        render.print_json({"v": 1, **facts})
        return
    for name, value in facts.items():
        if name not in ("task", "beginning", "answer") and value is not None:
            render.print_stderr(f"{name:10} {one_line(str(value))}")
    render.print_stdout(facts["task"] if facts["note"] else f"{facts['task']}\n\n{facts['answer']}")


@app.command()
def add(
    ctx: typer.Context,
    text: Annotated[
        list[str],
        typer.Argument(metavar="[TEXT] [-]", help="The note; - reads stdin.", show_default=False),
    ] = [],  # noqa: B006
    files: Annotated[
        list[str],
        typer.Option(
            "-f", "--file", metavar="FILE", help="A document; can be repeated.", show_default=False
        ),
    ] = [],  # noqa: B006
    session: Annotated[
        str,
        typer.Option(metavar="NAME", help="The conversation it belongs to.", show_default=False),
    ] = "",
) -> None:
    """Add a note, or documents, split along their structure."""
    from orch.cli import render
    from orch.memory.notes import check_length

    texts = _given(text, files)
    for each in texts:
        check_length(each["text"], each["title"])  # before a server refuses it for its bytes
    portions = _portions(texts, lambda each: len(each["text"]))
    ids = [
        name for some in portions for name in _ask(ctx, "add", texts=some, session=session)["ids"]
    ]
    render.print_stdout(
        f"added {len(ids)} {'piece' if len(ids) == 1 else 'pieces'}:"
        f" {ids[0]}{' …' if len(ids) > 1 else ''}"
    )


@app.command()
def forget(
    ctx: typer.Context,
    run_ids: Annotated[list[str], typer.Argument(metavar="[ID]...", show_default=False)] = [],  # noqa: B006
    session: Session = "",
    before: Annotated[
        str,
        typer.Option(metavar="WHEN", help="Older than 30d, or than a date.", show_default=False),
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Everything, the journal's texts too.")
    ] = False,
) -> None:
    """Forget for good: from the index, the journal's text, the cache and the free space of their
    files."""
    from orch.cli import render

    gone = _ask(ctx, "forget", ids=run_ids, session=session, before=before, all=everything)[
        "forgotten"
    ]
    render.print_stdout(f"forgot {gone} {'entry' if gone == 1 else 'entries'}")


@app.command()
def export(ctx: typer.Context) -> None:
    """Write everything that is remembered as JSON, one a line."""
    from orch.cli import render

    place: int | None = 0
    while place is not None:
        page = _ask(ctx, "export", after=place)
        for each in page["memories"]:
            render.print_json(each, one_line=True)
        place = page["next"]


@app.command("import")
def import_(
    ctx: typer.Context, file: Annotated[str, typer.Argument(metavar="FILE|-", show_default=False)]
) -> None:
    """Read what export wrote; what is there already is left alone, broken lines are told."""
    from orch.cli import render

    new, total, line, faults = 0, 0, 1, list[str]()
    for lines in _portions(_read(file).split("\n"), len):
        said = _ask(ctx, "import", text="\n".join(lines), first=line)
        new, total, line, faults = (
            new + said["new"],
            total + said["total"],
            line + len(lines),
            faults + said["faults"],
        )
    for fault in faults:
        render.print_warning(f"{file}: {fault}")
    render.print_stdout(f"imported {new} of {total}; {total - new} were there already")
    if faults:
        raise typer.Exit(2)


@app.command()
def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how much is remembered, and where."""
    from orch.cli import render

    facts = _ask(ctx, "stats")
    if as_json:
        render.print_json({"v": 1, **facts})
        return
    render.print_fields(facts.items(), 12)


@app.command()
def reindex(ctx: typer.Context) -> None:
    """Build the index anew from the journal."""
    from orch.cli import render

    render.print_stdout(f"indexed {_ask(ctx, 'reindex')['indexed']:,} entries")


def forget_session(ctx: typer.Context, session: str) -> int:
    """Forgets a conversation; how many turns it had. Raises UsageError where it had none."""
    gone: int = _ask(ctx, "forget", session=session)["forgotten"]
    return gone


# ---------------------------------------------------------------- asking


def _ask(ctx: typer.Context, name: str, **arguments: Any) -> dict[str, Any]:
    """What an operation of memory gives; what the user should be told is told. Arguments and result
    are JSON-able. Raises OrchError."""
    from orch.cli import render, via_server

    notes: Sequence[str] = ()
    try:
        told = via_server.call_server(
            context.chosen_config_dir(ctx), f"/orch/memory/{name}", arguments
        )
        result: dict[str, Any] = (
            told["result"] if told else asyncio.run(_here(ctx, name, arguments))
        )
        notes = result.pop("notes")
        return result
    except OrchError as error:
        notes = error.warnings
        raise
    finally:
        for note in notes:
            render.print_warning(note)


async def _here(ctx: typer.Context, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Does it in this process."""
    from orch.cli import render

    async with context.open_orchestrator(ctx) as orchestrator:
        with render.ProgressBar("indexing") as bar:
            return await orchestrator.runtime.memory.perform(name, arguments, bar.count)


def _portions(items: Iterable[_T], chars: Callable[[_T], int]) -> Iterator[list[_T]]:
    """The items in order, in portions that a server takes as one request; one portion at least."""
    portion, size = list[_T](), 0
    for item in items:
        if portion and size + chars(item) > MAX_REQUEST_CHARS:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += chars(item)
    yield portion


def _given(words: list[str], files: list[str]) -> list[dict[str, Any]]:
    """The texts to add with their titles."""
    from orch.cli import stdin

    texts: list[dict[str, Any]] = []
    for path in files:
        attachment = stdin.read_attachment(path)
        if attachment.image:
            raise InputError(f"{path} is an image: only text can be remembered")
        texts.append({"title": attachment.name, "text": attachment.text})
    text = " ".join(word for word in words if word != "-")
    if "-" in words or (not words and not files and stdin.is_piped()):
        texts.append({"title": None, "text": stdin.read_stdin()})
    return [{"title": None, "text": text}, *texts] if text.strip() else texts


def _read(file: str) -> str:
    from orch.cli import stdin

    return stdin.read_stdin() if file == "-" else stdin.read_attachment(file).text


# ---------------------------------------------------------------- showing


def _hit(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{each['score']:.2f}",
        _day(each),
        _short(each["task"]),
        _short(each["beginning"]) or "-",
        each["id"],
    )


def _day(facts: dict[str, Any]) -> str:
    return str(facts["date"])[:10]


def _short(text: str) -> str:
    from orch.memory.chunking import truncate_line

    return truncate_line(text, 60)
