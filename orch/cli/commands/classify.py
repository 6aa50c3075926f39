"""`orch classify`: the task type of a text, or of each line of a JSONL file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from orch.cli import context, render
from orch.cli.decision import classification_json, print_evidence
from orch.cli.options import Json
from orch.errors import InputError, UsageError

if TYPE_CHECKING:
    from orch.classifier.classifier import Classifier
    from orch.classifier.corrections import Corrections
    from orch.types import Classification

MAX_LINE_CHARS = 16_000_000
NOT_JSONL = "the file must have one JSON object per line"
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def classify_command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="TEXT|FILE.jsonl|-", show_default=False)],
    as_json: Json = False,
) -> None:
    """Classify a text by task type, or each line of a JSONL file (`text` or `task`)."""
    runtime = context.open_orchestrator(ctx).runtime
    corrections = runtime.journal.feedback.corrections()
    if len(words) == 1 and (words[0] == "-" or words[0].endswith(".jsonl")):
        for row in _classify_lines(_read_lines(words[0]), runtime.classifier, corrections):
            render.print_json(row, one_line=True)
        return
    classification = runtime.classifier.classify(" ".join(words), None, corrections)
    if as_json:
        render.print_json({"v": 1, **classification_json(classification)})
    else:
        _print(classification)


def _print(classification: Classification) -> None:
    unsure = " (unsure)" if classification.unsure else ""
    second = f", or {classification.second}" if classification.second else ""
    confidence = f"{classification.confidence:.2f}"
    render.print_stdout(f"{classification.task_type} {confidence}{unsure}{second}")
    scores = sorted(classification.scores.items(), key=lambda item: -item[1])
    render.print_table(("type", "probability"), [(kind, f"{score:.3f}") for kind, score in scores])
    print_evidence(classification)


def _read_lines(file: str) -> Iterator[str]:
    if file == "-":
        yield from _bounded_lines(sys.stdin)
        return
    try:
        with Path(file).open(encoding="utf-8-sig", errors="replace") as stream:
            yield from _bounded_lines(stream)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}", NOT_JSONL) from None


def _bounded_lines(stream: TextIO) -> Iterator[str]:
    """The lines of a stream. Raises InputError for one without end, such as that of /dev/zero."""
    while line := stream.readline(MAX_LINE_CHARS):
        if len(line) == MAX_LINE_CHARS:
            millions = MAX_LINE_CHARS // 1_000_000
            raise InputError(f"a line is over {millions} million characters long", NOT_JSONL)
        yield line


def _classify_lines(
    lines: Iterable[str], classifier: Classifier, corrections: Corrections
) -> Iterator[dict[str, Any]]:
    """Each line's object with its task type. Raises UsageError for a line that is not an object
    with a text."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row, text = _parse_line(number, line)
        classification = classifier.classify(text, None, corrections)
        yield {
            **row,
            "task_type": str(classification.task_type),
            "confidence": round(classification.confidence, 4),
            "second": str(classification.second) if classification.second else None,
        }


def _parse_line(number: int, line: str) -> tuple[dict[str, Any], str]:
    try:
        row = json.loads(line)
        text = row.get("text", row.get("task"))
    except (ValueError, AttributeError, RecursionError):
        raise UsageError(f"line {number} is not a JSON object") from None
    if not isinstance(text, str):
        raise UsageError(f"line {number} has no text", 'each line must be like {"text": "…"}')
    return row, text
