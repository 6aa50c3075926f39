"""The report of a quality bench is honest about few answers and about code that was not run."""

from __future__ import annotations

from collections.abc import Sequence

from orch.bench.report import conclusion, make_report, wilson_interval
from orch.storage.feedback import GradedAnswer
from orch.types import ModelKey

A, B = ModelKey("ollama", "a"), ModelKey("ollama", "b")


def _row(
    task: int, model: ModelKey, score: float, seconds: float = 1.0, how: str = "graded"
) -> GradedAnswer:
    kind = "coding" if task % 2 else "simple"
    return GradedAnswer(
        0.0,
        f"t{task}",
        "h",
        kind,
        "en",
        f"prompt {task}",
        model[1],
        model[0],
        "",
        "answer",
        score,
        how,
        "",
        seconds,
    )


def _by_kind(
    learn: Sequence[GradedAnswer], decide: Sequence[str], dial: float | None
) -> dict[str, ModelKey]:
    return {task: A if int(task[1:]) % 2 else B for task in decide}


def _always_a(
    learn: Sequence[GradedAnswer], decide: Sequence[str], dial: float | None
) -> dict[str, ModelKey]:
    return {task: A for task in decide}


def test_the_conclusion_says_that_routing_pays() -> None:
    rows = [
        _row(task, model, float((task % 2 == 1) == (model == A)))
        for task in range(40)
        for model in (A, B)
    ]
    found = make_report(rows, _by_kind)
    assert [line.quality for line in found.strategies] == [1.0, 0.5, 1.0]
    assert conclusion(found).startswith("routing pays in quality")


def test_where_one_model_wins_everywhere_one_is_enough() -> None:
    rows = [_row(task, model, float(model == A)) for task in range(40) for model in (A, B)]
    found = make_report(rows, _always_a)
    assert conclusion(found).startswith("one model is enough: a")


def test_code_that_was_not_run_is_no_evidence() -> None:
    rows = [_row(task, model, 1.0, how="static") for task in range(10) for model in (A, B)]
    found = make_report(rows, _by_kind)
    assert not found.strategies
    assert set(found.by_model[A]) == {"coding (form)", "simple (form)"}


def test_the_interval_of_a_few_answers_is_wide() -> None:
    few, many = wilson_interval([1.0, 0.0]), wilson_interval([1.0, 0.0] * 50)
    assert few.mean == many.mean == 0.5
    assert few.high - few.low > many.high - many.low
