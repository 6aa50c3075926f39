"""The router's choices for a suite follow the grades that it learned from, and the dial."""

from __future__ import annotations

import pytest

from orch.bench.router_choices import RouterOnSuite
from orch.bench.suite import SuiteTask
from orch.routing.model_state import ModelState
from orch.storage.feedback import GradedAnswer
from orch.types import Elimination, ModelKey, TaskType
from tests.support.scoring import shipped, state, sure

TASKS = {
    f"t{number}": SuiteTask(f"t{number}", TaskType.CODING, "en", f"Sort the list {number}.", ())
    for number in range(12)
}
SMALL, LARGE = (
    state("small", facts={"speed_rating": 10}),
    state("large", facts={"speed_rating": 1}),
)


def graded(model: ModelState, score: float) -> list[GradedAnswer]:
    """Grades of the first ten tasks."""
    return [
        GradedAnswer(
            0.0, task.id, "h", "coding", "en", task.prompt, model.spec.id, model.spec.provider,
            "", "answer", score, "graded", "", 1.0,
        )
        for task in list(TASKS.values())[:10]
    ]  # fmt: skip


def chosen(learn: list[GradedAnswer], dial: float | None, *states: ModelState) -> set[ModelKey]:
    """The models that the router chooses for the last two tasks."""
    router = RouterOnSuite(TASKS, states or (SMALL, LARGE), shipped(), lambda _: sure())
    choices = router(learn, ["t10", "t11"], dial)
    assert list(choices) == ["t10", "t11"]
    return set(choices.values())


@pytest.mark.parametrize(("right", "wrong"), [(SMALL, LARGE), (LARGE, SMALL)])
def test_at_quality_the_model_with_the_better_grades_is_chosen(
    right: ModelState, wrong: ModelState
) -> None:
    assert chosen(graded(right, 1.0) + graded(wrong, 0.0), 10) == {right.key}


def test_the_dial_weighs_speed_against_quality() -> None:
    learn = graded(SMALL, 0.6) + graded(LARGE, 1.0)
    assert chosen(learn, 0) == {SMALL.key}
    assert chosen(learn, 10) == {LARGE.key}


def test_every_model_counts_as_installed_and_loaded() -> None:
    gone = LARGE._replace(unavailable=Elimination("not_installed"))
    assert chosen(graded(LARGE, 1.0) + graded(SMALL, 0.0), 10, SMALL, gone) == {LARGE.key}
