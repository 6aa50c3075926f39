"""English and Spanish: texts are written in English where they are used, and translated with the
gettext catalogues of `orch/locale` (`python -m tests.support.catalogues` updates them)."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

import orch

LANGUAGES = ("en", "es")
DOMAIN = "orch"
LOCALE_DIR = Path(orch.__file__).with_name("locale")


def N_(text: str) -> str:
    """Marks a text for extraction; it is translated where it is shown."""
    return text


def preferred_language(accept_language: str) -> str:
    """The supported language that an Accept-Language header prefers; English by default."""
    preferences = []
    for position, part in enumerate(accept_language.lower().split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            preferences.append((-float(weight or 1), position, name.split("-")[0]))
        except ValueError:
            continue
    accepted = (name for weight, _, name in sorted(preferences) if weight < 0)
    return next((name for name in accepted if name in LANGUAGES), "en")


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into a language; English is the language of the source."""
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE_DIR, [language])


class Translator:
    """Translates texts into one language and fills in the values of their braces."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogue = catalogue(language)

    def __call__(self, text: str, **values: object) -> str:
        """The text in this language."""
        translated = self._catalogue.gettext(text)
        return translated.format(**values) if values else translated

    def ngettext(self, singular: str, plural: str, n: int, **values: object) -> str:
        """The text for `n` things; `{n}` in it is the number."""
        translated = self._catalogue.ngettext(singular, plural, n)
        return translated.format(n=self.number(n), **values)

    def pgettext(self, context: str, text: str) -> str:
        """The text where its translation depends on what it describes."""
        return self._catalogue.pgettext(context, text)

    def number(self, value: float, digits: int = 0) -> str:
        """A number as the language writes it: 1,234.5 or 1.234,5."""
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", ".,")) if self.language == "es" else text
