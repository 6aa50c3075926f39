"""Graders: right answers in unusual form count, wrong ones that look right do not."""

from __future__ import annotations

from typing import Any

import pytest

from orch.bench.check_forms import (
    CHECK_FORMS,
    Exact,
    Items,
    JsonSchema,
    Number,
    Regex,
    Rubric,
    UnitTests,
)
from orch.bench.graders.grade import Grade
from orch.bench.grading import GRADERS, grade
from orch.bench.sandbox import SandboxResult
from orch.bench.suite import SuiteTask
from orch.types import TaskType

PROMPT = (
    "Which city is the capital of Australia: Sydney, Melbourne or Canberra? Think about it and tell"
    " me your answer."
)


def graded(check: Any, answer: str, lang: str = "en", prompt: str = PROMPT) -> Grade:
    """The grade of an answer to a task with this one check."""
    return grade(SuiteTask("t", TaskType.SIMPLE, lang, prompt, (check,)), answer)


def test_every_form_has_its_grader() -> None:
    assert set(GRADERS) == set(CHECK_FORMS.values())


@pytest.mark.parametrize(
    "check",
    [
        Exact(exact=("x",)),
        Number(number=0),
        Rubric(max_words=9),
        Regex(regex=".*"),
        Items(items=(("x",),)),
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n",
        "<think>it must be x",
        "<|im_end|>",
        PROMPT,
        "I'm sorry, but I can't help with that.",
        "Lo siento, no puedo ayudar con eso.",
    ],
)
def test_no_answer_an_echo_and_a_refusal_score_nothing(check: Any, answer: str) -> None:
    assert graded(check, answer).score == 0


@pytest.mark.parametrize(
    "answer",
    [
        "Canberra",
        "canberra.",
        "**Canberra**",
        '"Canberra"',
        "`Canberra`",
        "Answer: Canberra",
        "\\boxed{Canberra}",
        "# Canberra\n",
        "¡CANBERRA!",
    ],
)
def test_an_exact_answer_may_be_dressed_up(answer: str) -> None:
    assert graded(Exact(exact=("Canberra",)), answer).passed


@pytest.mark.parametrize(
    "answer",
    [
        "Sydney",
        "It is Canberra, I think",
        "Sydney, Melbourne or Canberra",
        "not Canberra",
        "Answer: Sydney, not Canberra",
    ],
)
def test_an_exact_answer_stands_alone(answer: str) -> None:
    assert not graded(Exact(exact=("Canberra",)), answer).passed


CONCLUSION = Exact(exact=("Canberra",), answer_only=False, rivals=("Sydney", "Melbourne"))


@pytest.mark.parametrize(
    "answer",
    [
        "Sydney is larger, but the seat of parliament decides. So the capital is Canberra.",
        "Canberra is the capital. It was founded in 1913.",
        "Canberra, because parliament sits there.",
        "Melbourne was the seat until 1927.\n\n**Answer:** Canberra",
        "Step 1: Sydney is not it.\nCanberra",
        "Answer: Canberra has been it since 1913.",
    ],
)
def test_a_conclusion_is_found(answer: str) -> None:
    assert graded(CONCLUSION, answer).passed


@pytest.mark.parametrize(
    "answer",
    [
        "The capital is not Canberra.",
        "Canberra is not the capital.",
        "Canberra, Sydney or Melbourne.",
        "The capital is Sydney, Melbourne, or: Canberra",
        "Canberra is a nice town.\nAnswer: Sydney",
        "It was thought to be Canberra, though it is Sydney.",
        "Canberra no es la capital.",
        "Answer: Canberra is not it.",
        "Answer: Canberra isn't it.",
        "Answer: Canberra or Perth",
    ],
)
def test_a_conclusion_is_not_made_up(answer: str) -> None:
    assert not graded(CONCLUSION, answer).passed


@pytest.mark.parametrize(
    ("answer", "lang", "value"),
    [
        ("1,234.5", "en", 1234.5),
        ("1.234,5", "es", 1234.5),
        ("1.234", "es", 1234),
        ("3,5", "es", 3.5),
        ("3.5", "es", 3.5),
        ("1 234 567", "en", 1234567),
        ("-7", "en", -7),
        ("−7 °C", "en", -7),
        ("$42", "en", 42),
        ("42 €", "es", 42),
        ("3/4", "en", 0.75),
        ("1 1/2", "en", 1.5),
        ("½", "en", 0.5),
        ("\\frac{5}{36}", "en", 5 / 36),
        ("25%", "en", 25),
        ("25 %", "en", 0.25),
        ("1.2e5", "en", 120000),
        ("1.2 × 10^5", "en", 120000),
        ("3·10⁸ m/s", "es", 3e8),
        ("about 2 million", "en", 2e6),
        ("Twelve.", "en", 12),
        ("dieciséis", "es", 16),
        ("We need 3 boxes of 4, 3 × 4 = 12", "en", 12),
        ("First 5, then 7.\nAnswer: 12 apples\n(5 of them are red)", "en", 12),
        ("The answer is \\boxed{1{,}200}. I checked 3 times.", "en", 1200),
        ("5 + 7 makes **12** in all", "en", 12),
        ("Respuesta: 3 + 4 = 7", "es", 7),
        ("The result is 8,\nas 2^3 = 8", "en", 8),
        (".5", "en", 0.5),
    ],
)
def test_the_final_number_is_read_in_its_language(answer: str, lang: str, value: float) -> None:
    assert graded(Number(number=value, tolerance=1e-9), answer, lang).passed


@pytest.mark.parametrize(
    "answer",
    [
        "42 is wrong, it is 41",
        "42\nAnswer: 41",
        "4.2",
        "42,000",
        "forty",
        "-42",
        "41 or 42 or 43",
        "1e999",
    ],
)
def test_a_number_among_the_working_does_not_count(answer: str) -> None:
    assert not graded(Number(number=42), answer).passed


@pytest.mark.parametrize(
    "answer",
    [
        "- apple\n- pear",
        "1. Apple\n2. **Pear**",
        "apple, pear",
        "apple and pear",
        '["apple", "pear"]',
        '```json\n["pear", "apple"]\n```',
        "The fruits are apple and pear.",
        "apple\npear",
        "* Pear: sweet\n* Apple (red)",
        "Answer: apple; pear",
    ],
)
def test_a_set_is_read_from_any_list(answer: str) -> None:
    assert graded(Items(items=(("apple",), ("pear",))), answer).passed


def test_a_set_that_names_everything_is_penalised() -> None:
    everything = "apple, pear, nut, leek, bean, rice, corn, oats"
    assert graded(Items(items=(("apple",), ("pear",))), everything).score == pytest.approx(0.4)
    assert graded(Items(items=(("apple",), ("pear",)), extra="allow"), everything).passed


def test_order_counts_where_it_is_asked_for() -> None:
    check = Items(items=(("a1",), ("b1",), ("c1",)), ordered=True)
    assert graded(check, "a1, b1, c1").passed
    assert graded(check, "c1, b1, a1").score == pytest.approx(1 / 3)


def test_a_repeated_item_counts_once() -> None:
    assert graded(Items(items=(("a1",), ("b1",))), "a1, a1, a1").score < 0.7


SCHEMA = JsonSchema(
    json_schema={"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    equals={"a": 1, "b[0]": "x"},
)


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": 1, "b": ["X"]}',
        'Here:\n```json\n{"a": 1, "b": ["x"]}\n```\nDone {ok}.',
        'It is {"a": 1, "b": ["x"]} I think',
    ],
)
def test_json_is_found_in_fences_and_prose(answer: str) -> None:
    assert graded(SCHEMA, answer).passed


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        ('{"a": "1"}', 0.01),
        ('{"a": true, "b": ["x"]}', 0.4),
        ("a: 1", 0),
        ('{"a": 1', 0),
        ('{"a": 2, "b": ["y"]}', 0.4),
    ],
)
def test_json_must_fit(answer: str, most: float) -> None:
    assert graded(SCHEMA, answer).score <= most


CODE = UnitTests(entry="double", code="assert double(2) == 4\nassert double(0) == 0")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("def double(x):\n    return x +", "not valid Python"),
        ("def twice(x):\n    return 2 * x", "does not define double"),
        ("def double(x):\n    pass", "stub"),
        ('def double(x):\n    """Doubles."""\n    ...', "stub"),
        ("def double(x):\n    raise NotImplementedError", "stub"),
        ("def double():\n    return 4", "takes 0 parameters"),
        ("def double(x, y):\n    return 4", "takes 2 parameters"),
        ("Just multiply it by two.", "not valid Python"),
    ],
)
def test_code_that_is_not_run_is_judged_by_its_form(answer: str, why: str) -> None:
    found = graded(CODE, answer)
    assert found.score == 0
    assert found.how == "static"
    assert why in found.why


def test_code_that_was_not_run_says_so() -> None:
    found = graded(CODE, "```python\ndef double(x):\n    return 3\n```")
    assert (found.score, found.how) == (1, "static")
    assert "not run" in found.why


def test_the_tests_decide_where_code_is_run() -> None:
    seen = []

    def execute(code: str, tests: str) -> SandboxResult:
        seen.append((code, tests))
        return SandboxResult(1, 2, ("assert double(0) == 0",))

    found = grade(
        SuiteTask("t", TaskType.CODING, "en", PROMPT, (CODE,)),
        "def double(x):\n    return 4",
        execute,
    )
    assert (found.score, found.how) == (0.5, "executed")
    assert "double(0)" in found.why
    assert seen == [("def double(x):\n    return 4", CODE.code)]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("sql", "Use a join."), ("regex", "digits then a colon"), ("regex", "([0-9")],
)
def test_prose_is_no_code(kind: Any, answer: str) -> None:
    assert graded(UnitTests(language=kind, code="assert answer"), answer).score == 0


def test_quotes_around_a_pattern_are_removed() -> None:
    codes = []
    task = SuiteTask(
        "t", TaskType.CODING, "en", PROMPT, (UnitTests(language="regex", code="assert answer"),)
    )
    for answer in ["```regex\n\\d+\n```", "`\\d+`", "r'\\d+'", "/\\d+/", "The pattern is `\\d+`."]:
        grade(task, answer, lambda code, _: codes.append(code) or SandboxResult(1, 1))  # type: ignore[func-returns-value]
    assert set(codes) == {"answer = '\\\\d+'"}


def test_a_regex_can_look_at_the_code_only() -> None:
    answer = "Never use rm here:\n```bash\nls -l\n```"
    assert not graded(Regex(regex="rm", inside="code"), answer).passed
    assert graded(Regex(regex="rm"), answer).passed


TEXT = "# A day out\n\n- We went to the **zoo**, and it rained.\n- Nobody minded."


@pytest.mark.parametrize(
    "rubric",
    [
        Rubric(language="en"),
        Rubric(min_words=12, max_words=14),
        Rubric(min_lines=3, max_lines=3),
        Rubric(starts=("a day out",), ends=("minded",)),
        Rubric(must=(("rain*",), ("circus", "zoo"))),
        Rubric(must=(("/^- nobody/",),)),
        Rubric(must_not=("sun", "oo")),
        Rubric(lines=("day", "^- We", "^- Nobody")),
        Rubric(sections=("A day out",)),
        Rubric(acrostic="awn"),
        Rubric(max_sentence_words=12),
    ],
)
def test_conditions_on_a_text_are_met(rubric: Rubric) -> None:
    assert graded(rubric, TEXT, prompt="x").passed


@pytest.mark.parametrize(
    "rubric",
    [
        Rubric(language="es"),
        Rubric(min_words=40),
        Rubric(max_words=5),
        Rubric(min_lines=9),
        Rubric(max_chars=10),
        Rubric(starts=("Zoo",)),
        Rubric(must=(("rai",),)),
        Rubric(must_not=("/ZOO/",)),
        Rubric(sections=("Prices",)),
        Rubric(acrostic="zoo"),
        Rubric(lines=("^- We",)),
    ],
)
def test_conditions_on_a_text_are_missed(rubric: Rubric) -> None:
    assert graded(rubric, TEXT, prompt="x").score == 0


def test_a_rubric_scores_the_share_that_is_met() -> None:
    assert graded(Rubric(must=(("zoo",), ("lion",), ("bear",), ("rained",))), TEXT).score == 0.5


def test_keeping_the_limits_alone_earns_nothing() -> None:
    assert graded(Rubric(must=(("lion",),), must_not=("zebra",), max_words=100), TEXT).score == 0


def test_a_text_that_goes_round_in_circles_scores_nothing() -> None:
    assert graded(Rubric(min_words=5), "the lion is in the zoo and " * 8).score == 0


def test_several_checks_count_with_their_mean() -> None:
    task = SuiteTask("t", TaskType.SIMPLE, "en", PROMPT, (Number(number=4), Regex(regex="because")))
    assert grade(task, "4").score == 0.5
