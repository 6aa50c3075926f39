"""`orch rate`: the user's word on a run that is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import opening
from orch.errors import JournalError, OrchError, UsageError

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.types import ModelKey

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

TASK_CHARS = 60


@app.command()
def rate(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="last|ID", show_default=False)],
    word: Annotated[str, typer.Argument(metavar="[good|bad]", help="What the answer was worth.", show_default=False)] = "",
    better: Annotated[str, typer.Option("--better", metavar="MODEL", help="The model that does such tasks better.", show_default=False)] = "",
    task_type: Annotated[str, typer.Option("--type", metavar="TYPE", help="What kind of task it really was.", show_default=False)] = "",
) -> None:
    """Say what a run was worth, or what kind of task it really was: the next decisions know it."""
    _check(word, better, task_type)
    orchestrator = opening.orchestrator(ctx)
    run = _run(orchestrator, run_id)
    scores = asyncio.run(_scores(orchestrator, run, word, better)) if word or better else {}
    if task_type:
        _correct(orchestrator, run, task_type)
    if scores:
        _judge(orchestrator, run | ({"task_type": task_type} if task_type else {}), scores, word, better)


def _check(word: str, better: str, task_type: str) -> None:
    """Raises UsageError for what makes no sense."""
    from orch.types import TaskType

    if word not in ("", "good", "bad"):
        raise UsageError(f"{word!r} is neither good nor bad", "orch rate last good")
    if word == "good" and better:
        raise UsageError("good and --better contradict each other", "give one of them")
    if task_type and task_type not in tuple(TaskType):
        raise UsageError(f"{task_type!r} is no task type", f"there are: {', '.join(TaskType)}")
    if not (word or better or task_type):
        raise UsageError("there is nothing to say of it", "orch rate last good, bad, --better MODEL or --type TYPE")


def _run(orchestrator: Orchestrator, run_id: str) -> dict[str, Any]:
    journal = orchestrator.runtime.journal
    if journal.mode != "full":
        raise OrchError(f"your word needs the task's text, and the journal keeps none (journal.mode is {journal.mode})", code="not_kept")
    run = journal.find_run(run_id.encode("utf-8", "replace").decode())
    if run is None and run_id == "last":
        raise UsageError("; ".join(journal.warnings) or "there is no answered run yet", 'orch run "What is a mutex?"')
    if run is None:
        raise UsageError(f"no run is called {run_id!r}", "orch run --json tells run_id; last is the last one that was answered")
    if not run["task"]:
        raise OrchError(f"the text of run {run['run_id']} was not kept", "only runs with journal.mode: full can be rated", code="not_kept")
    return run


def _correct(orchestrator: Orchestrator, run: dict[str, Any], task_type: str) -> None:
    from orch import render

    journal = orchestrator.runtime.journal
    if not journal.judgements.correct(run, task_type):
        raise JournalError("; ".join(journal.warnings) or "the correction could not be written")
    render.show(f"{_short(run)} is {task_type}, not {run['task_type']}" if run["task_type"] != task_type else f"{task_type} it was")


async def _scores(orchestrator: Orchestrator, run: dict[str, Any], word: str, better: str) -> dict[ModelKey, float]:
    """What each model gets. A cached answer is its model's. Raises UsageError for a run without an answer, OrchError for an unknown model."""
    from orch.cli.models import find
    from orch.judgements import BAD, BETTER, GOOD, WORSE

    if not run["model"] or run["status"] == "failed" or (run["status"] == "interrupted" and not run["answer"]):
        raise UsageError(f"no model answered run {run['run_id']}", "rate a run that was answered")
    answered = (run["provider"], run["model"])
    scores = {answered: GOOD if word == "good" else BAD if word == "bad" else WORSE}
    if better:
        async with orchestrator:
            named = find(await orchestrator.runtime.registry.available(with_unlisted=True), better).key
        if named == answered:
            raise UsageError(f"{better} is the model that answered", "orch rate last good")
        scores[named] = BETTER
    return scores


def _judge(orchestrator: Orchestrator, run: dict[str, Any], scores: dict[ModelKey, float], word: str, better: str) -> None:
    """Keeps the scores, learns from them, and says what is believed now."""
    from orch import render
    from orch.decide import classify_text

    runtime = orchestrator.runtime
    if not runtime.journal.judgements.rate(run, scores, "better" if better else "word"):
        raise JournalError("; ".join(runtime.journal.warnings) or "the rating could not be written")
    if word != "good":
        runtime.reuse.cache.forget(run_ids=[run["run_id"]])  # or the same answer would be given again
    runtime.judged.fit()
    known = runtime.judged.estimates(run["task"], classify_text(run["task"], (), None, runtime).scores)
    models = [model for _, model in scores] if len({model for _, model in scores}) == len(scores) else ["/".join(key) for key in scores]
    figures = [f"{known[key].mean:.2f} ({_source(known[key].source)})" for key in scores]
    quality = " and ".join(figures if len(models) == 1 else (f"of {model} {figure}" for model, figure in zip(models, figures, strict=True)))
    render.show(f"{_short(run)}: {_said(word, models)}; quality here {quality}")


def _said(word: str, models: list[str]) -> str:
    """The word in a sentence; the model that answered comes first, then the better one."""
    answered, *better = models
    if not word:
        return f"{better[0]} is better than {answered}"
    return ", ".join([f"{answered} was {word}", *(f"{model} is better" for model in better)])


def _source(source: str) -> str:
    """`measured and rated (n=3)` inside brackets of one's own."""
    return source.replace(" (", ", ").rstrip(")")


def _short(run: dict[str, Any]) -> str:
    text = " ".join(run["task"].split())
    return repr(text if len(text) <= TASK_CHARS else f"{text[:TASK_CHARS]}…")
