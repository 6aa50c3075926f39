"""Terminal and plain-text output: lines, tables, errors and progress.

Only this module and `run_display` import rich, and only for terminals.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from orch.errors import ConfigError, OrchError
from orch.text.lines import one_line
from orch.text.terminal import raw_stream, sanitize_json, sanitize_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

    from orch.cli.job_control import JobControl

MIN_COUNT_FOR_BAR = 100
"""Fewer items get no progress bar."""
MIN_WRAPPED_WIDTH = 24
"""Width that the last column of a table keeps before other columns are dropped."""


def is_terminal(stream: Any) -> bool:
    """Whether the stream is a terminal that can move its cursor."""
    return bool(stream) and stream.isatty() and os.environ.get("TERM") != "dumb"


def is_coloured(stream: Any) -> bool:
    """Whether a listing may use rich: on a terminal, or where FORCE_COLOR asks for it."""
    return is_terminal(stream) or bool(os.environ.get("FORCE_COLOR"))


def print_stderr(text: str, end: str = "\n") -> None:
    """Prints one line on stderr."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # stderr is closed; the answer on stdout still matters


def print_warning(text: str) -> None:
    """Prints a warning on stderr, as one line."""
    print_stderr(f"! {one_line(text)}")


def write_stdout(data: bytes) -> None:
    """Writes bytes to stdout and flushes. Raises BrokenPipeError when the reader is gone."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def encode(text: str) -> bytes:
    """Encodes as UTF-8; a lone surrogate from a model becomes a question mark."""
    return text.encode("utf-8", "replace")


def print_stdout(text: str) -> None:
    """Prints a line on stdout. Raises BrokenPipeError when the reader is gone."""
    write_stdout(encode(text + "\n"))


def print_fields(facts: Iterable[tuple[str, Any]], width: int) -> None:
    """Prints one `name value` line per field; names are padded to `width`."""
    for name, value in facts:
        print_stdout(
            f"{name:{width}} {one_line(f'{value:,}' if isinstance(value, int) else str(value))}"
        )


def print_json(value: Any, *, one_line: bool = False) -> None:
    """Prints a JSON value on stdout, indented on a terminal, else on one line."""
    print_stdout(_json(value, indent=2 if is_terminal(sys.stdout) and not one_line else None))


def _json(value: Any, indent: int | None = None) -> str:
    """The value as JSON. On a terminal control characters are escaped, so that the value stays the
    same."""
    import json

    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return sanitize_json(text) if sys.stdout.isatty() else text


def redraw_status_line(text: str = "") -> None:
    """Replaces the last line of stderr on a terminal; clears it without a text."""
    stream = raw_stream(sys.stderr)
    stream.write(f"\r\x1b[2K{sanitize_text(text)}")
    stream.flush()


def prompt_user(question: str) -> str | None:
    """Asks on the terminal and returns the stripped answer; None at the end of stdin.

    Raises KeyboardInterrupt.
    """
    try:
        # input() gets the question, so that readline can redraw it
        return input(sanitize_text(question)).strip()
    except EOFError:
        print_stdout("")
        return None


def print_error(problem: OrchError) -> None:
    """Prints the message and the hint of an error on stderr."""
    print_stderr(f"orch: {problem.message}")
    if problem.hint:
        first, *rest = problem.hint.split("\n")
        print_stderr("\n".join([f"  try: {first}", *(f"  {line}" for line in rest)]))


def config_problems(problem: ConfigError) -> list[str]:
    """One line per problem."""
    return list(problem.problems) or [problem.message]


# ---------------------------------------------------------------- tables


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    drop: Sequence[str] = (),
    wraps: str = "",
) -> None:
    """Prints rows under a header: a rich table on a terminal, aligned columns elsewhere.

    If the terminal is too narrow, the columns of `drop` are left out, the first one first, and
    the column `wraps`, else the last one, takes several lines.
    """
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    if is_coloured(sys.stdout):
        _rich_table(columns, cells, drop, wraps or columns[-1])
        return
    for row, widths in ((row, _widths(columns, cells)) for row in (columns, *cells)):
        print_stdout(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def print_markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints rows under a header as a Markdown table."""
    cells = [
        [one_line(str(cell)).replace("|", "\\|") for cell in row]
        for row in (columns, ["---"] * len(columns), *rows)
    ]
    print_stdout("\n".join(f"| {' | '.join(row)} |" for row in cells))


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(columns, *rows, strict=True)]


def _rich_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], drop: Sequence[str], wraps: str
) -> None:
    from rich.table import Table
    from rich.text import Text

    out = make_console()
    shown = _fitting_columns(columns, rows, drop, wraps, out.width)
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for index in shown:
        is_numeric = all(_is_number(row[index]) for row in rows)
        grid.add_column(
            columns[index],
            overflow="fold",
            no_wrap=columns[index] != wraps,
            justify="right" if is_numeric else "left",
        )
    for row in rows:
        # Text, not markup: names and reasons may hold brackets
        grid.add_row(*(Text(row[index], style=_STYLES.get(row[index], "")) for index in shown))
    out.print(grid)
    hidden = [name for index, name in enumerate(columns) if index not in shown]
    if hidden:
        out.print(styled_text(f"too narrow for: {', '.join(hidden)} (--json has them)", "dim"))


def _fitting_columns(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    drop: Sequence[str],
    wraps: str,
    width: int,
) -> list[int]:
    """Indices of the columns that fit; the one that wraps may shrink to MIN_WRAPPED_WIDTH."""
    widths, shown = _widths(columns, rows), list(range(len(columns)))
    wrapped = columns.index(wraps)
    widths[wrapped] = min(widths[wrapped], MIN_WRAPPED_WIDTH)
    for name in drop:
        if sum(widths[index] + 2 for index in shown) - 2 <= width:
            break
        shown.remove(columns.index(name))
    return shown


def _is_number(cell: str) -> bool:
    return cell == "-" or cell[:1].isdigit()


_STYLES = {"ok": "green", "fail": "red", "warn": "yellow", "loaded": "green"}


def make_console(*, stderr: bool = False) -> Console:
    """A rich console on stdout or stderr that removes escape sequences from the printed text.

    rich itself honours NO_COLOR and FORCE_COLOR.
    """
    from rich.console import Console
    from rich.segment import Segment

    class SanitizingConsole(Console):
        def render(
            self, renderable: Any, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                style = (
                    segment.style.update_link(None)
                    if segment.style and segment.style.link
                    else segment.style
                )
                yield segment if segment.control else Segment(sanitize_text(segment.text), style)

    return SanitizingConsole(
        file=raw_stream(sys.stderr if stderr else sys.stdout), highlight=False, soft_wrap=False
    )


def styled_text(text: str, style: str) -> Any:
    """A rich Text in one style. It is not parsed as markup: names and reasons may hold brackets."""
    from rich.text import Text

    return Text(text, style=style)


# ---------------------------------------------------------------- progress


class ProgressBar:
    """Progress on stderr: a bar on a terminal, from the first step on, else a line per step."""

    def __init__(self, title: str) -> None:
        self._title, self._last = title, ""
        self._bar: Any = None
        self._task_id: Any = None
        self._job_control: JobControl | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def update(self, step: str, done: int | None = None, total: int | None = None) -> None:
        """Shows a step; `done` and `total` are bytes, if known."""
        if self._start(sized=True):
            self._bar.update(
                self._task_id,
                description=f"{self._title}: {step}",
                completed=done or 0,
                total=total,
            )
        elif step != self._last:
            print_stderr(f"{self._title}: {one_line(step)}")
        self._last = step

    def count(self, done: int, total: int) -> None:
        """Shows the number of items done. Shows nothing for a small total."""
        if total >= MIN_COUNT_FOR_BAR and self._start(sized=False):
            self._bar.update(self._task_id, completed=done, total=total)
        elif total >= MIN_COUNT_FOR_BAR and done >= total:
            print_stderr(f"{self._title}: {done:,}")

    def _start(self, *, sized: bool) -> bool:
        """Starts the bar on a terminal; returns whether there is one."""
        if self._bar is None and is_terminal(sys.stderr):
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )
            from rich.progress import Progress as Bar

            from orch.cli.job_control import JobControl  # only where something is drawn

            amounts = (
                (DownloadColumn(), TransferSpeedColumn()) if sized else (MofNCompleteColumn(),)
            )
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                *amounts,
                TimeRemainingColumn(),
            )
            self._bar = Bar(
                *columns,
                console=make_console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task_id = self._bar.add_task(self._title, total=None)
            self._bar.start()
            self._job_control = JobControl(self._bar.stop, self._bar.start)
        return self._bar is not None

    def __exit__(self, *_: object) -> None:
        if self._job_control is not None:
            self._job_control.close()
        if self._bar is not None:
            self._bar.stop()
