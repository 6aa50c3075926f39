"""`orch classify`: one text, or a file of them, to task types."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from orch.cli import context
from orch.errors import InputError, UsageError

if TYPE_CHECKING:
    from orch.classifier.classifier import Classifier, Corrections
    from orch.types import Classification

MAX_LINE_CHARS = 16_000_000
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def classify_command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="TEXT|FILE.jsonl|-", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Tell what kind of task a text is; of a JSONL file (`text` or `task` in each line), of every
    line."""
    from orch.cli import render

    runtime = context.open_orchestrator(ctx).runtime
    corrections = runtime.journal.feedback.corrections()
    if len(words) == 1 and (words[0] == "-" or words[0].endswith(".jsonl")):
        for row in _labelled(_lines(words[0]), runtime.classifier, corrections):
            render.print_json(row, one_line=True)
        return
    found = runtime.classifier.classify(" ".join(words), None, corrections)
    if as_json:
        render.print_json({"v": 1, **classification_json(found)})
        return
    render.print_stdout(
        f"{found.task_type}"
        f" {found.confidence:.2f}{' (unsure)' if found.unsure else ''}{f', or {found.second}' if found.second else ''}"
    )
    render.print_table(
        ("type", "probability"),
        [
            (kind, f"{score:.3f}")
            for kind, score in sorted(found.scores.items(), key=lambda item: -item[1])
        ],
    )
    print_evidence(found)


def print_evidence(found: Classification) -> None:
    """What spoke for the first two types, the user's own rules apart from the learned part."""
    from orch.cli import render

    first_two = sorted(found.scores, key=lambda kind: -found.scores[kind])[:2]
    for kind in first_two:
        spoke = [each for each in found.evidence if each.task_type == kind]
        render.print_stdout(
            f"\nfor {kind} ({found.scores[kind]:.2f}):"
            + ("" if spoke else " nothing in particular")
        )
        for source in dict.fromkeys(each.kind for each in spoke):
            said = ", ".join(
                f"{each.feature!r} {each.weight:+.2f}" for each in spoke if each.kind == source
            )
            render.print_stdout(f"  {source:10} {said}")


def classification_json(found: Classification) -> dict[str, Any]:
    """A classification as plain values."""
    return {
        "task_type": str(found.task_type),
        "confidence": round(found.confidence, 4),
        "scores": {str(kind): round(score, 4) for kind, score in found.scores.items()},
        "second": str(found.second) if found.second else None,
        "unsure": found.unsure,
        "language": found.language,
        "evidence": [
            {
                "task_type": str(each.task_type),
                "kind": each.kind,
                "feature": each.feature,
                "weight": round(each.weight, 3),
            }
            for each in found.evidence
        ],
    }


def _lines(file: str) -> Iterator[str]:
    if file == "-":
        yield from _bounded(sys.stdin)
        return
    try:
        with Path(file).open(encoding="utf-8-sig", errors="replace") as stream:
            yield from _bounded(stream)
    except OSError as error:
        raise InputError(
            f"{file}: {error.strerror or error}", "it must be a file with one JSON object a line"
        ) from None


def _bounded(stream: TextIO) -> Iterator[str]:
    """The lines. Raises InputError where one does not end: /dev/zero has none."""
    while line := stream.readline(MAX_LINE_CHARS):
        if len(line) == MAX_LINE_CHARS:
            raise InputError(
                f"a line is over {MAX_LINE_CHARS // 1_000_000} million characters long",
                "it must be a file with one JSON object a line",
            )
        yield line


def _labelled(
    lines: Iterable[str], classifier: Classifier, corrections: Corrections
) -> Iterator[dict[str, Any]]:
    """Each line's object with its type. Raises UsageError for a line that is none."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text = row.get("text", row.get("task"))
        except (ValueError, AttributeError, RecursionError):
            raise UsageError(f"line {number} is no JSON object") from None
        if not isinstance(text, str):
            raise UsageError(f"line {number} has no text", '{"text": "…"} a line')
        found = classifier.classify(text, None, corrections)
        second = str(found.second) if found.second else None
        yield {
            **row,
            "task_type": str(found.task_type),
            "confidence": round(found.confidence, 4),
            "second": second,
        }
