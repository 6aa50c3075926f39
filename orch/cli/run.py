"""`orch run`: argv and stdin to a Task, the run's chunks to stdout."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.errors import EXIT_CODES, InputError, OrchError, UsageError

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.run import OnPartial
    from orch.task import Task

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

ASK, SHOW, INPUT = "Choosing", "Output", "Input"


def complete_model(incomplete: str) -> list[str]:
    """Model ids for shell completion, from models.yaml alone: no network."""
    from orch.config.load import load

    try:
        return [spec.id for spec in load().models.models if spec.id.startswith(incomplete)]
    except OrchError:
        return []


Words = Annotated[list[str], typer.Argument(metavar="[TASK] [-]", help="The task; - reads stdin.", show_default=False)]
Model = Annotated[str, typer.Option("-m", "--model", help="Ask this model.", autocompletion=complete_model, show_default=False)]
Type = Annotated[str, typer.Option("-t", "--type", help="Say what kind of task it is.", show_default=False)]
Speed = Annotated[bool, typer.Option("--speed", help="Soonest answer first.")]
Quality = Annotated[bool, typer.Option("--quality", help="Best answer first.")]
Profile = Annotated[str, typer.Option("--profile", help="A profile of routing.yaml.", show_default=False)]
Dial = Annotated[float | None, typer.Option("--dial", help="0 speed alone, 5 balanced, 10 quality alone.", show_default=False)]
System = Annotated[str, typer.Option("-s", "--system", help="System prompt.", show_default=False)]
Files = Annotated[list[str], typer.Option("-f", "--file", help="A file to go with the task; can be repeated.", show_default=False)]
Context = Annotated[list[str], typer.Option("--context", help="A fact to go with the task; can be repeated.", show_default=False)]
Options = Annotated[list[str], typer.Option("-o", metavar="KEY=VALUE", help="A sampling option, such as temperature=0.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, also on failure.")]


@app.command(no_args_is_help=False)
def run(
    words: Words = [],  # noqa: B006 - Typer copies it
    model: Model = "",
    task_type: Type = "",
    speed: Speed = False,
    quality: Quality = False,
    profile: Profile = "",
    dial: Dial = None,
    system: System = "",
    files: Files = [],  # noqa: B006
    context: Context = [],  # noqa: B006
    option: Options = [],  # noqa: B006
    schema: Annotated[str, typer.Option(metavar="FILE", help="JSON Schema the answer must follow.", show_default=False)] = "",
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Show the answer as it comes.")] = True,
    timeout: Annotated[float | None, typer.Option(help="Seconds to the first token (300); between tokens at most 60.", show_default=False)] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again, whatever was answered before.")] = False,
    recall: Annotated[bool, typer.Option("--recall", help="Put what memory finds before the task.")] = False,
    remember: Annotated[bool | None, typer.Option("--remember/--no-remember", help="Whether it can be recalled later.", show_default=False)] = None,
    session: Annotated[str, typer.Option(help="The conversation it belongs to.", show_default=False)] = "",
    fallback: Annotated[bool | None, typer.Option("--fallback/--no-fallback", help="Whether other models may take over.", show_default=False)] = None,
    continue_partial: Annotated[bool, typer.Option("--continue-partial", help="Into a pipe: let another model go on from a cut answer.")] = False,
    as_json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="The run's events, one JSON object a line.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="No Markdown rendering on a terminal.")] = False,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="Leave stdin alone: for loops and cron.")] = False,
    no_server: Annotated[bool, typer.Option("--no-server", help="Work alone, without a running orch server.")] = False,
    show_thinking: Annotated[bool, typer.Option("--show-thinking", help="What the model thinks, on stderr.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide only: what orch route does.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Nothing on stderr but errors.")] = False,
) -> None:
    """Answer a task with the model that will do it well soonest."""
    from orch import json_form, render

    if as_json and jsonl:
        raise UsageError("--json and --jsonl say two things", "give one of them")
    try:
        task = make_task(
            words, no_stdin=no_stdin, files=files, model=model, task_type=task_type, profile=chosen_profile(speed, quality, profile, dial),
            dial=dial, system=system, context=context, options=option, schema=schema, timeout=timeout, fresh=fresh, recall=recall,
            remember=remember, session=session, fallback=fallback,
        )  # fmt: skip
        if dry_run:
            from orch.cli.route import show_decision

            show_decision(task, as_json=as_json)
            return
        face = _Face(as_json, jsonl, stream, plain, show_thinking, quiet, continue_partial)
        code = _in_loop(task, face)
    except OrchError as error:
        if not as_json:
            raise
        render.show_json(json_form.of_error(error))
        raise typer.Exit(error.exit_code) from None
    if code:
        raise typer.Exit(code)


def chosen_profile(speed: bool, quality: bool, profile: str, dial: float | None) -> str:
    """The one of --speed, --quality, --profile and --dial that was given. Raises UsageError for two."""
    given = [name for name, there in (("--speed", speed), ("--quality", quality), ("--profile", profile), ("--dial", dial is not None)) if there]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} say the same thing twice", "give one of them")
    return "speed" if speed else "quality" if quality else profile or "balanced"


def make_task(words: list[str], *, no_stdin: bool, files: list[str], **given: Any) -> Task:
    """The Task that argv and stdin ask for. Raises UsageError and InputError."""
    from orch.cli import stdin
    from orch.orchestrator import task_of
    from orch.task import Attachment

    reads = "-" in words
    text = " ".join(word for word in words if word != "-").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    attachments = [stdin.attachment(path) for path in files]
    if reads or (not no_stdin and stdin.is_piped()):
        piped = stdin.read()
        if not text.strip():
            text = piped
        elif piped.strip():
            attachments.insert(0, Attachment("", text=piped))
    if not text.strip():
        empty = "stdin is empty and there is no task" if reads or stdin.is_piped() else "there is no task"
        raise UsageError(empty, 'orch run "What is a mutex?"')
    return task_of(
        text,
        system_prompt=given["system"] or None,
        context=given["context"],
        attachments=tuple(attachments),
        options=parse_options(given["options"]),
        response_format=read_schema(given["schema"]),
        model=given["model"] or None,
        task_type=given["task_type"] or None,
        profile=given["profile"],
        dial=given["dial"],
        session=given["session"] or None,
        fresh=given["fresh"],
        fallback=given["fallback"],
        timeout_s=_positive(given["timeout"]),
        store_memory=given["remember"],
        retrieve_context=True if given["recall"] else None,
    )


def _positive(timeout: float | None) -> float | None:
    if timeout is not None and timeout <= 0:
        raise UsageError(f"--timeout must be more than 0 seconds, not {timeout:g}")
    return timeout


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """`temperature=0` to a dict; a value is JSON where it reads as JSON, else text. Raises UsageError."""
    options = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"-o {pair!r} is not KEY=VALUE", "such as -o temperature=0")
        try:
            options[key.strip()] = json.loads(value)
        except ValueError:
            options[key.strip()] = value
    return options


def read_schema(path: str) -> dict[str, Any] | None:
    """A JSON Schema file as OpenAI's response_format. Raises InputError."""
    if not path:
        return None
    try:
        schema = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"--schema {path}: {error}", "it must be a file with a JSON Schema") from None
    if not isinstance(schema, dict):
        raise InputError(f"--schema {path}: a JSON Schema is an object")
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


# ---------------------------------------------------------------- running


class _Face:
    """How this run is shown."""

    def __init__(self, as_json: bool, jsonl: bool, stream: bool, plain: bool, thinking: bool, quiet: bool, continue_partial: bool) -> None:
        from orch import render

        self.as_json, self.jsonl = as_json, jsonl
        self._thinking, self._quiet = thinking, quiet
        self._live = not plain and not as_json and not jsonl and stream and render.is_terminal(sys.stdout)
        goes_on = jsonl or continue_partial or sys.stdout.isatty()
        self.on_partial: OnPartial = "restart" if as_json or not stream else "continue" if goes_on else "stop"
        self.held = self.on_partial == "restart"

    def screen(self) -> Any:
        from orch import render

        if self._live:
            return render.TerminalScreen(thinking=self._thinking, quiet=self._quiet)
        return render.PipeScreen(thinking=self._thinking, quiet=self._quiet)


def _in_loop(task: Task, face: _Face) -> int:
    from orch import render

    try:
        return asyncio.run(_run(task, face))
    except _Ended as ended:
        if ended.reason == "reader_gone":
            # nothing may be written any more, also not by Python's last flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        else:
            render.say(f"orch: {ended.reason}")
        return EXIT_CODES[ended.reason]


class _Ended(Exception):
    """The run was ended from outside; `reason` is interrupted, terminated or reader_gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def _run(task: Task, face: _Face) -> int:
    from orch.config.load import load
    from orch.orchestrator import Orchestrator

    orchestrator = Orchestrator(config=load(), face="cli")
    reasons = _listen_to_signals()
    try:
        await _fold(orchestrator, task, face)
    except asyncio.CancelledError:
        raise _Ended(reasons[0] if reasons else "interrupted") from None
    except BrokenPipeError:
        raise _Ended("reader_gone") from None
    finally:
        await orchestrator.aclose()
        _say_journal_warnings(orchestrator, face)
    return 0


def _listen_to_signals() -> list[str]:
    """Ctrl-C and SIGTERM cancel the run, which ends generation and journals what came; gives the list that the reason is put into."""
    reasons: list[str] = []
    running = asyncio.current_task()
    assert running is not None

    def end(reason: str) -> None:
        reasons.append(reason)
        running.cancel(reason)

    for number, reason in ((signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")):
        try:
            asyncio.get_running_loop().add_signal_handler(number, end, reason)
        except (NotImplementedError, RuntimeError):
            pass  # Windows, or not the main thread: asyncio.run's own handling of Ctrl-C stays
    return reasons


async def _fold(orchestrator: Orchestrator, task: Task, face: _Face) -> None:
    """Hands the run's chunks to the screen, or gathers them into one JSON object."""
    from orch import json_form, render

    screen = None if face.as_json or face.jsonl else face.screen()
    held: list[str] = []
    try:
        async with aclosing(orchestrator.stream_task(task, face.on_partial)) as chunks:
            async for chunk in chunks:
                if face.jsonl:
                    render.write(render.encode(json.dumps(json_form.of_chunk(chunk), ensure_ascii=False) + "\n"))
                elif face.as_json:
                    if chunk["type"] == "done":
                        render.show_json(json_form.of_result(chunk["result"]))
                elif screen is not None:
                    for each in _hold(chunk, held) if face.held else (chunk,):
                        screen.show(each)
    finally:
        if screen is not None:
            screen.close()


def _hold(chunk: dict[str, Any], held: list[str]) -> list[dict[str, Any]]:
    """For --no-stream: keeps the text back until the run is done, since a failed model's text is dropped."""
    if chunk["type"] == "content":
        held.append(chunk["chunk"])
        return []
    if chunk["type"] == "fallback":
        held.clear()
    if chunk["type"] == "done" and held:
        return [{"type": "content", "chunk": "".join(held)}, chunk]
    return [chunk]


def _say_journal_warnings(orchestrator: Orchestrator, face: _Face) -> None:
    from orch import render

    for warning in orchestrator.runtime.journal.warnings:
        render.say(f"! {warning}")
