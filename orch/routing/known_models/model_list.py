"""The known models of the package's file and of the user's own, with lookup by a name's stem."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from orch.routing.known_models.names import VENDORS, ParsedName, parse_name, token_kind

FILE = Path(__file__).with_name("known_models.yaml")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model. Sizes in billions, `year` as 2025.25. `modes` is by on and off (thinking): number
    of scores, newest month, and quality from 0 to 10 by task type."""

    name: str
    family: str
    params_b: float
    active_b: float | None = None
    year: float | None = None
    coder: bool = False
    ollama: tuple[str, ...] = ()
    modes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelLabel:
    """One parsed name of a known model: its own, or one of Ollama's library."""

    known: KnownModel
    name: ParsedName
    is_own: bool


class KnownModels:
    """The known models by the stem of their names, the families, and the regression for other
    models.

    A name is parsed once a name with the same first word is looked up: parsing all takes 8 ms,
    those of one machine one or two.
    """

    def __init__(
        self,
        models: Mapping[str, Mapping[str, Any]],
        families: Mapping[str, Mapping[str, Any]],
        formula: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.families, self.formula = families, formula
        self._unparsed: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for entry in models.values():
            for name in dict.fromkeys((entry["name"], *entry.get("ollama", ()))):
                self._unparsed.setdefault(_first_word(name), []).append((name, entry))
        self._labels: dict[str, list[ModelLabel]] = {}

    @classmethod
    def merge(cls, *contents: Mapping[str, Any]) -> KnownModels:
        """From validated contents; later ones replace models, families and types of earlier
        ones."""
        models = {
            entry["name"]: entry for content in contents for entry in content.get("models", ())
        }
        families = {
            name: family
            for content in contents
            for name, family in content.get("families", {}).items()
        }
        return cls(
            models,
            families,
            {
                task: line
                for content in contents
                for task, line in content.get("formula", {}).items()
            },
        )

    def labels(self, stem: str) -> Sequence[ModelLabel]:
        """The labels with that stem."""
        for end in range(1, len(stem) + 1):
            for name, entry in self._unparsed.pop(stem[:end], ()):
                label = ModelLabel(_known(entry), parse_name(name), name == entry["name"])
                self._labels.setdefault(label.name.stem, []).append(label)
        return self._labels.get(stem, ())

    def year_of(self, family: str) -> float | None:
        """The release date of a family."""
        released = self.families.get(family, {}).get("released")
        return parse_month(released) if released else None


@lru_cache(maxsize=1)
def load_shipped() -> Mapping[str, Any]:
    """The package's file. Takes two milliseconds, so callers read it only on need; they must not
    change it."""
    text = FILE.read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(
        "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    )
    return content


def _first_word(name: str) -> str:
    """The first word of a name, with which its stem begins; the whole stem if that is a vendor or
    not a word."""
    first = name.lower().replace(":", "-").split("-", 1)[0]
    return parse_name(name).stem if first in VENDORS or token_kind(first) != "word" else first


def parse_month(month: str) -> float:
    """A month such as 2025-04 as a year."""
    return int(month[:4]) + (int(month[5:7]) - 1) / 12


def _known(entry: Mapping[str, Any]) -> KnownModel:
    released = entry.get("released")
    return KnownModel(
        entry["name"],
        entry["family"],
        entry["params_b"],
        entry.get("active_b"),
        parse_month(released) if released else None,
        entry.get("coder", False),
        tuple(entry.get("ollama", ())),
        entry.get("modes", {}),
    )
