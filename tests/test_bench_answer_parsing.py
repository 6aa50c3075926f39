"""What is extracted from an answer: the visible text, its final number, its items, its code."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from orch.bench.answer_parsing import (
    extract_code,
    extract_python,
    final_number,
    find_definition,
    labelled_answer,
    listed_items,
    normalized,
    parse_python,
    visible_answer,
)

PROMPT = (
    "Which city is the capital of Australia: Sydney, Melbourne or Canberra? Think about it and tell"
    " me your answer."
)


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ("<think>Sydney?</think>\nCanberra", "Canberra"),
        ("so it is Sydney... no</think>Canberra", "Canberra"),
        ("<thinking>a</thinking>b<|im_end|>", "b"),
        (f"{PROMPT}\nCanberra", "Canberra"),
    ],
)
def test_thoughts_marks_and_a_repeated_prompt_are_removed(answer: str, seen: str) -> None:
    assert visible_answer(answer, PROMPT) == seen


def test_an_answer_without_number_has_none() -> None:
    assert final_number("I am not sure", "en") == []


def test_spanish_lists_are_divided_too() -> None:
    assert listed_items("Son pan, queso y vino.") == ["pan", "queso", "vino"]


@pytest.mark.parametrize(
    "answer",
    [
        (
            "Sure!\n```python\ndef double(x):\n    return 2 * x\n```\nUse it:\n```\n$ python"
            " double.py\n```"
        ),
        "```python\nN = 2\n```\nand\n```python\ndef double(x):\n    return N * x\n```",
        "Here it is:\n\ndef double(x):\n    return 2 * x\n\nIt multiplies by two.",
        "```\ndef double(x):\n    return 2 * x",
        "double = lambda x: 2 * x",
        "~~~py\ndef double(x): return x + x\n~~~",
    ],
)
def test_the_right_block_of_code_is_found(answer: str) -> None:
    space: dict[str, Any] = {}
    exec(extract_python(answer, "double"), space)
    assert space["double"](4) == 8


def test_a_later_version_of_the_code_replaces_an_earlier_one() -> None:
    code = extract_python(
        "```python\ndef f():\n    return 1\n```\nOops, better:\n```python\ndef f():\n    return"
        " 2\n```",
        "f",
    )
    assert code.rindex("return 2") > code.rindex("return 1")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Answer: 4\nAnswer: **5**", "5"),
        ("La respuesta es pan", "pan"),
        ("The answer: 1\n\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("It is four.", None),
    ],
)
def test_the_last_label_counts_and_a_box_before_it(text: str, label: str | None) -> None:
    assert labelled_answer(text) == label


@pytest.mark.parametrize("text", ["The **Moon**.", "¡moon!", "a  Moon", "> `MOON`"])
def test_form_does_not_matter_in_a_comparison(text: str) -> None:
    assert normalized(text) == "moon"


def test_the_last_definition_of_a_name_is_found() -> None:
    tree = parse_python("def f(): ...\nf = 3\nclass g: ...")
    assert ast.unparse(find_definition(tree, "f") or ast.Pass()) == "3"
    assert isinstance(find_definition(tree, "g"), ast.ClassDef)
    assert find_definition(tree, "h") is None
    assert parse_python("def f(") is None


def test_code_of_a_language_is_preferred_to_the_first_block() -> None:
    text = "```sh\nls\n```\n```sql\nSELECT 1\n```"
    assert extract_code(text, ("sql",)) == "SELECT 1"
    assert extract_code(text) == "ls"
    assert extract_code("Use `\\d+` here.") == "\\d+"
