"""Displays one run on a terminal or in a pipe: header, streamed answer, fallbacks, warnings and
time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from orch.cli.render import (
    encode,
    make_console,
    print_json,
    print_stderr,
    print_warning,
    styled_text,
    write_stdout,
)
from orch.text.lines import one_line
from orch.text.markdown import BlockSplitter
from orch.text.terminal import sanitize_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.live import Live

MAX_MARKDOWN_LINE = 20_000
"""Longer lines are printed as plain text: rendering takes quadratic time."""


def headline(chunk: dict[str, Any]) -> str:
    """`→ Qwen 2.5 Coder 7B · coding 0.85 · best for coding, loaded`."""
    return one_line(
        f"→ {chunk['model_name']} · {chunk['task_type']} {chunk['confidence']:.2f} ·"
        f" {chunk['reason']}"
    )


def recalled_lines(result: dict[str, Any]) -> list[str]:
    """One line per memory that was added to the prompt."""
    return [
        one_line(f"← recalled {_day(row['at'])} {row['run_id']}: {row['task'][:80]}")
        for row in result["recalled"]
    ]


def _day(at: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(at).strftime("%Y-%m-%d")


def fallback_line(chunk: dict[str, Any]) -> str:
    """Which model failed, why, and which one takes over."""
    from orch.execution.serialize import fallback_model_names  # few runs fall back
    from orch.types import ModelKey

    where = f" after {chunk['offset']} characters" if chunk["offset"] else ""
    failed, other = fallback_model_names(
        ModelKey(chunk["from_provider"], chunk["from"]),
        ModelKey(chunk["to_provider"], chunk["to"]),
    )
    return one_line(
        f"! {failed} failed{where}: {chunk['reason']}; "
        + (f"{other} takes over" if other != failed else "it is tried again")
    )


class PipeDisplay:
    """For a pipe, a file or plain text: writes the model's bytes as they arrive, and one line on
    stderr at the end.

    Displays take chunks in their JSON form, the only one that a running server sends.
    """

    def __init__(self, *, thinking: bool, quiet: bool) -> None:
        self._thinking, self._quiet = thinking, quiet
        self._headline, self._lacks_newline = "", False

    def show(self, chunk: dict[str, Any]) -> None:
        """Shows one chunk. Raises BrokenPipeError when the reader is gone."""
        kind = chunk["type"]
        if kind == "content":
            write_stdout(encode(chunk["chunk"]))
            self._lacks_newline = not chunk["chunk"].endswith("\n")
        elif kind == "metadata":
            self._headline = headline(chunk)
        elif kind == "tool_call":
            print_json(chunk["tool_call"], one_line=True)
        elif kind == "thinking" and self._thinking:
            print_stderr(chunk["chunk"], end="")
        elif kind == "fallback" and not self._quiet:
            self._end_line()
            print_stderr(fallback_line(chunk))
        elif kind == "warning" and not self._quiet:
            self._end_line()
            print_warning(chunk["message"])
        elif kind == "done":
            self._finish(chunk["result"])

    def _end_line(self) -> None:
        """On a terminal, ends the line of the answer: another text begins below it."""
        if self._lacks_newline and sys.stdout.isatty():
            write_stdout(b"\n")
            self._lacks_newline = False

    def _finish(self, result: dict[str, Any]) -> None:
        self._end_line()
        if self._quiet:
            return
        for line in recalled_lines(result):
            print_stderr(line)
        print_stderr(f"{self._headline} · {result['timing']['total_s']:.2f} s")

    def close(self) -> None:
        """Does nothing: no resource is held."""


class _LiveTail:
    """The unfinished Markdown block: the last rows that fit, rendered at each refresh."""

    def __init__(self, blocks: BlockSplitter) -> None:
        self._blocks = blocks

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.markdown import Markdown
        from rich.segment import Segment

        height = max(console.height - 2, 1)
        # at most two screens of text: a very long line would be rendered whole twelve times a
        # second
        text = self._blocks.tail(height * 2, height * 2 * options.max_width)
        rows = console.render_lines(Markdown(text, hyperlinks=False), options, pad=False)
        for row in rows[-height:]:
            yield from row
            yield Segment.line()


def _start_live(console: Console, block: RenderableType = "") -> Live:
    from rich.live import Live

    live = Live(
        block,
        console=console,
        transient=True,
        auto_refresh=True,
        refresh_per_second=12,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    return live


class TerminalDisplay:
    """For a terminal: a header, the answer as Markdown while it streams, and the time at the end.

    Complete Markdown blocks are printed once and only the last one is redrawn, so that an answer
    longer than the screen scrolls as usual.
    `out` and `notes` stand in for stdout and stderr.
    """

    def __init__(
        self,
        *,
        thinking: bool,
        quiet: bool,
        out: Console | None = None,
        notes: Console | None = None,
    ) -> None:
        from orch.cli.job_control import JobControl  # only where something is drawn

        self._console, self._stderr = out or make_console(), notes or make_console(stderr=True)
        self._thinking, self._quiet = thinking, quiet
        self._blocks = BlockSplitter()
        self._has_text = False
        self._live = _start_live(self._console)
        self._job_control = JobControl(self._leave, self._draw)

    def _leave(self) -> None:
        """Erases the unfinished block and gives the terminal back."""
        self._live.stop()

    def _draw(self) -> None:
        """Draws the unfinished block from here on. A `Live` that starts again would first erase as
        many rows above as it had drawn."""
        self._live = _start_live(self._console, self._live.get_renderable())

    def show(self, chunk: dict[str, Any]) -> None:
        """Shows one chunk."""
        with self._job_control:
            self._show(chunk)

    def _show(self, chunk: dict[str, Any]) -> None:
        kind = chunk["type"]
        if kind == "content":
            self._add_text(
                sanitize_text(chunk["chunk"])
            )  # before Markdown is parsed: removed characters may join what it reads as one
        elif kind == "metadata":
            self._metadata(chunk)
        elif kind == "tool_call":
            self._console.print_json(data=chunk["tool_call"])
        elif kind == "thinking":
            self._think(chunk["chunk"])
        elif kind == "fallback":
            if not chunk["offset"]:
                self._blocks = BlockSplitter()
            self._note(fallback_line(chunk), "yellow")
        elif kind == "warning":
            self._note(f"! {one_line(chunk['message'])}", "yellow")
        elif kind == "done":
            self._finish(chunk["result"])

    def _metadata(self, chunk: dict[str, Any]) -> None:
        from rich.spinner import Spinner

        if not self._quiet:
            self._note(headline(chunk), "cyan")
        if not self._has_text:
            self._live.update(
                Spinner("dots", text=styled_text(one_line(f"{chunk['model_name']} …"), ""))
            )

    def _think(self, text: str) -> None:
        if self._thinking:
            self._live.update("")
            self._stderr.print(styled_text(text, "dim"), end="")

    def _note(self, text: str, style: str) -> None:
        is_live = self._live.is_started
        if is_live:  # stderr is the same screen: the live block would be drawn over the note
            self._leave()
        self._stderr.print(styled_text(text, style))
        if is_live:
            self._draw()

    def _add_text(self, text: str) -> None:
        ready = self._blocks.feed(text)
        if ready.strip():
            self._print(ready)
            self._console.print()
        if not self._has_text or ready:
            self._has_text = True
            self._live.update(_LiveTail(self._blocks))

    def _print(self, markdown: str) -> None:
        from rich.markdown import Markdown

        self._live.update("")
        if max(map(len, markdown.split("\n"))) > MAX_MARKDOWN_LINE:
            self._console.print(
                styled_text(markdown, ""), soft_wrap=True
            )  # the terminal wraps it: rich takes quadratic time in a word's length
        else:
            self._console.print(Markdown(markdown, hyperlinks=False))

    def _finish(self, result: dict[str, Any]) -> None:
        self.close()
        if self._quiet:
            return
        for line in recalled_lines(result):
            self._note(line, "dim")
        count = result["usage"]["completion_tokens"]
        self._note(
            f"{result['timing']['total_s']:.2f} s{f' · {count} tokens' if count else ''}", "dim"
        )

    def close(self) -> None:
        """Prints the unfinished block and restores the terminal."""
        self._job_control.close()
        rest = self._blocks.flush()
        self._live.update("")
        self._live.stop()
        if rest.strip():
            self._print(rest)
