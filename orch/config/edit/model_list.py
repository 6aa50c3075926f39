"""The model list in the text of models.yaml: entries are added, become comments, and are restored
from them (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from orch.config.edit.yaml_editor import EditableYaml
from orch.errors import ConfigError
from orch.text.model_names import comparison_key
from orch.types import ModelKey

_GUESSED = "guessed from its size, until measured"


def full_key(key: ModelKey) -> ModelKey:
    """The key with the model's comparison key as its name."""
    return ModelKey(key.provider, comparison_key(key.model))


def key_of(entry: Any) -> ModelKey:
    """Provider and comparison key of an entry, valid or not."""
    fields = entry if isinstance(entry, Mapping) else {}
    model = comparison_key(str(fields.get("id", "")))
    return ModelKey(str(fields.get("provider") or "ollama"), model)


def listed_keys(document: EditableYaml) -> set[ModelKey]:
    """The models that the file lists."""
    return {key_of(entry) for entry in _entries(document)}


def index_of(document: EditableYaml, key: ModelKey) -> int | None:
    """The index of a model's entry; None if the file does not list it."""
    keys = [key_of(entry) for entry in _entries(document)]
    return keys.index(full_key(key)) if full_key(key) in keys else None


def with_model(
    document: EditableYaml, model: Mapping[str, Any], guessed: Sequence[str] = ()
) -> EditableYaml:
    """Appends an entry. The `guessed` keys get a comment."""
    return document.with_item(("models",), model, dict.fromkeys(guessed, _GUESSED))


def without_model(document: EditableYaml, key: ModelKey) -> EditableYaml:
    """Makes a model's entry a comment; an entry of a flow list is removed. Raises ConfigError."""
    index = index_of(document, key)
    if index is None:
        raise ConfigError(f"{document.file} does not list {key.model}", "review the change again")
    extent = _extent(document, index)
    if extent is None:
        return document.without(("models", index))
    begin, end, column = extent
    lines = document.text[begin:end].split("\n")
    padded = (line if line.strip() else " " * column + line for line in lines)
    commented = "\n".join(f"{line[:column]}#{line[column:]}" for line in padded)
    return EditableYaml.parse(
        document.file, document.text[:begin] + commented + document.text[end:]
    )


def _extent(document: EditableYaml, index: int) -> tuple[int, int, int] | None:
    """Begin and end of the lines of an entry, and the column of its dash; None in a flow list.
    Lines that are indented further belong to it."""
    tree, models = document.tree, document.tree.find(("models",))
    if models is None or models.is_flow:
        return None
    entry = models.entries[index]
    dash, column = tree.dash(entry.value), tree.column(models)
    end = tree.last_line_end(tree.entry_end(entry), column)
    return tree.line_start(dash), end, column


def restored(document: EditableYaml, key: ModelKey) -> EditableYaml | None:
    """Makes the comment of a model an entry again; None if there is none."""
    lines = document.text.split("\n")
    for first, line in enumerate(lines):
        start = re.match(r"( *)#- ", line)
        if start is None:
            continue
        last = _last_of_comment(lines, first, start.group(1))
        entry = [each.replace("#", "", 1) for each in lines[first : last + 1]]
        text = "\n".join((*lines[:first], *entry, *lines[last + 1 :]))
        try:
            edited = EditableYaml.parse(document.file, text)
        except ConfigError:
            continue  # a comment that only resembles an entry
        if listed_keys(edited) == listed_keys(document) | {full_key(key)}:
            return edited
    return None


def _last_of_comment(lines: Sequence[str], first: int, indent: str) -> int:
    """The number of the last line of an entry that is a comment."""
    more = re.compile(rf"{indent}#(  |\s*$)")
    last = first
    while last + 1 < len(lines) and more.match(lines[last + 1]):
        last += 1
    return last


def _entries(document: EditableYaml) -> Sequence[Any]:
    entries = document.data.get("models")
    return entries if isinstance(entries, list) else ()
