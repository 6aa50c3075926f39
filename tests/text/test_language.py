"""Folding, words and the language of a text: one implementation, in bounded time."""

from __future__ import annotations

import ast
import unicodedata
from pathlib import Path

import pytest

import orch
from orch.classifier.keyword_rules import forced_classification
from orch.text import language
from orch.text.language import detect_language, fold, likely_language, split_words
from orch.types import TaskType

MARKS = "a" + "\u0301\u0316" * 50_000


@pytest.fixture
def normalized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that are normalized, which takes quadratic time in marks."""
    lengths: list[int] = []

    def normalize(form: str, text: str) -> str:
        lengths.append(len(text))
        return unicodedata.normalize(form, text)  # type: ignore[arg-type]

    monkeypatch.setattr(language, "normalize", normalize)
    return lengths


def test_combining_marks_are_folded_a_slice_at_a_time(normalized: list[int]) -> None:
    assert fold(MARKS) == fold(MARKS, keep="ñ", form="NFD") == "a"
    assert max(normalized) <= language.SLICE_CHARS


def test_slicing_does_not_change_the_result() -> None:
    text = "Ñandú ﬁn ế 가각 " * 400
    marked = unicodedata.normalize("NFKD", text.lower())
    assert fold(text) == "".join(each for each in marked if not unicodedata.combining(each))


@pytest.mark.parametrize(
    ("text", "folded", "kept"),
    [("AÑO", "ano", "año"), ("Cómo", "como", "como"), ("x²", "x2", "x²")],
)
def test_a_letter_and_compatibility_characters_can_be_kept(
    text: str, folded: str, kept: str
) -> None:
    assert (fold(text), fold(text, keep="ñ", form="NFD")) == (folded, kept)


@pytest.mark.parametrize(
    ("text", "detected", "likely"),
    [
        ("What is the capital of Peru?", "en", "en"),
        ("¿Cuál es la capital de Perú?", "es", "es"),
        ("¡hola!", "es", "es"),
        ("nosotros tenemos nuestras", "", "es"),
        ("sea level", "", "en"),
        ("Kubernetes", "", "en"),
        ("", "", "en"),
    ],
)
def test_the_language_of_a_text(text: str, detected: str, likely: str) -> None:
    words = split_words(fold(text))
    assert (detect_language(text, words), likely_language(text, words)) == (detected, likely)


def test_a_language_is_detected_from_the_head_of_a_text(normalized: list[int]) -> None:
    forced_classification(TaskType.CODING, MARKS * 10)
    assert sum(normalized) <= language.HEAD_CHARS


def test_only_the_modules_of_words_fold_text_and_in_slices() -> None:
    """`unicodedata.normalize` is slow on long runs of marks, and its forms differ: the language's
    folding, and the index's of words, take it slice by slice."""
    users = {
        path.relative_to(Path(orch.__file__).parent).as_posix()
        for path in Path(orch.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and "unicodedata" in (getattr(node, "module", None), *(each.name for each in node.names))
    }
    assert users == {"text/language.py", "text/segmentation.py"}
