"""Grades an answer by the checks of its task: the mean of the graders in a table, one for each form
in `check_forms.CHECK_FORMS`.

Thoughts, end marks and a repeated prompt are removed first; an empty answer, a refusal and a
repetitive text score 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from statistics import fmean
from typing import Any

from orch.bench.answer_parsing import visible_answer
from orch.bench.check_forms import Exact, Items, JsonSchema, Number, Regex, Rubric, UnitTests
from orch.bench.graders import code, rubric, short_answers, structured
from orch.bench.graders.grade import ExecuteCode, Grade, Submission
from orch.bench.suite import SuiteTask
from orch.text.language import fold

GRADERS: dict[type[Any], Callable[[Any, Submission], Grade]] = {
    Exact: short_answers.grade_exact,
    Number: short_answers.grade_number,
    Regex: short_answers.grade_regex,
    Items: structured.grade_items,
    JsonSchema: structured.grade_json,
    UnitTests: code.grade_code,
    Rubric: rubric.grade_rubric,
}


def grade(task: SuiteTask, answer: str, execute: ExecuteCode | None = None) -> Grade:
    """Grades an answer; without `execute`, code is graded by its form.

    Raises what `execute` raises.
    """
    text = _truncate(visible_answer(answer, task.prompt))
    if not text:
        return Grade(0.0, "no answer")
    if _REFUSAL.match(fold(text).lstrip("*# ")):
        return Grade(0.0, "it refused")
    submission = Submission(text, task.lang, execute)
    grades = [GRADERS[type(check)](check, submission) for check in task.checks]
    hows = {each.how for each in grades}
    how = next(how for how in ("static", "executed", "graded") if how in hows)
    return Grade(
        fmean(each.score for each in grades),
        "; ".join(dict.fromkeys(each.why for each in grades)),
        how,
    )


ANSWER_CHARS = 20_000
"""Characters of an answer that are read, half from each end: the suite's longest good answers have
3,000."""


def _truncate(text: str) -> str:
    return (
        text
        if len(text) <= ANSWER_CHARS
        else f"{text[: ANSWER_CHARS // 2]}\n{text[-ANSWER_CHARS // 2 :]}"
    )


_REFUSAL = re.compile(
    r"(?:i'?m |i am |i )?(?:sorry|apologi[sz]e|lo siento|as an ai|como (?:una"
    r" )?(?:ia|inteligencia)|i can'?t|i cannot|i am unable|i'm unable|no puedo)\b"
    r"[^.\n]{0,60}?\b(?:assist|help|fulfil|comply|answer|provide|complete|do"
    r" that|ayudar|responder|cumplir|proporcionar|realizar|satisfacer)"
)
