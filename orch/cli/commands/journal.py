"""`orch journal`: export, backup, restore."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orch.cli import context
from orch.cli.prompts import can_prompt, confirm
from orch.errors import UsageError

if TYPE_CHECKING:
    from orch.storage.journal import Journal
    from orch.storage.journal_copies import JournalSummary

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="Export, back up and restore the record of all runs.",
)

Force = Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")]


@app.command()
def export(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|-", show_default=False)],
    since: Annotated[
        str,
        typer.Option(
            help="Only the last 24h, 7d, …, or since a date such as 2026-11-01.", show_default=False
        ),
    ] = "",
    force: Force = False,
) -> None:
    """Write every run with its attempts, ratings and corrections to a file, one JSON object a
    line."""
    import json

    from orch.cli import render
    from orch.config import paths
    from orch.config.durations import parse_since
    from orch.storage.journal_copies import export_runs

    begin, journal = parse_since(since), _journal(ctx)
    runs = export_runs(journal, begin)
    if file == "-":
        for run in runs:
            render.print_json(run, one_line=True)
        return
    target = _target(journal, file, force)
    with paths.open_private(target) as stream:
        count = sum(bool(stream.write(json.dumps(run, ensure_ascii=False) + "\n")) for run in runs)
    render.print_stdout(f"exported {count:,} runs to {file}")


@app.command()
def backup(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)],
    force: Force = False,
) -> None:
    """Copy the whole journal to a file, also beside a running server."""
    from orch.cli import render
    from orch.storage.journal_copies import back_up

    journal = _journal(ctx)
    render.print_stdout(
        f"copied {_told(back_up(journal, _target(journal, file, force)))} to {file}"
    )


@app.command()
def restore(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put a backup in the journal's place; what is there now is kept beside it."""
    from orch.cli import render
    from orch.storage import journal_copies

    journal = context.open_orchestrator(ctx).runtime.journal
    source, kept = Path(file).expanduser(), None
    holds, now = journal_copies.inspect_copy(source), journal_copies.inspect_journal(journal)
    if now is not None and now.runs:
        kept = journal.path.with_name(
            f"{journal.path.stem}.replaced-{time.strftime('%Y%m%d-%H%M%S')}{journal.path.suffix}"
        )
        question = (
            f"Replace the journal ({_told(now)}) by {file} ({_told(holds)})? What is there now is"
            " kept."
        )
        if not (yes or (can_prompt() and confirm(question))):
            raise UsageError("nothing was changed", f"orch journal restore --yes {file}")
    journal_copies.restore_journal(journal, source, kept)
    render.print_stdout(
        f"restored {_told(holds)} from {file}"
        + (f"; what was there is kept as {kept}" if kept else "")
    )


def _journal(ctx: typer.Context) -> Journal:
    """The journal, which is there and can be read. Raises JournalError, UsageError."""
    journal = context.open_orchestrator(ctx).runtime.journal
    if not journal.path.exists():
        raise UsageError(
            f"there is no journal yet at {journal.path}", 'orch run "What is a mutex?" begins one'
        )
    journal.open()
    return journal


def _target(journal: Journal, file: str, force: bool) -> Path:
    """A file to write. Raises UsageError where it would replace one unasked, or the journal
    itself."""
    target = Path(file).expanduser()
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", f"mkdir -p {target.parent}")
    if target.is_dir():
        raise UsageError(f"{file} is a folder", "name a file in it")
    if (
        target.exists() and not target.is_file()
    ):  # the copy would take the place of a device or a pipe
        raise UsageError(f"{file} is not a file", "name one; orch journal export - prints")
    if target.exists() and (not force or target.samefile(journal.path)):
        raise UsageError(
            (
                f"{file} exists"
                if not target.samefile(journal.path)
                else f"{file} is the journal itself"
            ),
            "name another file, or add --force",
        )
    return target


def _told(holds: JournalSummary) -> str:
    newest = (
        f", the newest of {time.strftime('%Y-%m-%d %H:%M', time.localtime(holds.newest))}"
        if holds.newest
        else ""
    )
    return f"{holds.runs:,} {'run' if holds.runs == 1 else 'runs'}{newest}"
