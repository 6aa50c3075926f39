"""What `orch run` and `orch route` have in common: the options, and argv and stdin to a Task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.config import files
from orch.errors import InputError, OrchError, UsageError

if TYPE_CHECKING:
    from orch.text.prompt import Task

Params = dict[str, Any]
MAX_SCHEMA_BYTES = 8_000_000
"""The options of a command by name, as Typer parsed them (`ctx.params`)."""


def complete_model(incomplete: str) -> list[str]:
    """Model ids for shell completion, from models.yaml alone: no network, and none that would drive
    the terminal, which the shell writes to itself."""
    from orch.config.load import load_config
    from orch.text.terminal import sanitize_text

    try:
        return [
            spec.id
            for spec in load_config().models.models
            if spec.id.startswith(incomplete) and spec.id == sanitize_text(spec.id)
        ]
    except OrchError:
        return []


TaskWords = Annotated[
    list[str],
    typer.Argument(metavar="[TASK] [-]", help="The task; - reads stdin.", show_default=False),
]
Model = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="Ask this model.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Type = Annotated[
    str,
    typer.Option(
        "-t", "--type", metavar="TYPE", help="Say what kind of task it is.", show_default=False
    ),
]
Speed = Annotated[bool, typer.Option("--speed", help="Soonest answer first.")]
Quality = Annotated[bool, typer.Option("--quality", help="Best answer first.")]
Profile = Annotated[
    str,
    typer.Option(
        "--profile", metavar="NAME", help="A profile of routing.yaml.", show_default=False
    ),
]
Dial = Annotated[
    float | None,
    typer.Option(
        "--dial",
        metavar="0..10",
        help="0 speed alone, 5 balanced, 10 quality alone.",
        show_default=False,
    ),
]
Loaded = Annotated[
    bool, typer.Option("--loaded", help="Only a model that is loaded, where one can.")
]
System = Annotated[
    str, typer.Option("-s", "--system", metavar="TEXT", help="System prompt.", show_default=False)
]
TaskFiles = Annotated[
    list[str],
    typer.Option(
        "-f",
        "--file",
        metavar="FILE",
        help="A file to go with the task; can be repeated.",
        show_default=False,
    ),
]
ContextFacts = Annotated[
    list[str],
    typer.Option(
        "--context",
        metavar="TEXT",
        help="A fact to go with the task; can be repeated.",
        show_default=False,
    ),
]
SamplingOptions = Annotated[
    list[str],
    typer.Option(
        "-o",
        metavar="KEY=VALUE",
        help="A sampling option, such as temperature=0.",
        show_default=False,
    ),
]
NoStdin = Annotated[bool, typer.Option("--no-stdin", help="Leave stdin alone: for loops and cron.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, also on failure.")]


def task_from_argv(params: Params) -> Task:
    """The Task that argv and stdin ask for. Raises UsageError and InputError."""
    return task_from_fields(task_fields(params))


def task_from_fields(wished: Params) -> Task:
    """The Task of such wishes. Raises UsageError."""
    from orch.orchestrator import build_task
    from orch.text.prompt import Attachment

    return build_task(
        **{**wished, "attachments": tuple(Attachment(**each) for each in wished["attachments"])}
    )


def task_fields(params: Params) -> Params:
    """What argv and stdin ask for, as plain values: what `task_of` takes, which a running server
    takes too. Raises UsageError and InputError."""
    from orch.cli import stdin

    profile = chosen_profile(params)
    words, reads = params["words"], "-" in params["words"]
    text = (
        " ".join(word for word in words if word != "-")
        .encode("utf-8", "surrogateescape")
        .decode("utf-8", "replace")
    )
    attachments = stdin.read_files(params["files"])
    if reads or (not params["no_stdin"] and stdin.is_piped()):
        piped = stdin.read_stdin()
        if not text.strip():
            text = piped
        elif piped.strip():
            attachments.insert(0, {"name": "", "text": piped})
    if not text.strip():
        empty = (
            "stdin is empty and there is no task"
            if reads or stdin.is_piped()
            else "there is no task"
        )
        raise UsageError(empty, 'orch run "What is a mutex?"')
    return {
        "text": text,
        "system_prompt": params["system"] or None,
        "context": list(params["context"]),
        "attachments": attachments,
        "options": parse_options(params["option"]),
        "response_format": read_schema(params.get("schema", "")),
        "model": params["model"] or None,
        "task_type": params["task_type"] or None,
        "profile": profile,
        "dial": params["dial"],
        "session": params.get("session") or None,
        "fresh": params.get("fresh", False),
        "loaded": params.get("loaded", False),
        "fallback": params.get("fallback"),
        "timeout_s": _positive(params.get("timeout")),
        "store_memory": params.get("remember"),
        "retrieve_context": True if params.get("recall") else None,
    }


def chosen_profile(params: Params) -> str:
    """The one of --speed, --quality, --profile and --dial that was given. Raises UsageError for
    two."""
    given = [f"--{name}" for name in ("speed", "quality", "profile") if params[name]] + (
        ["--dial"] if params["dial"] is not None else []
    )
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} say the same thing twice", "give one of them")
    return (
        "speed"
        if params["speed"]
        else "quality"
        if params["quality"]
        else params["profile"] or "balanced"
    )


def _positive(timeout: float | None) -> float | None:
    if timeout is not None and not timeout > 0:  # also not a number
        raise UsageError(
            f"--timeout must be more than 0 seconds, not {timeout:g}",
            "such as --timeout 60; left out, it is 300 to the first token",
        )
    return timeout


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """`temperature=0` to a dict; a value is JSON where it reads as JSON, else text. Raises
    UsageError."""
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
        schema = json.loads(files.read_bounded(path, MAX_SCHEMA_BYTES).decode("utf-8-sig"))
    except files.FileTooLongError:
        raise InputError(
            f"--schema {path}: over {MAX_SCHEMA_BYTES // 1_000_000} MB",
            "it must be a file with a JSON Schema",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"--schema {path}: {said}", "it must be a file with a JSON Schema"
        ) from None
    if not isinstance(schema, dict):
        raise InputError(f"--schema {path}: a JSON Schema is an object")
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }
