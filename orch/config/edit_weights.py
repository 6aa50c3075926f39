"""Changes the weights in routing.yaml and nothing else: comments, order and formatting stay.

The numbers are replaced in the text. A round trip through ruamel.yaml, as for models.yaml, changes
bytes that nobody asked to change: it reformats the aligned values and wrapped lists of the shipped
file (ruamel.yaml 0.19, 2026-11-29), and of files that indent in another way.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orch.config import paths
from orch.config.discovery import FILES, SourceFile, find_sources, working_directory
from orch.config.load import trusted_sources
from orch.config.spec import TERMS
from orch.config.validate import validated_data
from orch.config.yaml_document import parse_yaml
from orch.errors import ConfigError

_NEW = (
    "# What is left out here is taken from the routing.yaml that orch ships. Every key: `orch"
    " config schema routing`.\nversion: 1\n"
)
_NOT_EDITABLE = "its weights stand in a form that only a person can change, such as an anchor"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """The user's routing.yaml: its text (empty if there is none yet), and the span of each weight
    in it."""

    path: Path
    text: str
    spans: Mapping[str, tuple[int, int]]
    is_new: bool = False

    @classmethod
    def read(cls, config_dir: Path | None = None) -> WeightsFile:
        """The file in use, or the user's own path while the shipped one is in use. Raises
        ConfigError if the file can't be edited."""
        source = _source(config_dir)
        is_new = source.origin == "package"
        path = paths.config_dir() / FILES["routing"] if is_new else source.path
        text = "" if is_new else source.text
        file = cls(path, text, _spans(str(path), text), is_new)
        _check_editable(file)
        return file

    def with_weights(self, weights: Mapping[str, float]) -> str:
        """The text with other weights. An unchanged number keeps its form."""
        if not self.spans:
            return _insert_weights(self.text or _NEW, weights)
        text = self.text
        for term, (begin, end) in sorted(self.spans.items(), key=lambda each: -each[1][0]):
            if not _equals(text[begin:end], weights[term]):
                text = text[:begin] + format_weight(weights[term]) + text[end:]
        return text

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
            replace(current, text=text)
            if exists
            else SourceFile("routing", self.path, "user", text)
        )
        validated_data(sources, trusted_sources(sources, os.environ), os.environ)
        try:
            _write(self.path, text, is_new=self.is_new)
        except OSError as error:
            raise ConfigError(f"{self.path} can't be written: {error.strerror or error}") from None


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


def _spans(file: str, text: str) -> dict[str, tuple[int, int]]:
    """The spans of the numbers in `weights`; empty if the key is missing."""
    import yaml

    document = parse_yaml(file, text)
    if document.problems:
        problems = [str(problem) for problem in document.problems]
        raise ConfigError(
            "\n".join(problems), "orch config validate shows what is wrong", problems=problems
        )
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = (
        {key.value: value for key, value in root.value}
        if isinstance(root, yaml.MappingNode)
        else {}
    )
    if "weights" not in entries:
        return {}
    node = entries["weights"]
    spans = (
        {key.value: (value.start_mark.index, value.end_mark.index) for key, value in node.value}
        if isinstance(node, yaml.MappingNode)
        else {}
    )
    if set(spans) != set(TERMS):
        raise ConfigError(
            f"{file}: weights must name {', '.join(TERMS)}",
            "orch config validate shows what is wrong",
        )
    return spans


def _insert_weights(text: str, weights: Mapping[str, float]) -> str:
    """The text with a line of weights after the version, or at its end."""
    ending = "\r\n" if "\r\n" in text else "\n"
    line = (
        "weights:"
        f" {{{', '.join(f'{term}: {format_weight(weights[term])}' for term in TERMS)}}}{ending}"
    )
    version = re.search(r"^version:[^\n]*(?:\n|\Z)", text, re.MULTILINE)
    begin, rest = (text[: version.end()], text[version.end() :]) if version else (text, "")
    return begin + ("" if not begin or begin.endswith("\n") else ending) + line + rest


def _equals(text: str, weight: float) -> bool:
    try:
        return float(text) == weight
    except ValueError:
        return False


def _check_editable(file: WeightsFile) -> None:
    """Raises ConfigError if saving would change anything but the weights."""
    probe = {term: 0.5 + place / 10 for place, term in enumerate(TERMS)}
    after = parse_yaml(str(file.path), file.with_weights(probe))
    before = parse_yaml(str(file.path), file.text or _NEW).data
    if after.problems or after.data != {
        **(before if isinstance(before, dict) else {}),
        "weights": probe,
    }:
        raise ConfigError(
            f"{file.path}: {_NOT_EDITABLE}",
            "change it with an editor: this page then shows what it says",
        )


def _write(path: Path, text: str, *, is_new: bool) -> None:
    if is_new:
        paths.write_private(path, text)
        return
    mark = b"\xef\xbb\xbf" if path.read_bytes().startswith(b"\xef\xbb\xbf") else b""
    paths.replace_content(path, mark + text.encode("utf-8"))
