"""Records a user's feedback on a finished run (good or bad, a better model, the right task type):
later decisions use it."""

from __future__ import annotations

from typing import Any

from orch.errors import JournalError, OrchError, UsageError
from orch.quality.estimator import QualityEstimator
from orch.routing.lookup import resolve_model
from orch.routing.registry import Inventory, Registry
from orch.routing.router import Router
from orch.storage.answers import AnswerStore
from orch.storage.feedback import BAD, BETTER, GOOD, WORSE
from orch.storage.journal import Journal
from orch.storage.offload import Offload, run_inline
from orch.types import Estimate, ModelKey, TaskType, display_names

TASK_CHARS = 60


class FeedbackRecorder:
    """Records feedback in the journal, refits the quality estimates and drops cached answers that
    were not good."""

    def __init__(
        self,
        router: Router,
        registry: Registry,
        estimator: QualityEstimator,
        journal: Journal,
        cached_answers: AnswerStore,
        offload: Offload = run_inline,
    ) -> None:
        self._router, self._registry, self._estimator = router, registry, estimator
        self._journal, self._cached_answers, self._offload = journal, cached_answers, offload

    async def record(
        self, run_id: str, verdict: str = "", better: str = "", task_type: str = ""
    ) -> list[str]:
        """Records feedback on a run (its id, or `last`) and returns the updated estimates, one
        sentence each. Raises OrchError, and then nothing is recorded."""
        _check(verdict, better, task_type)
        run = await self._offload(self._find_run, run_id)
        rates = bool(verdict or better)
        inventory = await self._registry.snapshot(with_unlisted=True) if rates else None
        scores = _scores(inventory, run, verdict, better) if inventory else {}
        messages: list[str] = []
        if task_type:
            messages.append(await self._offload(self._correct_type, run, task_type))
            run = run | {"task_type": task_type}
        if inventory:
            message = await self._offload(self._rate, inventory, run, scores, verdict, better)
            messages.append(message)
        return messages

    def _find_run(self, run_id: str) -> dict[str, Any]:
        journal = self._journal
        if journal.mode != "full":
            raise OrchError(
                "a rating needs the task's text, and the journal keeps none (journal.mode is"
                f" {journal.mode})",
                code="not_kept",
            )
        journal.open()
        run = journal.history.find_run(run_id.encode("utf-8", "replace").decode())
        if run is None and run_id == "last":
            message = "; ".join(journal.warnings) or "there is no answered run yet"
            raise UsageError(message, 'orch run "What is a mutex?"')
        if run is None:
            hint = "orch run --json prints run_id; last is the last run that was answered"
            raise UsageError(f"no run is called {run_id!r}", hint)
        if run["chore"]:
            raise UsageError(
                f"run {run['run_id']} is a client's own request ({run['chore']}): nothing is"
                " learned from those",
                "orch run --json prints run_id; last is the last run that was answered",
            )
        if not run["task"]:
            raise OrchError(
                f"the text of run {run['run_id']} was not kept",
                "only runs with journal.mode: full can be rated",
                code="not_kept",
            )
        return run

    def _correct_type(self, run: dict[str, Any], task_type: str) -> str:
        if not self._journal.feedback.set_correction(run, task_type):
            raise self._write_error("the correction could not be written")
        if run["task_type"] == task_type:
            return f"{task_type} it was"
        return f"{_short(run)} is {task_type}, not {run['task_type']}"

    def _rate(
        self,
        inventory: Inventory,
        run: dict[str, Any],
        scores: dict[ModelKey, float],
        verdict: str,
        better: str,
    ) -> str:
        """Writes the scores, refits the estimates and returns them in a sentence."""
        kind = "better" if better else "word"
        if not self._journal.feedback.set_ratings(run, scores, kind):
            raise self._write_error("the rating could not be written")
        if verdict != "good":  # else the same answer would be given again
            self._cached_answers.forget(run_ids=[run["run_id"]])
        self._estimator.fit(inventory.states)
        shares = self._router.task_types.of_text(run["task"]).scores
        estimates = self._estimator.estimates(run["task"], shares, inventory.states)
        models = list(display_names(scores).values())
        figures = [_figure(estimates[key]) for key in scores]
        if len(models) > 1:
            figures = [f"of {name} {figure}" for name, figure in zip(models, figures, strict=True)]
        quality = " and ".join(figures)
        return f"{_short(run)}: {_sentence(verdict, models)}; quality here {quality}"

    def _write_error(self, message: str) -> JournalError:
        return JournalError("; ".join(self._journal.warnings) or message)


def _check(verdict: str, better: str, task_type: str) -> None:
    """Raises UsageError for feedback that makes no sense."""
    if verdict not in ("", "good", "bad"):
        raise UsageError(f"{verdict!r} is neither good nor bad", "orch rate last good")
    if verdict == "good" and better:
        raise UsageError("good and --better contradict each other", "give one of them")
    if task_type and task_type not in tuple(TaskType):
        raise UsageError(f"{task_type!r} is not a task type", f"one of: {', '.join(TaskType)}")
    if not (verdict or better or task_type):
        hint = "orch rate last good, bad, --better MODEL or --type TYPE"
        raise UsageError("there is nothing to record", hint)


def _scores(
    inventory: Inventory, run: dict[str, Any], verdict: str, better: str
) -> dict[ModelKey, float]:
    """The score of each model. A cached answer counts for the model that gave it. Raises
    UsageError for a run without an answer, OrchError for an unknown model."""
    cut_off = run["status"] == "interrupted" and not run["answer"]
    if not run["model"] or run["status"] == "failed" or cut_off:
        raise UsageError(f"no model answered run {run['run_id']}", "rate a run that was answered")
    answered = ModelKey(run["provider"], run["model"])
    scores = {answered: GOOD if verdict == "good" else BAD if verdict == "bad" else WORSE}
    if better:
        other = resolve_model(inventory, better).key
        if other == answered:
            raise UsageError(f"{better} is the model that answered", "orch rate last good")
        scores[other] = BETTER
    return scores


def _sentence(verdict: str, models: list[str]) -> str:
    """The feedback as a sentence; the model that answered comes first, then the better one."""
    answered, *better = models
    if not verdict:
        return f"{better[0]} is better than {answered}"
    return ", ".join([f"{answered} was {verdict}", *(f"{model} is better" for model in better)])


def _figure(estimate: Estimate) -> str:
    """`0.72 (measured and rated, n=3)`"""
    return f"{estimate.mean:.2f} ({estimate.basis}, n={estimate.n})"


def _short(run: dict[str, Any]) -> str:
    text = " ".join(run["task"].split())
    return repr(text if len(text) <= TASK_CHARS else f"{text[:TASK_CHARS]}…")
