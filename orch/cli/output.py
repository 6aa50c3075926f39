"""How a run is shown: as one JSON object, one JSON object per line, or text for a person or a pipe.

Takes chunks in their JSON form, which a run in this process and a running server both give.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from orch.cli import render
from orch.cli.signals import INTERRUPTION_CODES
from orch.errors import OrchError

if TYPE_CHECKING:
    from orch.execution.run import OnPartial, Run


class OutputMode(NamedTuple):
    """The form of a run's output. `live`: rendered Markdown on a terminal."""

    as_json: bool = False
    jsonl: bool = False
    live: bool = False
    show_thinking: bool = False
    quiet: bool = False
    on_partial: OnPartial = "continue"

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> OutputMode:
        """The mode that the options of `orch run` and the kind of stdout ask for."""
        as_json, jsonl, stream = params["as_json"], params["jsonl"], params["stream"]
        is_text = not (params["plain"] or as_json or jsonl)
        continues = jsonl or params["continue_partial"] or sys.stdout.isatty()
        on_partial: OnPartial = "continue" if continues else "stop"
        return cls(
            as_json,
            jsonl,
            live=stream and is_text and render.is_terminal(sys.stdout),
            show_thinking=params["show_thinking"],
            quiet=params["quiet"],
            on_partial="restart" if as_json or not stream else on_partial,
        )

    @property
    def drops_partial_text(self) -> bool:
        """Whether a failed model's text is dropped, so that no text may be shown before the end."""
        return self.on_partial == "restart"

    def make_display(self) -> Any:
        """The display for text output."""
        # a run that prints JSON does without Markdown
        from orch.cli.run_display import PipeDisplay, TerminalDisplay

        kind = TerminalDisplay if self.live else PipeDisplay
        return kind(thinking=self.show_thinking, quiet=self.quiet)

    def fail(self, error: OrchError) -> NoReturn:
        """Ends the command with an error, printed as JSON where JSON output was asked for."""
        if error.code == "reader_gone":
            raise BrokenPipeError from None
        if not (self.as_json or self.jsonl):
            raise error
        from orch.execution import serialize

        if self.as_json:
            render.print_json(serialize.error_to_json(error))
        elif not error.run_id or error.code in INTERRUPTION_CODES:
            # the event of a failed run has been printed already
            render.print_json(serialize.error_chunk(error), one_line=True)
        raise typer.Exit(error.exit_code) from None


class OutputWriter:
    """Writes a run's chunks in the form of an `OutputMode`."""

    def __init__(self, mode: OutputMode) -> None:
        self._mode = mode
        self._display = None if mode.as_json or mode.jsonl else mode.make_display()
        self._held_text: list[str] = []
        self._shown_early: set[str] = set()

    def warn_early(self, message: str) -> None:
        """Shows a warning before the first chunk; the chunk that brings it again is not shown."""
        if self._display is not None:
            self._shown_early.add(message)
            self._display.show({"type": "warning", "message": message})

    def write(self, chunk: dict[str, Any]) -> None:
        """Writes one chunk. Raises BrokenPipeError when the reader is gone."""
        if self._mode.jsonl:
            render.print_json(chunk, one_line=True)
        elif self._mode.as_json:
            if chunk["type"] == "done":
                render.print_json(chunk["result"])
        elif self._display is not None and chunk.get("message") not in self._shown_early:
            for each in self._releases(chunk) if self._mode.drops_partial_text else (chunk,):
                self._display.show(each)

    def _releases(self, chunk: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks to show now. Text is held until the run is done: a failed model's is
        dropped."""
        if chunk["type"] == "content":
            self._held_text.append(chunk["chunk"])
            return []
        if chunk["type"] == "fallback":
            self._held_text.clear()
        if chunk["type"] == "done" and self._held_text:
            return [{"type": "content", "chunk": "".join(self._held_text)}, chunk]
        return [chunk]

    def close(self) -> None:
        """Restores the terminal."""
        if self._display is not None:
            self._display.close()


async def consume(run: Run, mode: OutputMode) -> None:
    """Runs to the end and writes every event in its JSON form."""
    from contextlib import aclosing

    from orch.execution import serialize

    writer = OutputWriter(mode)
    run.on_waiting = writer.warn_early
    try:
        async with aclosing(run.events()) as events:
            async for event in events:
                writer.write(serialize.event_to_json(event))
    finally:
        writer.close()
