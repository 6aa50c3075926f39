"""The user's word on a run that is over: what it was worth, which model is better, what kind of
task it was; the next decisions know it."""

from __future__ import annotations

from typing import Any

from orch.errors import JournalError, OrchError, UsageError
from orch.execution.runtime import Runtime
from orch.routing.lookup import resolve_model
from orch.routing.registry import Inventory
from orch.routing.router import classify_text
from orch.storage.feedback import BAD, BETTER, GOOD, WORSE
from orch.types import ModelKey, TaskType, display_names

TASK_CHARS = 60


async def record_rating(
    runtime: Runtime, run_id: str, word: str = "", better: str = "", task_type: str = ""
) -> list[str]:
    """Takes the word on a run (`last` or an id) and gives back what is believed now, a sentence
    each. Raises OrchError, and then nothing is kept."""
    _check(word, better, task_type)
    run = await runtime.offload(_run, runtime, run_id)
    survey = await runtime.registry.snapshot(with_unlisted=True) if word or better else None
    scores = _scores(survey, run, word, better) if survey else {}
    said = [await runtime.offload(_correct, runtime, run, task_type)] if task_type else []
    if survey:
        judged = run | ({"task_type": task_type} if task_type else {})
        said.append(await runtime.offload(_judge, runtime, survey, judged, scores, word, better))
    return said


def _check(word: str, better: str, task_type: str) -> None:
    """Raises UsageError for what makes no sense."""
    if word not in ("", "good", "bad"):
        raise UsageError(f"{word!r} is neither good nor bad", "orch rate last good")
    if word == "good" and better:
        raise UsageError("good and --better contradict each other", "give one of them")
    if task_type and task_type not in tuple(TaskType):
        raise UsageError(f"{task_type!r} is no task type", f"there are: {', '.join(TaskType)}")
    if not (word or better or task_type):
        raise UsageError(
            "there is nothing to say of it",
            "orch rate last good, bad, --better MODEL or --type TYPE",
        )


def _run(runtime: Runtime, run_id: str) -> dict[str, Any]:
    journal = runtime.journal
    if journal.mode != "full":
        raise OrchError(
            "your word needs the task's text, and the journal keeps none (journal.mode is"
            f" {journal.mode})",
            code="not_kept",
        )
    journal.open()
    run = journal.history.find_run(run_id.encode("utf-8", "replace").decode())
    if run is None and run_id == "last":
        raise UsageError(
            "; ".join(journal.warnings) or "there is no answered run yet",
            'orch run "What is a mutex?"',
        )
    if run is None:
        raise UsageError(
            f"no run is called {run_id!r}",
            "orch run --json tells run_id; last is the last one that was answered",
        )
    if not run["task"]:
        raise OrchError(
            f"the text of run {run['run_id']} was not kept",
            "only runs with journal.mode: full can be rated",
            code="not_kept",
        )
    return run


def _correct(runtime: Runtime, run: dict[str, Any], task_type: str) -> str:
    journal = runtime.journal
    if not journal.feedback.set_correction(run, task_type):
        raise JournalError("; ".join(journal.warnings) or "the correction could not be written")
    return (
        f"{_short(run)} is {task_type}, not {run['task_type']}"
        if run["task_type"] != task_type
        else f"{task_type} it was"
    )


def _scores(
    survey: Inventory, run: dict[str, Any], word: str, better: str
) -> dict[ModelKey, float]:
    """What each model gets. A cached answer is its model's. Raises UsageError for a run without an
    answer, OrchError for an unknown model."""
    if (
        not run["model"]
        or run["status"] == "failed"
        or (run["status"] == "interrupted" and not run["answer"])
    ):
        raise UsageError(f"no model answered run {run['run_id']}", "rate a run that was answered")
    answered = (run["provider"], run["model"])
    scores = {answered: GOOD if word == "good" else BAD if word == "bad" else WORSE}
    if better:
        named = resolve_model(survey, better).key
        if named == answered:
            raise UsageError(f"{better} is the model that answered", "orch rate last good")
        scores[named] = BETTER
    return scores


def _judge(
    runtime: Runtime,
    survey: Inventory,
    run: dict[str, Any],
    scores: dict[ModelKey, float],
    word: str,
    better: str,
) -> str:
    """Keeps the scores, learns from them, and says what is believed now."""
    if not runtime.journal.feedback.set_ratings(run, scores, "better" if better else "word"):
        raise JournalError("; ".join(runtime.journal.warnings) or "the rating could not be written")
    if word != "good":
        runtime.answer_cache.store.forget(
            run_ids=[run["run_id"]]
        )  # or the same answer would be given again
    runtime.estimator.fit(survey.states)
    known = runtime.estimator.estimates(
        run["task"], classify_text(run["task"], (), None, runtime).scores, survey.states
    )
    models = list(display_names(scores).values())
    figures = [f"{known[key].mean:.2f} ({_source(known[key].source)})" for key in scores]
    quality = " and ".join(
        figures
        if len(models) == 1
        else (f"of {model} {figure}" for model, figure in zip(models, figures, strict=True))
    )
    return f"{_short(run)}: {_said(word, models)}; quality here {quality}"


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
