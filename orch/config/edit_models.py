"""Edits the model list of models.yaml, keeping comments and order: directly, or as a change that is
shown before it is written."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from orch.config import files, paths
from orch.config.discovery import (
    FILES,
    MOST_BYTES,
    SourceFile,
    find_sources,
    packaged_file,
    trusted_source,
    working_directory,
)
from orch.config.spec import canonical_model_name
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


def _starting_text(config_dir: Path | None) -> tuple[Path, str, bool]:
    """The file to edit, the text that it starts from, and whether it is new."""
    sources, _ = find_sources(config_dir, os.environ, working_directory())
    source = sources["models"]
    if source.origin in ("environment", "flag", "directory", "user"):
        return source.path, _read(source.path), False
    return (
        paths.config_dir() / FILES["models"],
        packaged_file("models").read_text(encoding="utf-8"),
        True,
    )


def add_model(path: Path, model: dict[str, Any], guessed: Sequence[str] = ()) -> None:
    """Appends a model to the file. Raises ConfigError and leaves the file unchanged. The `guessed`
    keys get a comment."""
    _replace(path, _with_model(path, _read(path), model, guessed))


def _with_model(path: Path, text: str, model: Mapping[str, Any], guessed: Sequence[str]) -> str:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    yaml, data = _load(path, text)
    if data.get("models") is None:
        data["models"] = CommentedSeq()
    new = CommentedMap(model)
    if "strengths" in new:
        strengths = CommentedSeq(new["strengths"])
        strengths.fa.set_flow_style()
        new["strengths"] = strengths
    for key in guessed:
        if key in new:
            new.yaml_add_eol_comment("guessed from its size, until measured", key)
    data["models"].append(new)
    return _dump(yaml, data, text)


# ---------------------------------------------------------------- a change that is shown first


@dataclass(frozen=True, slots=True)
class ModelsChange:
    """The text of the file before and after. `is_new`: the file does not exist yet, and the text
    starts from the shipped one."""

    path: Path
    before: str
    after: str
    is_new: bool

    def diff(self) -> list[str]:
        """The lines of a unified diff, without its head."""
        return list(
            difflib.unified_diff(
                self.before.splitlines(), self.after.splitlines(), lineterm="", n=2
            )
        )[2:]


def propose_listing(
    config_dir: Path | None,
    listed: Sequence[Mapping[str, Any]],
    dropped: Sequence[ModelKey],
    unlisted: Literal["use", "ignore"],
) -> ModelsChange:
    """The change that lists some models, removes others and sets how unlisted ones are treated.
    Raises ConfigError; writes nothing.

    `listed` are entries of the file. A removed model becomes a comment, from which it can be
    restored.
    """
    path, before, is_new = _starting_text(config_dir)
    after = before
    for key in dropped:
        after = _comment_out(path, after, key)
    for entry in listed:
        after = _restored(path, after, _key_of(entry)) or _with_model(path, after, entry, GUESSED)
    change = ModelsChange(path, before, _with_unlisted(path, after, unlisted), is_new)
    _check(
        config_dir,
        change,
        {*_keys(path, before), *map(_key_of, listed)} - {_full_key(key) for key in dropped},
    )
    return change


def propose_embedded_model(config_dir: Path | None, model: dict[str, Any]) -> ModelsChange:
    """The change that adds a model to the embedded provider, or updates it. Raises ConfigError;
    writes nothing."""
    path, before, is_new = _starting_text(config_dir)
    yaml, data = _load(path, before)
    providers = data.setdefault("providers", {})
    name = next(
        (
            name
            for name, provider in providers.items()
            if isinstance(provider, dict) and provider.get("kind") == "llamacpp"
        ),
        None,
    )
    if name is None:
        name = _free_name("embedded", providers)
        providers[name] = {"kind": "llamacpp"}
    key = ModelKey(name, str(model["id"]))
    entry = next(
        (each for each in data.get("models") or () if _key_of(each) == _full_key(key)), None
    )
    if entry is not None:
        entry.update(model)
        after = _dump(yaml, data, before)
    else:
        after = _with_model(
            path, _dump(yaml, data, before), {"id": model["id"], "provider": name, **model}, ()
        )
    change = ModelsChange(path, before, after, is_new)
    _check(config_dir, change, {*_keys(path, before), _full_key(key)})
    return change


def propose_provider(
    config_dir: Path | None, name: str, provider: dict[str, Any]
) -> tuple[ModelsChange, str]:
    """The change that adds a server, and its name in the file. Raises ConfigError; writes
    nothing."""
    path, before, is_new = _starting_text(config_dir)
    yaml, data = _load(path, before)
    providers = data.setdefault("providers", {})
    free = _free_name(name, providers)
    providers[free] = dict(provider)
    change = ModelsChange(path, before, _dump(yaml, data, before), is_new)
    _check(config_dir, change, _keys(path, before))
    return change, free


def _free_name(name: str, taken: Any) -> str:
    return next(
        each
        for each in (name, *(f"{name}-{number}" for number in range(2, 1000)))
        if each not in taken
    )


def write_change(change: ModelsChange) -> None:
    """Writes the change. Raises ConfigError if the file was changed since, or can't be written."""
    is_new = not change.path.exists()
    if is_new != change.is_new or not (is_new or _read(change.path) == change.before):
        raise ConfigError(f"{change.path} has changed since", "review the change again")
    try:
        paths.write_private(change.path, change.after) if is_new else _replace(
            change.path, change.after
        )
    except OSError as error:
        raise ConfigError(f"{change.path} can't be written: {error.strerror or error}") from None


def _check(config_dir: Path | None, change: ModelsChange, wanted: set[ModelKey]) -> None:
    """Raises ConfigError if the new text is not valid, or lists other models than `wanted`."""
    from orch.config.validate import validated_data

    sources, _ = find_sources(config_dir, os.environ, working_directory())
    sources["models"] = replace(sources["models"], path=change.path, text=change.after)
    base: dict[str, SourceFile | None] = {
        which: trusted_source(which, os.environ) if source.origin == "directory" else None
        for which, source in sources.items()
    }
    validated_data(sources, base, os.environ)
    if _keys(change.path, change.after) != wanted:
        raise ConfigError(
            f"{change.path} is written in a way that can't be changed here",
            "change it in an editor",
        )


def _full_key(key: ModelKey) -> ModelKey:
    return ModelKey(key.provider, canonical_model_name(key.model))


def _key_of(entry: Any) -> ModelKey:
    """Provider and full name of an entry, valid or not."""
    fields = entry if isinstance(entry, Mapping) else {}
    model = canonical_model_name(str(fields.get("id", "")))
    return ModelKey(str(fields.get("provider") or "ollama"), model)


def _keys(path: Path, text: str) -> set[ModelKey]:
    return {_key_of(entry) for entry in _load(path, text)[1].get("models") or ()}


def _with_unlisted(path: Path, text: str, unlisted: str) -> str:
    yaml, data = _load(path, text)
    if data.get("unlisted", "use") == unlisted:
        return text
    if "unlisted" in data:
        data["unlisted"] = unlisted
    else:
        data.insert(1 if next(iter(data), "") == "version" else 0, "unlisted", unlisted)
    return _dump(yaml, data, text)


def _comment_out(path: Path, text: str, key: ModelKey) -> str:
    """The text with the model's entry as a comment; an entry of a flow list is removed."""
    yaml, data = _load(path, text)
    models: Any = data.get("models") or []
    at = next((at for at, entry in enumerate(models) if _key_of(entry) == _full_key(key)), None)
    if at is None:
        raise ConfigError(f"{path} does not list {key[1]}", "review the change again")
    if models.fa.flow_style():
        del models[at]
        return _dump(yaml, data, text)
    lines = text.split("\n")
    first, last, column = _extent(lines, models.lc.data[at][0])
    for number in range(first, last + 1):
        line = lines[number] if lines[number].strip() else " " * column + lines[number]
        lines[number] = f"{line[:column]}#{line[column:]}"
    return "\n".join(lines)


def _extent(lines: Sequence[str], within: int) -> tuple[int, int, int]:
    """First and last line of the entry that has a key on the line `within`, and the column of its
    dash. Lines that are indented further belong to it."""
    first = next(
        number for number in range(within, -1, -1) if re.match(r" *-(\s|$)", lines[number])
    )
    column = lines[first].index("-")
    last = number = first
    while number + 1 < len(lines) and (
        not lines[number + 1].strip() or lines[number + 1].startswith(" " * (column + 1))
    ):
        number += 1
        last = number if lines[number].strip() else last
    return first, last, column


def _restored(path: Path, text: str, key: ModelKey) -> str | None:
    """The text with the commented entry restored; None if there is none."""
    lines = text.split("\n")
    for first, line in enumerate(lines):
        start = re.match(r"( *)#- ", line)
        if start is None:
            continue
        more = re.compile(rf"{start.group(1)}#(  |\s*$)")
        last = next(
            (
                number
                for number in range(first, len(lines) - 1)
                if not more.match(lines[number + 1])
            ),
            len(lines) - 1,
        )
        entry = [each.replace("#", "", 1) for each in lines[first : last + 1]]
        restored = "\n".join((*lines[:first], *entry, *lines[last + 1 :]))
        try:
            if _keys(path, restored) == _keys(path, text) | {_full_key(key)}:
                return restored
        except ConfigError:
            continue  # a comment that only resembles an entry
    return None


# ---------------------------------------------------------------- the file


def _read(path: Path) -> str:
    try:
        return files.read_bounded(path, MOST_BYTES).decode("utf-8-sig")
    except files.FileTooLongError:
        raise ConfigError(f"{path}: larger than {MOST_BYTES:,} bytes") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def _load(path: Path, text: str) -> tuple[Any, Any]:
    """A YAML writer, and the file's data with comments. Raises ConfigError."""
    from ruamel.yaml.error import YAMLError

    yaml = _round_trip_yaml(text)
    try:
        data = yaml.load(text)
    except YAMLError as error:
        # the full message would show the line, which may hold a key
        message = " ".join(str(getattr(error, "problem", None) or type(error).__name__).split())
        raise ConfigError(
            f"{path} is not valid YAML: {message}", "orch config validate shows the position"
        ) from None
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path} is not a mapping of keys", "orch config validate shows what is wrong"
        )
    return yaml, data


def _dump(yaml: Any, data: Any, text: str) -> str:
    """The data as text, with the line endings of the original text."""
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue().replace("\n", "\r\n") if "\r\n" in text else out.getvalue()


def _round_trip_yaml(text: str) -> Any:
    """A YAML reader and writer that keeps comments, quotes and the indentation of the file's
    lists."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    indented = (
        re.search(r"^models:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*- ", text, re.MULTILINE) is None
    )
    yaml.indent(mapping=2, sequence=4 if indented else 2, offset=2 if indented else 0)
    return yaml


def _replace(path: Path, text: str) -> None:
    try:
        paths.replace_content(path, text.encode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}") from None
