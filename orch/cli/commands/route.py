"""`orch route`: the decision as a table or as JSON."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context as opening
from orch.cli.options import (
    ContextFacts,
    Dial,
    Json,
    Loaded,
    Model,
    NoStdin,
    Profile,
    Quality,
    SamplingOptions,
    Speed,
    System,
    TaskFiles,
    TaskWords,
    Type,
    task_from_argv,
)
from orch.errors import OrchError

if TYPE_CHECKING:
    from orch.text.prompt import Task
    from orch.types import Candidate, Decision

SECONDS_PARTS = {"load": "load", "prompt": "prefill", "answer": "decode"}
"""What expected seconds are spent on: the words, and the parts of a candidate's `seconds`."""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def route_command(
    ctx: typer.Context,
    words: TaskWords = [],  # noqa: B006 - Typer copies it
    model: Model = "",
    task_type: Type = "",
    speed: Speed = False,
    quality: Quality = False,
    profile: Profile = "",
    dial: Dial = None,
    loaded: Loaded = False,
    system: System = "",
    files: TaskFiles = [],  # noqa: B006
    context: ContextFacts = [],  # noqa: B006
    option: SamplingOptions = [],  # noqa: B006
    as_json: Json = False,
    no_stdin: NoStdin = False,
    why: Annotated[
        bool, typer.Option("--why", help="Also what spoke for the type, and for the second.")
    ] = False,
) -> None:
    """Show which model would take a task, and why; run nothing."""
    from orch.cli import render
    from orch.execution import serialize

    try:
        decide_and_print(ctx, task_from_argv(ctx.params), as_json=as_json, why=why)
    except OrchError as error:
        if not as_json:
            raise
        render.print_json(serialize.error_to_json(error))
        raise typer.Exit(error.exit_code) from None


def decide_and_print(ctx: typer.Context, task: Task, *, as_json: bool, why: bool = False) -> None:
    """Decides and shows it. Raises OrchError when no model can take the task."""
    from orch.cli import render
    from orch.cli.commands.classify import classification_json, print_evidence
    from orch.execution import serialize
    from orch.routing.router import classify_task

    orchestrator = opening.open_orchestrator(ctx)
    decision = asyncio.run(orchestrator.decide_task(task, close=True))
    warnings = [*orchestrator.runtime.config.notes, *orchestrator.runtime.journal.warnings]
    found = classify_task(task, orchestrator.runtime, explained=True) if why else None
    if as_json:
        render.print_json(
            serialize.decision_to_json(decision, warnings)
            | ({"classification": classification_json(found)} if found else {})
        )
        return
    for warning in warnings:
        render.print_warning(warning)
    print_decision(decision)
    if found is not None:
        print_evidence(found)


def print_decision(decision: Decision) -> None:
    """A decision as a table."""
    from orch.cli import render
    from orch.text.lines import one_line

    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in decision.weights.items())
    render.print_stdout(
        one_line(
            f"{decision.task_type} {decision.confidence:.2f} · {decision.model_name} ·"
            f" {decision.reason}"
        )
    )
    render.print_stdout(
        f"weights ({decision.profile}): {weights} · about {decision.prompt_tokens:,} tokens of"
        " prompt\n"
    )
    columns = ("model", "score", *decision.weights, "good", "expected", "numbers", "why")
    droppable = ("numbers", "confidence", "fit", "speed", "quality", "good", "expected")
    render.print_table(
        columns, [_row(candidate, decision) for candidate in decision.candidates], drop=droppable
    )


def _row(candidate: Candidate, decision: Decision) -> tuple[Any, ...]:
    if candidate.eliminated:
        return (
            candidate.model_id,
            "-",
            *("-" for _ in decision.weights),
            "-",
            "-",
            "-",
            f"out: {candidate.eliminated}",
        )
    terms = (f"{candidate.terms.get(name, 0.0):.3f}" for name in decision.weights)
    return (
        candidate.model_id,
        f"{candidate.score:.3f}",
        *terms,
        f"{candidate.quality:.2f}",
        _seconds(candidate),
        _numbers(candidate),
        candidate.reason,
    )


def _seconds(candidate: Candidate) -> str:
    """The expected seconds and what they are spent on: `6.1 = load 3.8 + prompt 0.1 + answer 2.2;
    unloads 1 (1.9)`."""
    spent = [
        f"{word} {candidate.seconds[part]:.1f}"
        for word, part in SECONDS_PARTS.items()
        if candidate.seconds.get(part, 0.0) >= 0.05
    ]
    parts = f" = {' + '.join(spent)}" if len(spent) > 1 else ""
    unloads = (
        f"; unloads {candidate.evicts} ({candidate.seconds['eviction']:.1f} s)"
        if candidate.evicts
        else ""
    )
    return f"{candidate.expected_s:.1f} s{parts}{unloads}"


def _numbers(candidate: Candidate) -> str:
    """Where quality and speed come from."""
    quality, speed = (candidate.provenance.get(name, "rated") for name in ("quality", "speed"))
    return speed if quality == speed else f"quality {quality}, speed {speed}"
