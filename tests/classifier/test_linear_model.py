"""The trained classifier: checked files, any text, bounded time, deterministic results."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.classifier.linear_model import WEIGHTS, LinearClassifier
from orch.types import TaskType

LEARNED = LinearClassifier.shipped()


def test_the_weights_are_those_of_the_report() -> None:
    report = json.loads(WEIGHTS.with_name("weights.report.json").read_text("utf-8"))
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == report["sha256"]


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 800_000


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not a weights file"):
        LinearClassifier(b"something else")


def test_a_shortened_file_is_refused() -> None:
    with pytest.raises(ValueError, match="another size"):
        LinearClassifier(WEIGHTS.read_bytes()[:-1])


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gets_a_complete_classification(text: str) -> None:
    result = LEARNED.classify(text)
    assert math.isclose(sum(result.scores.values()), 1.0, abs_tol=1e-9)
    assert set(result.scores) == set(TaskType)
    assert 0.0 <= result.confidence <= 1.0
    assert result == LEARNED.classify(text)


@pytest.mark.parametrize("text", ["", "   \n\t ", "\x00\x01\x02", "?!?", "😀😀😀", "\ud800"])
def test_a_text_without_evidence_is_simple_and_unsure(text: str) -> None:
    result = LEARNED.classify(text)
    assert result.task_type is TaskType.SIMPLE
    assert result.unsure
    assert not result.evidence


@pytest.mark.parametrize(
    "text",
    [
        "Schreibe bitte eine Funktion, die zwei Listen vergleicht und die Unterschiede ausgibt",
        "Écris une fonction qui compare les deux listes et affiche les différences pour moi",
        "Напиши функцию, которая сравнивает два списка",
        "请写一个函数比较两个列表",
        "Escreva uma função que compara as listas e não repita os nomes",
        "Proszę napisać krótkie opowiadanie o kocie, który boi się deszczu",
        "Kirjoita lyhyt runo syksystä ja metsästä",
        "Írj egy rövid verset az őszről",
        "Andika shairi fupi kuhusu mvua",
        "Skriv en kort dikt om havet",
    ],
)
def test_a_text_in_an_unknown_language_is_unsure(text: str) -> None:
    result = LEARNED.classify(text)
    assert result.unsure
    assert result.confidence < 0.3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write a python function that reverses a linked list", TaskType.CODING),
        ("escribe una función en python que invierta una lista", TaskType.CODING),
        ("Escribe un poema sobre el mar", TaskType.CREATIVE),
        ("where is the retry logic defined in this repository?", TaskType.EXPLORATION),
    ],
)
def test_plain_requests(text: str, expected: TaskType) -> None:
    assert LEARNED.classify(text).task_type is expected


@pytest.mark.parametrize(
    "text", ["Escribe una canción sobre el otoño en Málaga", "¿Cuál es la capital de Perú?"]
)
def test_accents_and_case_change_nothing(text: str) -> None:
    plain = text.upper().replace("Ó", "O").replace("Ñ", "N").replace("Á", "A").replace("Ú", "U")
    assert LEARNED.classify(plain).scores == LEARNED.classify(text).scores


def test_the_previous_turn_is_a_vote_for_a_short_text_only() -> None:
    short, long = (
        "shorter please",
        "write a python function that reverses a linked list of words and then counts the vowels",
    )
    assert (
        LEARNED.classify(short, TaskType.CREATIVE).scores[TaskType.CREATIVE]
        > LEARNED.classify(short).scores[TaskType.CREATIVE]
    )
    assert LEARNED.classify(long, TaskType.CREATIVE) == LEARNED.classify(long)


def test_the_evidence_names_words_of_the_text() -> None:
    result = LEARNED.classify("write a haiku about rain")
    assert any(
        "haiku" in each.feature for each in result.evidence if each.task_type is result.task_type
    )


def test_classification_needs_no_numpy() -> None:
    code = (
        "import sys; from orch.classifier.linear_model import LinearClassifier as L;"
        " L.shipped().classify('hi'); print('numpy' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "False"
    )
