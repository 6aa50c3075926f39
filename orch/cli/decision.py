"""Prints a decision or a classification, as tables or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orch.cli import context, render

if TYPE_CHECKING:
    import typer

    from orch.text.prompt import Task
    from orch.types import Candidate, Classification, Decision

SECONDS_PARTS = {"load": "load", "prompt": "prefill", "answer": "decode"}
"""What the expected seconds are spent on: the printed word, and the key of `seconds`."""
DROPPABLE = ("good", "expected")


def decide_and_print(ctx: typer.Context, task: Task, *, as_json: bool, why: bool = False) -> None:
    """Decides and prints; `why` adds the classification. Raises OrchError when no model can take
    the task."""
    import asyncio

    orchestrator = context.open_orchestrator(ctx)
    decision = asyncio.run(orchestrator.decide_task(task, close=True))
    warnings = [*orchestrator.runtime.config.warnings, *orchestrator.runtime.journal.warnings]
    classification = orchestrator.runtime.router.task_types.of_task(task) if why else None
    if as_json:
        _print_json(decision, warnings, classification)
        return
    for warning in warnings:
        render.print_warning(warning)
    print_decision(decision)
    if classification is not None:
        print_evidence(classification)


def _print_json(
    decision: Decision, warnings: list[str], classification: Classification | None
) -> None:
    from orch.execution import serialize

    value = serialize.decision_to_json(decision, warnings)
    if classification is not None:
        value |= {"classification": classification_json(classification)}
    render.print_json(value)


def print_decision(decision: Decision) -> None:
    """Prints a decision as a line and a table of candidates."""
    from orch.text.lines import one_line

    summary = (decision.task_type, f"{decision.confidence:.2f} · {decision.model_name}")
    render.print_stdout(one_line(f"{summary[0]} {summary[1]} · {decision.reason}"))
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in decision.weights.items())
    size = f"about {decision.prompt_tokens:,} tokens of prompt"
    render.print_stdout(f"weights ({decision.profile}): {weights} · {size}\n")
    columns = ("model", "score", *decision.weights, "good", "expected", "numbers", "why")
    rows = [_row(candidate, decision) for candidate in decision.candidates]
    render.print_table(columns, rows, drop=("numbers", *reversed(decision.weights), *DROPPABLE))


def _row(candidate: Candidate, decision: Decision) -> tuple[Any, ...]:
    if candidate.eliminated:
        dashes = ("-",) * (len(decision.weights) + 4)
        return (candidate.model_id, *dashes, f"out: {candidate.eliminated}")
    terms = (f"{candidate.terms.get(name, 0.0):.3f}" for name in decision.weights)
    return (
        candidate.model_id,
        f"{candidate.score:.3f}",
        *terms,
        f"{candidate.quality:.2f}",
        _seconds(candidate),
        _provenance(candidate),
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
    unloads = ""
    if candidate.evicts:
        unloads = f"; unloads {candidate.evicts} ({candidate.seconds['eviction']:.1f} s)"
    return f"{candidate.expected_s:.1f} s{parts}{unloads}"


def _provenance(candidate: Candidate) -> str:
    """Where the numbers of quality and speed come from, and what of the prompt is cached."""
    quality, speed = (candidate.provenance.get(name, "rated") for name in ("quality", "speed"))
    numbers = speed if quality == speed else f"quality {quality}, speed {speed}"
    return "; ".join(filter(None, (numbers, candidate.provenance.get("prefill"))))


# ---------------------------------------------------------------- classifications


def print_evidence(classification: Classification) -> None:
    """Prints the evidence for the two most likely types, the user's own rules apart from the
    learned features."""
    scores = classification.scores
    for task_type in sorted(scores, key=lambda each: -scores[each])[:2]:
        evidence = [each for each in classification.evidence if each.task_type == task_type]
        ending = "" if evidence else " no particular evidence"
        render.print_stdout(f"\nfor {task_type} ({scores[task_type]:.2f}):{ending}")
        for kind in dict.fromkeys(each.kind for each in evidence):
            features = (f"{e.feature!r} {e.weight:+.2f}" for e in evidence if e.kind == kind)
            render.print_stdout(f"  {kind:10} {', '.join(features)}")


def classification_json(classification: Classification) -> dict[str, Any]:
    """A classification as JSON values."""
    return {
        "task_type": str(classification.task_type),
        "confidence": round(classification.confidence, 4),
        "scores": {str(kind): round(score, 4) for kind, score in classification.scores.items()},
        "second": str(classification.second) if classification.second else None,
        "unsure": classification.unsure,
        "language": classification.language,
        "evidence": [
            {
                "task_type": str(each.task_type),
                "kind": each.kind,
                "feature": each.feature,
                "weight": round(each.weight, 3),
            }
            for each in classification.evidence
        ],
    }
