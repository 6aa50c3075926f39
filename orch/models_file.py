"""Adds a model to models.yaml, keeping its comments and its order."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from orch import paths
from orch.config.find import FILES, find, packaged, working_directory
from orch.config.spec import ModelSpec
from orch.errors import ConfigError


def own_file(config_dir: Path | None = None) -> Path:
    """The models.yaml in force, if it is the user's to edit; else where the user's own belongs (copied there from the shipped one)."""
    found, _ = find(config_dir, os.environ, working_directory())
    source = found["models"]
    if source.place in ("environment", "flag", "directory", "user"):
        return source.path
    path = paths.config_dir() / FILES["models"]
    text = packaged("models").read_text(encoding="utf-8")
    paths.write_private(path, text)
    return path


def entry(spec: ModelSpec, context_window: int | None, memory_gb: float | None) -> dict[str, Any]:
    """The keys worth writing: what differs from the defaults."""
    values = {
        "id": spec.id,
        "name": spec.name or None,
        "provider": spec.provider,
        "strengths": list(spec.strengths) or None,
        "context_window": context_window,
        "speed_rating": spec.speed_rating,
        "quality_rating": spec.quality_rating,
        "memory_gb": memory_gb,
    }
    return {key: value for key, value in values.items() if value is not None}


def add(path: Path, model: dict[str, Any], guessed: Sequence[str] = ()) -> None:
    """Appends a model to the file, or raises ConfigError and leaves it as it was. The `guessed` keys are marked as such."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.error import YAMLError

    text = path.read_bytes().decode("utf-8-sig")
    yaml = _round_trip(text)
    try:
        data = yaml.load(text)
    except YAMLError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}", "orch config validate shows the place") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path} is no mapping of keys", "orch config validate shows what is wrong")
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
    out = StringIO()
    yaml.dump(data, out)
    _replace(path, out.getvalue().replace("\n", "\r\n") if "\r\n" in text else out.getvalue())


def _round_trip(text: str) -> Any:
    """A YAML reader and writer that keeps comments, quotes and the indent of the file's lists."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    indented = re.search(r"^models:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*- ", text, re.MULTILINE) is None
    yaml.indent(mapping=2, sequence=4 if indented else 2, offset=2 if indented else 0)
    return yaml


def _replace(path: Path, text: str) -> None:
    """Writes the new text beside the file and swaps it in; the file's mode is kept, a link stays a link."""
    path = path.resolve()
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_bytes(text.encode("utf-8"))
        os.chmod(scratch, path.stat().st_mode)
        os.replace(scratch, path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise ConfigError(f"{path} can't be written: {error.strerror or error}") from None
