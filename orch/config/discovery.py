"""Finds models.yaml and routing.yaml: --config, $ORCH_CONFIG, the working directory, the user's
folder, the package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orch.config import files, paths
from orch.errors import ConfigError

FILES = {"models": "models.yaml", "routing": "routing.yaml"}
KNOWN_MODELS, KNOWN_MODELS_FILE = "known_models", "known_models.yaml"
"""A user's own known models, which add to the package's: in the folders of their models.yaml, never
in the working directory."""
MOST_BYTES, DIRECTORY_BYTES = 1_000_000, 200_000
"""Of a file, and of a file of the working directory: over a second of YAML, and twenty times the
shipped ones."""
_ROOT_KEYS = {"models": ("providers", "models"), "routing": ("weights", "task_types")}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that was read. `place` is flag, environment, directory, user or package."""

    which: str
    path: Path
    origin: str
    text: str


def packaged_file(which: str) -> Path:
    """The shipped file: inside the wheel, or at the top of the checkout for an editable install."""
    inside = Path(__file__).parent / "defaults" / FILES[which]
    return inside if inside.exists() else Path(__file__).parents[2] / FILES[which]


def working_directory() -> Path | None:
    """The working directory; None where it was deleted under us."""
    try:
        return Path.cwd()
    except OSError:
        return None


def find_sources(
    config_dir: Path | None, env: Mapping[str, str], cwd: Path | None
) -> tuple[dict[str, SourceFile], list[str]]:
    """The file to use for each of the two, the user's known models if there are any, and remarks
    about files that were passed over. Raises ConfigError."""
    found: dict[str, SourceFile] = {}
    notes: list[str] = []
    named = [(config_dir, "flag")] if config_dir else []
    if env.get("ORCH_CONFIG"):
        named.append((Path(env["ORCH_CONFIG"]).expanduser(), "environment"))
    for directory, place in named:
        here = {
            which: directory / name for which, name in FILES.items() if (directory / name).is_file()
        }
        if not here:
            what = "--config" if place == "flag" else "ORCH_CONFIG"
            raise ConfigError(
                f"{what}: {directory} holds neither models.yaml nor routing.yaml",
                "orch config init --to DIR writes both",
            )
        for which, path in here.items():
            found.setdefault(which, read_source(which, path, place))
    # in a clone they are the shipped files, which the user's own go before
    elsewhere = (paths.config_dir(env), packaged_file("models").parent)
    if (
        not named
        and cwd is not None
        and all(cwd.resolve() != folder.resolve() for folder in elsewhere)
    ):
        found, notes = _in_directory(cwd)
    for which, name in FILES.items():
        own = paths.config_dir(env) / name
        if which not in found and own.is_file():
            found[which] = read_source(which, own, "user")
        found.setdefault(which, read_source(which, packaged_file(which), "package"))
    for directory, place in (*named, (paths.config_dir(env), "user")):
        if KNOWN_MODELS not in found and (directory / KNOWN_MODELS_FILE).is_file():
            found[KNOWN_MODELS] = read_source(KNOWN_MODELS, directory / KNOWN_MODELS_FILE, place)
    return found, notes


def _in_directory(cwd: Path) -> tuple[dict[str, SourceFile], list[str]]:
    """The working directory's files, when both stand there and look like orch's."""
    here = {which: cwd / name for which, name in FILES.items()}
    there = [path for path in here.values() if path.is_file()]
    if not there:
        return {}, []
    try:
        sources = (
            {which: read_source(which, path, "directory") for which, path in here.items()}
            if len(there) == 2
            else {}
        )
    except ConfigError as error:
        return {}, [f"{error.message} (it is in this folder, and ignored)"]
    if sources and all(_has_keys(which, source.text) for which, source in sources.items()):
        return sources, []
    names = " and ".join(path.name for path in there)
    return {}, [
        f"{names} in this folder ignored: orch uses such files only where both stand there with its"
        " keys"
    ]


def _has_keys(which: str, text: str) -> bool:
    return all(re.search(rf"^{key}\s*:", text, re.MULTILINE) for key in _ROOT_KEYS[which])


def read_source(which: str, path: Path, place: str) -> SourceFile:
    """A file as UTF-8 text, and no more of it than its bound. Raises ConfigError."""
    most = DIRECTORY_BYTES if place == "directory" else MOST_BYTES
    try:
        return SourceFile(which, path, place, files.read_bounded(path, most).decode("utf-8-sig"))
    except files.FileTooLongError:
        raise ConfigError(f"{path}: it has over {most:,} bytes") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start})", "save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def trusted_source(which: str, env: Mapping[str, str]) -> SourceFile:
    """The file that would be used if the working directory had none: what a local one may not set
    is taken from there."""
    own = paths.config_dir(env) / FILES[which]
    return (
        read_source(which, own, "user")
        if own.is_file()
        else read_source(which, packaged_file(which), "package")
    )
