"""The suite: every fault of a user's file at once, and every shipped task tells a right answer from
a wrong one."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.bench import sandbox
from orch.bench.check_forms import Exact, Number, UnitTests
from orch.bench.grading import grade
from orch.bench.suite import SHIPPED_SUITE, SuiteTask, load_suite
from orch.config.yaml_document import parse_yaml
from orch.errors import ConfigError
from orch.types import TaskType

SUITE = load_suite()
ANSWERS: dict[str, dict[str, str]] = parse_yaml(
    "suite_answers.yaml", Path(__file__).with_name("suite_answers.yaml").read_text(encoding="utf-8")
).data
RUN = sandbox.run if sandbox.available() is None else None


def problems(folder: Path, text: str, name: str = "own.yaml") -> str:
    """What loading this text says, one fault a line."""
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_suite(folder / name)
    return "\n".join(caught.value.problems).replace(f"{folder}/", "")


def written(grader: str) -> str:
    """A suite of one task with this grader, at line 7."""
    return (
        "version: 1\ntasks:\n  - id: a\n    type: simple\n    lang: en\n    prompt: p\n    grade:"
        f" {grader}\n"
    )


# ---------------------------------------------------------------- the shipped tasks


def test_every_type_has_twenty_tasks_half_of_them_spanish() -> None:
    counts = Counter((task.type, task.lang) for task in SUITE.tasks)
    assert all(
        counts[task_type, "en"] >= 10 and counts[task_type, "es"] >= 10 for task_type in TaskType
    )


def test_every_task_has_its_reference_answers() -> None:
    assert set(ANSWERS) == {task.id for task in SUITE.tasks}


@pytest.mark.parametrize("task", SUITE.tasks, ids=lambda task: task.id)
def test_the_right_answer_is_right_and_the_wrong_one_wrong(task: SuiteTask) -> None:
    assert grade(task, ANSWERS[task.id]["right"], RUN).score >= 0.99
    if RUN is not None or not any(isinstance(check, UnitTests) for check in task.checks):
        assert grade(task, ANSWERS[task.id]["wrong"], RUN).score <= 0.5


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I don't know.",
        "Yes",
        "It depends on what you need. / Depende de lo que necesites.",
        "PROMPT",
    ],
)
def test_no_task_is_passed_by_a_useless_answer(answer: str) -> None:
    passed = [
        task.id
        for task in SUITE.tasks
        if grade(task, answer.replace("PROMPT", task.prompt)).score > 0.5
    ]
    assert passed == []


def test_no_task_is_there_twice() -> None:
    assert len({task.prompt for task in SUITE.tasks}) == len(SUITE.tasks)


# ---------------------------------------------------------------- a user's own file

OWN = """version: 1
tasks:
  - {id: a, type: simple, lang: en, prompt: "Capital of France?", grade: {exact: [Paris, Lutetia]}}
  - {id: b, type: reasoning, lang: es, prompt: "¿2 + 2?", system: Sé breve., max_tokens: 9,
     grade: {number: 4, tolerance: 0.5}}
"""


def test_an_own_suite_is_used_instead_of_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    suite = load_suite(tmp_path / "own.yaml")
    assert suite.name == "own.yaml"
    assert suite.tasks == (
        SuiteTask(
            "a", TaskType.SIMPLE, "en", "Capital of France?", (Exact(exact=("Paris", "Lutetia")),)
        ),
        SuiteTask(
            "b",
            TaskType.REASONING,
            "es",
            "¿2 + 2?",
            (Number(number=4, tolerance=0.5),),
            "Sé breve.",
            9,
        ),
    )


def test_an_own_suite_can_extend_the_shipped_one_and_replace_its_tasks(tmp_path: Path) -> None:
    own = OWN.replace("version: 1", "version: 1\nextends: shipped").replace(
        "id: b", "id: simple-en-01"
    )
    (tmp_path / "own.yaml").write_text(own, encoding="utf-8")
    suite = load_suite(tmp_path / "own.yaml")
    assert len(suite.tasks) == len(SUITE.tasks) + 1
    assert next(task for task in suite.tasks if task.id == "simple-en-01").prompt == "¿2 + 2?"
    assert suite.digest != SUITE.digest


def test_json_lines_are_the_same_suite(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    lines = [json.dumps(task) for task in parse_yaml("x", OWN).data["tasks"]]
    (tmp_path / "own.jsonl").write_text("\n".join(['{"version": 1}', *lines]), encoding="utf-8")
    assert load_suite(tmp_path / "own.jsonl").tasks == load_suite(tmp_path / "own.yaml").tasks


def test_all_faults_are_reported_at_once_with_their_positions(tmp_path: Path) -> None:
    said = problems(
        tmp_path,
        """version: 1
tasks:
  - id: a
    type: codin
    lang: en
    promt: hello
    prompt: p
    grade: {exact: x}
  - id: b
    type: simple
    lang: fr
    prompt: p
    grade: {exakt: x}
  - id: b
    type: simple
    lang: en
    prompt: " "
    grade: {exact: x, number: 3}
  - id: c
    type: simple
    lang: en
    prompt: p
    grade: {number: 3, tolerence: 1}
  - {id: d, type: simple, lang: en, prompt: p}
""",
    )
    assert "own.yaml:4:5: tasks[0].type: 'codin' is not allowed, did you mean coding?" in said
    assert "own.yaml:6:5: tasks[0].promt: unknown key, did you mean prompt?" in said
    assert "own.yaml:11:5: tasks[1].lang: 'fr' is not allowed; allowed: en or es" in said
    assert "own.yaml:13:5: tasks[1].grade: no grader, did you mean exact?" in said
    assert "own.yaml:14:5: tasks[2].id: 'b' is already the id of tasks[1]" in said
    assert "own.yaml:17:5: tasks[2].prompt: is empty" in said
    assert (
        "own.yaml:18:5: tasks[2].grade: two graders, exact and number; write them under `all`"
        in said
    )
    assert "own.yaml:23:24: tasks[3].grade.tolerence: unknown key, did you mean tolerance?" in said
    assert "tasks[4].grade: is missing" in said


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        ("{}", "no grader"),
        ("{regex: '(a+)+b'}", "grade.regex: the pattern could take too long"),
        ("{regex: '('}", "not a regular expression"),
        ("{number: many}", "must be a valid number"),
        ("{number: 1, tolerance: -1}", "greater than or equal to 0"),
        ("{json_schema: {typ: object}}", "json_schema.typ: unknown keyword, did you mean type?"),
        ("{json_schema: {pattern: '(a+)+b'}}", "json_schema.pattern: the pattern could take too"),
        ("{json_schema: {items: 3}}", "json_schema.items: must be a mapping of keys"),
        ("{json_schema: {minItems: -1}}", "json_schema.minItems: -1 is less than the minimum"),
        ("{json_schema: {anyOf: [{items: {maxLenght: 3}}]}}", "anyOf[0].items.maxLenght: unknown"),
        (
            "{json_schema: {properties: {a: {type: strin}}}}",
            "properties.a.type: unknown type strin",
        ),
        (
            "{json_schema: {anyOf: [{enum: []}]}}",
            "anyOf[0].enum: must not be empty",
        ),
        ("{tests: {entry: f, code: 'assert f('}}", "tests.code: the tests are not valid Python"),
        ("{tests: {entry: f, code: 'f()'}}", "tests.code: the tests have no assert"),
        ("{tests: {code: 'assert f()'}}", "tests.entry: must name the function"),
        ("{tests: {entry: f, langage: python, code: 'assert f()'}}", "did you mean language?"),
        ("{rubric: {}}", "rubric: has no condition"),
        ("{rubric: {must: [/(/]}}", "rubric.must[0]: not a regular expression"),
        ("{rubric: {min_word: 3}}", "rubric.min_word: unknown key, did you mean min_words?"),
        ("{rubric: {min_words: 0}}", "greater than or equal to 1"),
        ("{items: []}", "grade.items"),
        ("{items: [a], extra: ignore}", "'ignore' is not allowed; allowed: penalise or allow"),
        ("{all: []}", "grade.all: must be a list of graders"),
        ("{all: [{exact: x}, {exat: y}]}", "grade.all[1]: no grader, did you mean exact?"),
    ],
)
def test_a_fault_in_a_grader_is_reported(tmp_path: Path, grader: str, said: str) -> None:
    found = problems(tmp_path, written(grader))
    assert said in found
    assert "own.yaml:7:" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "tasks: is missing"),
        ("tasks: [", "not valid YAML"),
        ("- a", "mapping"),
        ("version: 2\ntasks: [1]", "version"),
        ("tasks: [1]", "tasks[0]: must be a mapping"),
    ],
)
def test_a_malformed_file_is_reported(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


def test_a_fault_in_json_lines_is_reported_with_its_line(tmp_path: Path) -> None:
    good = json.dumps(
        {"id": "a", "type": "simple", "lang": "en", "prompt": "p", "grade": {"exact": "x"}}
    )
    said = problems(
        tmp_path, f'{good}\n\n{good.replace("prompt", "promt")}\n{{"id": \n', "own.jsonl"
    )
    assert "own.jsonl:3:1: tasks[1].promt: unknown key, did you mean prompt?" in said
    assert "own.jsonl:4:8: not valid JSON" in said


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_suite(tmp_path / "none.yaml")


@settings(deadline=None)  # the first example imports jsonschema
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "all",
                        "exact",
                        "items",
                        "rubric",
                        "must",
                        "tests",
                        "code",
                        "json_schema",
                        "type",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_no_grader_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_text(
        json.dumps({"id": "a", "type": "simple", "lang": "en", "prompt": "p", "grade": data}),
        encoding="utf-8",
    )
    with suppress(ConfigError):
        assert load_suite(file).tasks


def test_the_shipped_file_is_beside_the_code() -> None:
    assert SHIPPED_SUITE.is_file()
