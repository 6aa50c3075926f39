"""The translator, and the committed catalogues compared with the page's source."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog

from orch.server.web.components.i18n import Translator, preferred_language
from tests.support.catalogues import (
    KEYWORDS,
    SOURCE,
    compiled,
    extracted,
    forms,
    ids,
    is_translated,
    messages,
    translated,
)

OMITTED = {"why"}
"""A provider's message, which is English: a translation may leave it out."""
COMMAND = "run: uv run python -m tests.support.catalogues"


def test_every_text_has_a_translation() -> None:
    assert _texts(extracted()).keys() - _texts(translated("es")).keys() == set(), COMMAND
    empty = [message.id for message in messages(translated("es")) if not is_translated(message)]
    assert empty == [], "translate them in es.po"


def test_no_translation_is_unused() -> None:
    assert _texts(translated("es")).keys() - _texts(extracted()).keys() == set(), COMMAND


def test_the_compiled_catalogue_is_up_to_date() -> None:
    assert _texts(compiled("es")) == _texts(translated("es")), COMMAND


def test_translations_have_the_same_placeholders() -> None:
    for message in messages(translated("es")):
        allowed = [_placeholders(text) for text in ids(message)]
        for form in forms(message):
            used = _placeholders(form)
            assert any(used <= names and names - used <= OMITTED for names in allowed), form


def test_no_text_is_inside_an_f_string_where_babel_does_not_see_it() -> None:
    hidden = [
        f"{path.name}:{call.lineno}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr)
        for call in _text_calls(node)
    ]
    assert hidden == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en;q=0.5, es;q=0.7", "es"),
        ("es;q=0, en;q=0.1", "en"),
        ("es;q=nonsense, en", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_prefers(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_texts_numbers_and_plurals_are_in_the_language() -> None:
    spanish, english = Translator("es"), Translator("en")
    assert spanish("Model {name}", name="x") == "Model x"  # a text without a translation
    assert (spanish("Send"), english("Send")) == ("Enviar", "Send")
    assert [spanish.ngettext("{n} turn", "{n} turns", n) for n in (1, 2_000)] == [
        "1 turno",
        "2.000 turnos",
    ]
    assert (spanish("failed"), spanish.pgettext("attempt", "failed")) == ("fallida", "falló")
    assert (spanish.number(1234.5, 1), english.number(1234.5, 1)) == ("1.234,5", "1,234.5")


def _texts(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The translations by context and English text."""
    return {
        (message.context or "", *ids(message)): forms(message) for message in messages(catalogue)
    }


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _text_calls(node: ast.AST) -> Iterator[ast.Call]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
            name = ast.unparse(call.func).rpartition(".")[2]
            yield from [call] if name in KEYWORDS else []
