"""Edits models.yaml, keeping comments and order: directly, or as a change that is shown before it
is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from orch.config import paths
from orch.config.discovery import (
    FILES,
    SourceFile,
    find_sources,
    packaged_file,
    trusted_source,
    working_directory,
)
from orch.config.edit.file_change import FileChange, read_text, write_text
from orch.config.edit.model_list import (
    full_key,
    index_of,
    key_of,
    listed_keys,
    restored,
    with_model,
    without_model,
)
from orch.config.edit.yaml_editor import EditableYaml
from orch.errors import ConfigError
from orch.types import ModelKey

GUESSED = ("speed_rating",)
"""Keys that are derived from a model's size. Quality is not: a rating in the file is the user's."""


def ensure_own_file(config_dir: Path | None = None) -> Path:
    """The models.yaml in use, if it is the user's; otherwise the user's own path, to which the
    shipped file is copied."""
    path, text, is_new = _starting_text(config_dir)
    if is_new:
        paths.write_private(path, text)
    return path


def add_model(path: Path, model: dict[str, Any], guessed: Sequence[str] = ()) -> None:
    """Appends a model to the file. Raises ConfigError and leaves the file unchanged. The `guessed`
    keys get a comment."""
    document = EditableYaml.parse(str(path), read_text(path))
    write_text(path, with_model(document, model, guessed).text, is_new=False)


def propose_listing(
    config_dir: Path | None,
    listed: Sequence[Mapping[str, Any]],
    dropped: Sequence[ModelKey],
    unlisted: Literal["use", "ignore"],
) -> FileChange:
    """The change that lists some models, removes others and sets how unlisted ones are treated.
    Raises ConfigError; writes nothing.

    `listed` are entries of the file. A removed model becomes a comment, from which it can be
    restored.
    """
    path, document, is_new = _starting_document(config_dir)
    before = document
    for key in dropped:
        document = without_model(document, key)
    for entry in listed:
        document = restored(document, key_of(entry)) or with_model(document, entry, GUESSED)
    document = _with_unlisted(document, unlisted)
    wanted = {*listed_keys(before), *map(key_of, listed)} - {full_key(key) for key in dropped}
    return _checked(config_dir, FileChange(path, before.text, document.text, is_new), wanted)


def propose_embedded_model(config_dir: Path | None, model: dict[str, Any]) -> FileChange:
    """The change that adds a model to the embedded provider, or updates it. Raises ConfigError;
    writes nothing."""
    path, before, is_new = _starting_document(config_dir)
    name, document = _with_embedded_provider(before)
    key = ModelKey(name, str(model["id"]))
    index = index_of(document, key)
    if index is None:
        document = with_model(document, {"id": model["id"], "provider": name, **model})
    else:
        for field, value in model.items():
            if document.data["models"][index].get(field) != value:
                document = document.with_entry(("models", index, field), value)
    change = FileChange(path, before.text, document.text, is_new)
    return _checked(config_dir, change, {*listed_keys(before), full_key(key)})


def propose_provider(
    config_dir: Path | None, name: str, provider: dict[str, Any]
) -> tuple[FileChange, str]:
    """The change that adds a server, and its name in the file. Raises ConfigError; writes
    nothing."""
    path, before, is_new = _starting_document(config_dir)
    free = _free_name(name, before.data.get("providers") or ())
    document = _with_provider(before, free, provider)
    change = FileChange(path, before.text, document.text, is_new)
    return _checked(config_dir, change, listed_keys(before)), free


def _starting_text(config_dir: Path | None) -> tuple[Path, str, bool]:
    """The file to edit, the text that it starts from, and whether it is new."""
    sources, _ = find_sources(config_dir, os.environ, working_directory())
    source = sources["models"]
    if source.origin in ("environment", "flag", "directory", "user"):
        return source.path, read_text(source.path), False
    return (
        paths.config_dir() / FILES["models"],
        packaged_file("models").read_text(encoding="utf-8"),
        True,
    )


def _starting_document(config_dir: Path | None) -> tuple[Path, EditableYaml, bool]:
    path, text, is_new = _starting_text(config_dir)
    return path, EditableYaml.parse(str(path), text), is_new


def _with_embedded_provider(document: EditableYaml) -> tuple[str, EditableYaml]:
    """The name of the provider inside orch, and the document with it."""
    providers = document.data.get("providers") or {}
    for name, provider in providers.items():
        if isinstance(provider, dict) and provider.get("kind") == "llamacpp":
            return name, document
    free = _free_name("embedded", providers)
    return free, _with_provider(document, free, {"kind": "llamacpp"})


def _with_provider(document: EditableYaml, name: str, provider: Mapping[str, Any]) -> EditableYaml:
    if "providers" not in document.data:
        return document.with_entry(("providers",), {name: provider})
    return document.with_entry(("providers", name), provider)


def _free_name(name: str, taken: Any) -> str:
    return next(
        each
        for each in (name, *(f"{name}-{number}" for number in range(2, 1000)))
        if each not in taken
    )


def _with_unlisted(document: EditableYaml, unlisted: str) -> EditableYaml:
    if document.data.get("unlisted", "use") == unlisted:
        return document
    first = next(iter(document.data), "")
    return document.with_entry(("unlisted",), unlisted, at=1 if first == "version" else 0)


def _checked(config_dir: Path | None, change: FileChange, wanted: set[ModelKey]) -> FileChange:
    """The change. Raises ConfigError if the new text is not valid, or lists other models than
    `wanted`."""
    from orch.config.validate import validated_data

    sources, _ = find_sources(config_dir, os.environ, working_directory())
    sources["models"] = sources["models"]._replace(path=change.path, text=change.after)
    base: dict[str, SourceFile | None] = {
        which: trusted_source(which, os.environ) if source.origin == "directory" else None
        for which, source in sources.items()
    }
    validated_data(sources, base, os.environ)
    if listed_keys(EditableYaml.parse(str(change.path), change.after)) != wanted:
        raise ConfigError(
            f"{change.path} is written in a way that can't be changed here",
            "change it in an editor",
        )
    return change
