"""Changes the weights in routing.yaml and nothing else: comments, order and formatting stay."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orch.config import paths
from orch.config.discovery import FILES, SourceFile, find_sources, working_directory
from orch.config.edit.file_change import write_text
from orch.config.edit.yaml_editor import EditableYaml
from orch.config.edit.yaml_writing import YamlText
from orch.config.load import trusted_sources
from orch.config.spec import TERMS
from orch.config.validate import validated_data
from orch.errors import ConfigError

_NEW = (
    "# What is left out here is taken from the routing.yaml that orch ships. Every key: `orch"
    " config schema routing`.\nversion: 1\n"
)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """The user's routing.yaml, in which the weights can be changed. `text` is empty if there is no
    file yet."""

    path: Path
    text: str
    document: EditableYaml
    is_new: bool = False

    @classmethod
    def read(cls, config_dir: Path | None = None) -> WeightsFile:
        """The file in use, or the user's own path while the shipped one is in use. Raises
        ConfigError if the file can't be edited."""
        source = _source(config_dir)
        is_new = source.origin == "package"
        path = paths.config_dir() / FILES["routing"] if is_new else source.path
        text = "" if is_new else source.text
        file = cls(path, text, EditableYaml.parse(str(path), text or _NEW), is_new)
        file._check_editable()
        return file

    @property
    def has_weights(self) -> bool:
        """Whether the file has weights of its own."""
        return "weights" in self.document.data

    def with_weights(self, weights: Mapping[str, float]) -> str:
        """The text with other weights. An unchanged number keeps its form."""
        if not self.has_weights:
            return _with_new_weights(self.document, weights).text
        return self.document.spliced(
            {
                ("weights", term): _number(weights[term])
                for term in TERMS
                if not _equals(self.document.source(("weights", term)) or "", weights[term])
            }
        )

    def diff(self, weights: Mapping[str, float]) -> list[str]:
        """The difference as lines of a unified diff; empty if there is none."""
        before, after = self.text.splitlines(), self.with_weights(weights).splitlines()
        name = str(self.path)
        return list(
            difflib.unified_diff(
                before, after, "/dev/null" if self.is_new else name, name, n=2, lineterm=""
            )
        )

    def save(self, weights: Mapping[str, float], config_dir: Path | None = None) -> None:
        """Writes the file with other weights, atomically. Raises ConfigError and leaves the file
        unchanged if it was changed since it was read, or would not be valid."""
        sources, _ = find_sources(config_dir, os.environ, working_directory())
        current = sources["routing"]
        exists = current.path == self.path and current.origin != "package"
        if exists == self.is_new or (exists and current.text != self.text):
            raise ConfigError(
                f"{self.path} has changed since",
                "review the difference again, then save",
            )
        text = self.with_weights(weights)
        sources["routing"] = (
            current._replace(text=text)
            if exists
            else SourceFile("routing", self.path, "user", text)
        )
        validated_data(sources, trusted_sources(sources, os.environ), os.environ)
        write_text(self.path, text, is_new=self.is_new)

    def _check_editable(self) -> None:
        """Raises ConfigError if saving would change anything but the weights."""
        probe = {term: 0.5 + place / 10 for place, term in enumerate(TERMS)}
        if not self.has_weights:
            _with_new_weights(self.document, probe)
            return
        weights = self.document.data["weights"]
        if not isinstance(weights, dict) or set(weights) != set(TERMS):
            raise ConfigError(
                f"{self.path}: weights must name {', '.join(TERMS)}",
                "orch config validate shows what is wrong",
            )
        self.document.with_values(
            {("weights", term): _number(weight) for term, weight in probe.items()}
        )


def format_weight(weight: float) -> str:
    """A weight with two decimals, or three if needed."""
    text = f"{weight:.3f}"
    return text.removesuffix("0")


def normalize_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights scaled to a sum of exactly 1, with two decimals; all equal if they are 0."""
    total = sum(weights.values())
    cents = {
        term: round(100 * weight / total) if total else round(100 / len(weights))
        for term, weight in weights.items()
    }
    cents[max(cents, key=lambda term: cents[term])] += 100 - sum(cents.values())
    return {term: share / 100 for term, share in cents.items()}


def _source(config_dir: Path | None) -> SourceFile:
    return find_sources(config_dir, os.environ, working_directory())[0]["routing"]


def _number(weight: float) -> YamlText:
    return YamlText(format_weight(weight))


def _with_new_weights(document: EditableYaml, weights: Mapping[str, float]) -> EditableYaml:
    """The file with a line of weights after the version, or at its end."""
    numbers = ", ".join(f"{term}: {format_weight(weights[term])}" for term in TERMS)
    keys = list(document.data)
    at = keys.index("version") + 1 if "version" in keys else None
    return document.with_entry(("weights",), YamlText(f"{{{numbers}}}"), at)


def _equals(text: str, weight: float) -> bool:
    try:
        return float(text) == weight
    except ValueError:
        return False
