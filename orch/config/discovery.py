"""Finds models.yaml and routing.yaml: --config, $ORCH_CONFIG, the working directory, the user's
folder, the package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from orch.config import files, paths
from orch.errors import ConfigError

FILES = {"models": "models.yaml", "routing": "routing.yaml"}
KNOWN_MODELS, KNOWN_MODELS_FILE = "known_models", "known_models.yaml"
"""The user's known models, which extend the package's. Read from the folders of models.yaml, but
not from the working directory."""
MOST_BYTES, DIRECTORY_BYTES = 1_000_000, 200_000
"""Limits for a file, and for a file of the working directory: over a second of YAML parsing, and
twenty times the size of the shipped ones."""
_ROOT_KEYS = {"models": ("providers", "models"), "routing": ("weights", "task_types")}


class SourceFile(NamedTuple):
    """One file as read. `origin` is one of flag, environment, directory, user, package."""

    which: str
    path: Path
    origin: str
    text: str


def packaged_file(which: str) -> Path:
    """The shipped file: inside the wheel, or at the top of the checkout for an editable install."""
    inside = Path(__file__).parent / "defaults" / FILES[which]
    return inside if inside.exists() else Path(__file__).parents[2] / FILES[which]


def working_directory() -> Path | None:
    """The working directory, or None where it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def find_sources(
    config_dir: Path | None, env: Mapping[str, str], cwd: Path | None
) -> tuple[dict[str, SourceFile], list[str]]:
    """The source of each file, the user's known models if there are any, and notes about ignored
    files. Raises ConfigError."""
    sources: dict[str, SourceFile] = {}
    notes: list[str] = []
    named = [(config_dir, "flag")] if config_dir else []
    if env.get("ORCH_CONFIG"):
        named.append((Path(env["ORCH_CONFIG"]).expanduser(), "environment"))
    for directory, place in named:
        present = {
            which: directory / name for which, name in FILES.items() if (directory / name).is_file()
        }
        if not present:
            what = "--config" if place == "flag" else "ORCH_CONFIG"
            raise ConfigError(
                f"{what}: {directory} contains neither models.yaml nor routing.yaml",
                "orch config init --to DIR writes both",
            )
        for which, path in present.items():
            sources.setdefault(which, read_source(which, path, place))
    # in a clone of orch these are the shipped files, and the user's own have precedence
    elsewhere = (paths.config_dir(env), packaged_file("models").parent)
    if (
        not named
        and cwd is not None
        and all(cwd.resolve() != folder.resolve() for folder in elsewhere)
    ):
        sources, notes = _in_directory(cwd)
    for which, name in FILES.items():
        own = paths.config_dir(env) / name
        if which not in sources and own.is_file():
            sources[which] = read_source(which, own, "user")
        sources.setdefault(which, read_source(which, packaged_file(which), "package"))
    for directory, place in (*named, (paths.config_dir(env), "user")):
        if KNOWN_MODELS not in sources and (directory / KNOWN_MODELS_FILE).is_file():
            sources[KNOWN_MODELS] = read_source(KNOWN_MODELS, directory / KNOWN_MODELS_FILE, place)
    return sources, notes


def _in_directory(cwd: Path) -> tuple[dict[str, SourceFile], list[str]]:
    """The files of the working directory, if both exist and look like orch's."""
    paths = {which: cwd / name for which, name in FILES.items()}
    present = [path for path in paths.values() if path.is_file()]
    if not present:
        return {}, []
    try:
        sources = (
            {which: read_source(which, path, "directory") for which, path in paths.items()}
            if len(present) == 2
            else {}
        )
    except ConfigError as error:
        return {}, [f"{error.message} (it is in this folder, and ignored)"]
    if sources and all(_has_keys(which, source.text) for which, source in sources.items()):
        return sources, []
    names = " and ".join(path.name for path in present)
    return {}, [
        f"{names} in this folder ignored: orch uses them only if both exist and have its keys"
    ]


def _has_keys(which: str, text: str) -> bool:
    return all(re.search(rf"^{key}\s*:", text, re.MULTILINE) for key in _ROOT_KEYS[which])


def read_source(which: str, path: Path, place: str) -> SourceFile:
    """Reads a file as UTF-8 text, up to its limit. Raises ConfigError."""
    most = DIRECTORY_BYTES if place == "directory" else MOST_BYTES
    try:
        return SourceFile(which, path, place, files.read_bounded(path, most).decode("utf-8-sig"))
    except files.FileTooLongError:
        raise ConfigError(f"{path}: larger than {most:,} bytes") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start})", "save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def trusted_source(which: str, env: Mapping[str, str]) -> SourceFile:
    """The source that would be used without a file in the working directory: it supplies what that
    file may not set."""
    own = paths.config_dir(env) / FILES[which]
    return (
        read_source(which, own, "user")
        if own.is_file()
        else read_source(which, packaged_file(which), "package")
    )
