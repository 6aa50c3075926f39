"""`orch journal`: exports, backs up and restores the journal of runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orch.cli import context
from orch.cli.options import Since
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
    help="Export, back up and restore the journal of runs.",
)

Force = Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")]


@app.command("export")
def journal_export(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|-", show_default=False)],
    since: Since = "",
    force: Force = False,
) -> None:
    """Write every run, with its attempts, ratings and corrections, as one JSON object per line."""
    import json

    from orch.cli import render
    from orch.config import paths
    from orch.config.durations import parse_since
    from orch.storage.journal_copies import export_runs

    since_at, journal = parse_since(since), _journal(ctx)
    runs = export_runs(journal, since_at)
    if file == "-":
        for run in runs:
            render.print_json(run, one_line=True)
        return
    target = _target_file(journal, file, force)
    with paths.open_private(target) as stream:
        count = sum(bool(stream.write(json.dumps(run, ensure_ascii=False) + "\n")) for run in runs)
    render.print_stdout(f"exported {count:,} runs to {file}")


@app.command("backup")
def journal_backup(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)],
    force: Force = False,
) -> None:
    """Copy the journal to a file; works while a server runs."""
    from orch.cli import render
    from orch.storage.journal_copies import back_up

    journal = _journal(ctx)
    render.print_stdout(
        f"copied {_summary(back_up(journal, _target_file(journal, file, force)))} to {file}"
    )


@app.command("restore")
def journal_restore(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Replace the journal with a backup; the present journal is kept beside it."""
    from orch.cli import render
    from orch.storage import journal_copies

    journal = context.open_orchestrator(ctx).runtime.journal
    source, kept = Path(file).expanduser(), None
    backup, present = journal_copies.inspect_copy(source), journal_copies.inspect_journal(journal)
    if present is not None and present.runs:
        kept = journal.path.with_name(
            f"{journal.path.stem}.replaced-{time.strftime('%Y%m%d-%H%M%S')}{journal.path.suffix}"
        )
        question = (
            f"Replace the journal ({_summary(present)}) with {file} ({_summary(backup)})? The"
            " present journal is kept."
        )
        if not (yes or (can_prompt() and confirm(question))):
            raise UsageError("nothing was changed", f"orch journal restore --yes {file}")
    journal_copies.restore_journal(journal, source, kept)
    render.print_stdout(
        f"restored {_summary(backup)} from {file}"
        + (f"; the previous journal is kept as {kept}" if kept else "")
    )


def _journal(ctx: typer.Context) -> Journal:
    """The journal, opened. Raises JournalError; UsageError where there is none yet."""
    journal = context.open_orchestrator(ctx).runtime.journal
    if not journal.path.exists():
        raise UsageError(
            f"there is no journal yet at {journal.path}",
            'the first run creates it: orch run "What is a mutex?"',
        )
    journal.open()
    return journal


def _target_file(journal: Journal, file: str, force: bool) -> Path:
    """The file to write. Raises UsageError for an existing file without --force, and for the
    journal itself."""
    target = Path(file).expanduser()
    if not target.parent.is_dir():
        raise UsageError(f"the folder {target.parent} does not exist", f"mkdir -p {target.parent}")
    if target.is_dir():
        raise UsageError(f"{file} is a folder", "name a file in it")
    if (
        target.exists() and not target.is_file()
    ):  # the copy would take the place of a device or a pipe
        raise UsageError(
            f"{file} is not a file", "name a file; orch journal export - prints to stdout"
        )
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


def _summary(summary: JournalSummary) -> str:
    newest = (
        f", newest {time.strftime('%Y-%m-%d %H:%M', time.localtime(summary.newest))}"
        if summary.newest
        else ""
    )
    return f"{summary.runs:,} {'run' if summary.runs == 1 else 'runs'}{newest}"
