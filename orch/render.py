"""What people see: answers, headers, tables and errors, on a terminal or as plain text. The only importer of rich, and only for terminals."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from orch.errors import ConfigError, OrchError

if TYPE_CHECKING:
    from rich.console import Console

BLOCK_BREAK = "\n\n"


def is_terminal(stream: Any) -> bool:
    """Whether a person reads this stream on a terminal that can move its cursor."""
    return bool(stream) and stream.isatty() and os.environ.get("TERM") != "dumb"


def is_coloured(stream: Any) -> bool:
    """Whether a listing may use rich: on a terminal, or where FORCE_COLOR asks for it."""
    return is_terminal(stream) or bool(os.environ.get("FORCE_COLOR"))


def say(text: str) -> None:
    """One line on stderr."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # nobody reads stderr: the answer matters more


def write(data: bytes) -> None:
    """Bytes of the answer to stdout, at once. Raises BrokenPipeError when the reader is gone."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def encode(text: str) -> bytes:
    """UTF-8; half a surrogate pair from a model becomes a question mark instead of an error."""
    return text.encode("utf-8", "replace")


def show(text: str) -> None:
    """A line of a listing on stdout."""
    write(encode(text + "\n"))


def show_json(value: Any) -> None:
    """One JSON value on stdout, readable on a terminal, one line elsewhere."""
    import json

    show(json.dumps(value, ensure_ascii=False, indent=2 if is_terminal(sys.stdout) else None))


def error(problem: OrchError) -> None:
    """What happened and what to type next, on stderr."""
    say(f"orch: {problem.message}")
    if problem.hint:
        first, *rest = problem.hint.split("\n")
        say("\n".join([f"  try: {first}", *(f"  {line}" for line in rest)]))


def config_problems(problem: ConfigError) -> list[str]:
    """Every fault as its own line."""
    return list(problem.problems) or [problem.message]


# ---------------------------------------------------------------- tables


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO | None = None) -> None:
    """Rows under a header: a rich table on a terminal, aligned columns elsewhere."""
    if is_coloured(stream or sys.stdout):
        _rich_table(columns, rows)
        return
    widths = [max(len(str(cell)) for cell in column) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        show("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        figures = all(_is_figure(row[index]) for row in rows)
        grid.add_column(column, overflow="fold", no_wrap=0 < index < len(columns) - 1, justify="right" if figures else "left")
    for row in rows:
        # Text, not markup: names and reasons may hold brackets
        grid.add_row(*(Text(str(cell), style=_STYLES.get(str(cell), "")) for cell in row))
    console().print(grid)


def _is_figure(cell: str) -> bool:
    return str(cell) == "-" or str(cell)[:1].isdigit()


_STYLES = {"ok": "green", "fail": "red", "warn": "yellow", "loaded": "green"}


def console(*, stderr: bool = False) -> Console:
    """rich's console on stdout or stderr; it heeds NO_COLOR and FORCE_COLOR itself."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


# ---------------------------------------------------------------- one run


def headline(chunk: dict[str, Any]) -> str:
    """`→ Qwen 2.5 Coder 7B · coding 0.85 · best for coding, loaded`."""
    return f"→ {chunk['model_name']} · {chunk['task_type']} {chunk['confidence']:.2f} · {chunk['reason']}"


def fallback_line(chunk: dict[str, Any]) -> str:
    """Which model failed, why, and which one goes on."""
    where = f" after {chunk['offset']} characters" if chunk["offset"] else ""
    return f"! {chunk['from']} failed{where}: {chunk['reason']}; {chunk['to']} takes over"


class PipeScreen:
    """stdout is a pipe or a file, or plain text was asked for: the model's bytes as they come, one line on stderr at the end."""

    def __init__(self, *, thinking: bool, quiet: bool) -> None:
        self._thinking, self._quiet = thinking, quiet
        self._headline, self._ends_open = "", False
        self._on_terminal = bool(sys.stdout) and sys.stdout.isatty()

    def show(self, chunk: dict[str, Any]) -> None:
        """One chunk of the run. Raises BrokenPipeError when the reader is gone."""
        kind = chunk["type"]
        if kind == "content":
            write(encode(chunk["chunk"]))
            self._ends_open = not chunk["chunk"].endswith("\n")
        elif kind == "metadata":
            self._headline = headline(chunk)
        elif kind == "tool_call":
            import json

            write(encode(json.dumps(chunk["tool_call"], ensure_ascii=False) + "\n"))
        elif kind == "thinking" and self._thinking:
            sys.stderr.write(chunk["chunk"])
            sys.stderr.flush()
        elif kind == "fallback" and not self._quiet:
            say(fallback_line(chunk))
        elif kind == "warning" and not self._quiet:
            say(f"! {chunk['message']}")
        elif kind == "done":
            self._finish(chunk["result"])

    def _finish(self, result: Any) -> None:
        if self._on_terminal and self._ends_open:
            write(b"\n")
        if result.degraded:
            say("! answered by the small embedded model, a last resort: start Ollama for real answers")
        if not self._quiet:
            say(f"{self._headline} · {result.timing.total_s:.2f} s")

    def close(self) -> None:
        """Nothing is held open."""


class TerminalScreen:
    """stdout is a terminal: a header, then the answer as Markdown while it streams, the time at the end.

    A Markdown block that is complete is printed for good; only the last one is redrawn, so that an answer longer than the screen scrolls as usual.
    `out` and `notes` stand in for stdout and stderr.
    """

    def __init__(self, *, thinking: bool, quiet: bool, out: Console | None = None, notes: Console | None = None) -> None:
        from rich.live import Live

        self._console, self._notes = out or console(), notes or console(stderr=True)
        self._thinking, self._quiet = thinking, quiet
        self._pending, self._live = "", Live(console=self._console, transient=True, auto_refresh=True, refresh_per_second=12)
        self._live.start()

    def show(self, chunk: dict[str, Any]) -> None:
        """One chunk of the run."""
        kind = chunk["type"]
        if kind == "content":
            self._add(chunk["chunk"])
        elif kind == "metadata":
            self._metadata(chunk)
        elif kind == "tool_call":
            self._console.print_json(data=chunk["tool_call"])
        elif kind == "thinking":
            self._think(chunk["chunk"])
        elif kind == "fallback":
            if not chunk["offset"]:
                self._pending = ""
            self._note(fallback_line(chunk), "yellow")
        elif kind == "warning":
            self._note(f"! {chunk['message']}", "yellow")
        elif kind == "done":
            self._finish(chunk["result"])

    def _metadata(self, chunk: dict[str, Any]) -> None:
        from rich.spinner import Spinner

        if not self._quiet:
            self._note(headline(chunk), "cyan")
        if not self._pending:
            self._live.update(Spinner("dots", text=f"{chunk['model_name']} …"))

    def _think(self, text: str) -> None:
        if self._thinking:
            self._live.update("")
            self._notes.print(_plain(text, "dim"), end="")

    def _note(self, text: str, style: str) -> None:
        self._notes.print(_plain(text, style))

    def _add(self, text: str) -> None:
        from rich.markdown import Markdown

        self._pending += text
        ready, self._pending = split_blocks(self._pending)
        if ready.strip():
            self._live.update("")
            self._console.print(Markdown(ready))
            self._console.print()
        self._live.update(Markdown(_last_lines(self._pending, self._console.height - 2)))

    def _finish(self, result: Any) -> None:
        self.close()
        if result.degraded:
            self._note("! answered by the small embedded model, a last resort: start Ollama for real answers", "yellow")
        if not self._quiet:
            tokens = f" · {result.response.usage.completion_tokens} tokens" if result.response.usage.completion_tokens else ""
            self._note(f"{result.timing.total_s:.2f} s{tokens}", "dim")

    def close(self) -> None:
        """Prints what is still being redrawn and gives the terminal back."""
        from rich.markdown import Markdown

        if self._live.is_started:
            self._live.update("")
            self._live.stop()
            if self._pending.strip():
                self._console.print(Markdown(self._pending))
            self._pending = ""


def _plain(text: str, style: str) -> Any:
    from rich.text import Text

    return Text(text, style=style)


def split_blocks(text: str) -> tuple[str, str]:
    """(complete Markdown blocks, the rest). A blank line ends a block, but not inside a code fence nor within a list."""
    cut, fence, position = 0, "", 0
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1]):
        stripped = line.lstrip()
        mark = stripped[:3] if stripped.startswith(("```", "~~~")) else ""
        if mark and (not fence or mark == fence):
            fence = "" if fence else mark
        position += len(line) + 1
        following = lines[number + 1]
        begins_block = bool(following) and not following[0].isspace() and not _is_item(following)
        if not line.strip() and not fence and begins_block:
            cut = position
    return text[:cut], text[cut:]


def _is_item(line: str) -> bool:
    head = line.split(" ", 1)[0]
    return head in ("-", "*", "+") or head.rstrip(".)").isdigit()


def _last_lines(text: str, count: int) -> str:
    lines = text.split("\n")
    return text if len(lines) <= count else "\n".join(lines[-max(count, 1) :])


# ---------------------------------------------------------------- progress


class Progress:
    """A download's progress on stderr: a bar on a terminal, a line for each step elsewhere."""

    def __init__(self, title: str) -> None:
        self._title, self._last = title, ""
        self._bar: Any = None
        self._job: Any = None

    def __enter__(self) -> Progress:
        if is_terminal(sys.stderr):
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=console(stderr=True), transient=True)
            self._job = self._bar.add_task(self._title, total=None)
            self._bar.start()
        return self

    def show(self, step: str, done: int | None = None, total: int | None = None) -> None:
        """One step; `done` and `total` in bytes where they are known."""
        if self._bar is not None:
            self._bar.update(self._job, description=f"{self._title}: {step}", completed=done or 0, total=total)
        elif step != self._last:
            say(f"{self._title}: {step}")
        self._last = step

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
