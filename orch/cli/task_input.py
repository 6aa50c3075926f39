"""Turns argv and stdin into a task, or into the fields of one that a running server takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orch.cli import stdin
from orch.cli.options import Params
from orch.config import files
from orch.errors import InputError, UsageError

if TYPE_CHECKING:
    from orch.text.prompt import Task

MAX_SCHEMA_BYTES = 8_000_000
EXAMPLE = 'orch run "What is a mutex?"'


def task_from_argv(params: Params) -> Task:
    """The task that argv and stdin ask for. Raises UsageError and InputError."""
    return task_from_fields(task_fields(params))


def task_from_fields(fields: Params) -> Task:
    """The task of `task_fields`. Raises UsageError."""
    from orch.orchestrator import build_task
    from orch.text.prompt import Attachment

    attachments = tuple(Attachment(**each) for each in fields["attachments"])
    return build_task(**{**fields, "attachments": attachments})


def task_fields(params: Params) -> Params:
    """The arguments of `build_task` as JSON values, from argv and stdin.

    Raises UsageError and InputError.
    """
    profile = chosen_profile(params)
    text, attachments = _read_input(params)
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
        "timeout_s": _checked_timeout(params.get("timeout")),
        "store_memory": params.get("remember"),
        "retrieve_context": True if params.get("recall") else None,
    }


def _read_input(params: Params) -> tuple[str, list[dict[str, str]]]:
    """The text of the task, and its attachments: the files, and piped text beside a task."""
    words, attachments = params["words"], stdin.read_files(params["files"])
    text = _valid_utf8(" ".join(word for word in words if word != "-"))
    must_read = "-" in words
    if must_read or (not params["no_stdin"] and stdin.is_piped()):
        piped = stdin.read_stdin()
        if not text.strip():
            text = piped
        elif piped.strip():
            attachments.insert(0, {"name": "", "text": piped})
    if not text.strip():
        is_empty = must_read or stdin.is_piped()
        message = "stdin is empty and no task was given" if is_empty else "no task was given"
        raise UsageError(message, EXAMPLE)
    return text, attachments


def _valid_utf8(text: str) -> str:
    """The text of argv; bytes that are not UTF-8 become replacement characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def chosen_profile(params: Params) -> str:
    """The profile of --speed, --quality, --profile or --dial. Raises UsageError for two of them."""
    given = [f"--{name}" for name in ("speed", "quality", "profile") if params[name]]
    given += ["--dial"] if params["dial"] is not None else []
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", "use one of them")
    if params["speed"]:
        return "speed"
    return "quality" if params["quality"] else params["profile"] or "balanced"


def _checked_timeout(seconds: float | None) -> float | None:
    if seconds is not None and not seconds > 0:  # also NaN
        raise UsageError(
            f"--timeout must be more than 0 seconds, not {seconds:g}",
            "for example --timeout 60; the default is 300 to the first token",
        )
    return seconds


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """The options of `KEY=VALUE` pairs; a value is JSON if it parses as JSON, else text.

    Raises UsageError.
    """
    options = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"-o {pair!r} is not KEY=VALUE", "for example -o temperature=0")
        try:
            options[key.strip()] = json.loads(value)
        except ValueError:
            options[key.strip()] = value
    return options


def read_schema(path: str) -> dict[str, Any] | None:
    """A JSON Schema file as OpenAI's `response_format`. Raises InputError."""
    if not path:
        return None
    hint = "--schema takes a file with a JSON Schema"
    try:
        schema = json.loads(files.read_bounded(path, MAX_SCHEMA_BYTES).decode("utf-8-sig"))
    except files.FileTooLongError:
        megabytes = MAX_SCHEMA_BYTES // 1_000_000
        raise InputError(f"--schema {path}: over {megabytes} MB", hint) from None
    except (OSError, ValueError, RecursionError) as error:
        message = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"--schema {path}: {message}", hint) from None
    if not isinstance(schema, dict):
        raise InputError(f"--schema {path}: a JSON Schema must be an object")
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }
