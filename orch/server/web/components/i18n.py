"""English and Spanish: each text of the page is written in English where it is used, and looked up
in Spanish (pure)."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "es")


def preferred_language(accepted: str) -> str:
    """The best of our languages for an Accept-Language header; English where none is asked for."""
    wishes = []
    for place, part in enumerate(accepted.lower().split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((-float(weight or 1), place, name.split("-")[0]))
        except ValueError:
            continue
    return next(
        (name for weight, _, name in sorted(wishes) if name in LANGUAGES and weight < 0), "en"
    )


class Translator:
    """Says a text in one language. `spanish` holds the translations."""

    def __init__(self, language: str, *spanish: Mapping[str, str]) -> None:
        self.language = language
        self._spanish = {text: said for each in spanish for text, said in each.items()}

    def __call__(self, text: str, **values: object) -> str:
        """The text, with values put in its braces. English stands in for what is not translated."""
        said = self._spanish.get(text, text) if self.language == "es" else text
        return said.format(**values) if values else said

    def number(self, value: float, digits: int = 0) -> str:
        """A number as the language writes it: 1,234.5 or 1.234,5."""
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", ".,")) if self.language == "es" else text
