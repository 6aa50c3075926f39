"""Where orch keeps its files: XDG directories, or ORCH_HOME for all; every file is readable by its
owner only."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

_XDG = {
    "config": ("XDG_CONFIG_HOME", ".config", "APPDATA"),
    "data": ("XDG_DATA_HOME", ".local/share", "LOCALAPPDATA"),
    "cache": ("XDG_CACHE_HOME", ".cache", "LOCALAPPDATA"),
}


def _directory(kind: str, env: Mapping[str, str]) -> Path:
    home = env.get("ORCH_HOME")
    if home:
        root = Path(home).expanduser()
        return root / "cache" if kind == "cache" else root
    variable, default, windows = _XDG[kind]
    base = env.get(windows) if os.name == "nt" else env.get(variable)
    # the XDG specification: relative paths are ignored
    if base and os.path.isabs(base):
        return Path(base) / "orch" / ("cache" if os.name == "nt" and kind == "cache" else "")
    return Path(_home()) / default / "orch"


def _home() -> str:
    """The account's home directory. For an empty HOME, which some services have, expanduser would
    return the root folder."""
    if os.environ.get("HOME") == "" and os.name != "nt":
        import pwd  # not available on Windows

        with suppress(KeyError):
            return pwd.getpwuid(os.getuid()).pw_dir
    return os.path.expanduser("~")


def config_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's models.yaml and routing.yaml."""
    return _directory("config", env)


def data_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of the journal."""
    return _directory("data", env)


def cache_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of data that can be rebuilt."""
    return _directory("cache", env)


def make_private(directory: Path) -> None:
    """Creates a folder and its parents for its owner only. Raises OSError."""
    if not directory.is_dir():
        # mkdir's own `parents` would give the parents the default mode
        make_private(directory.parent)
        directory.mkdir(exist_ok=True, mode=0o700)


def touch_private(path: Path) -> None:
    """Creates an empty file for its owner only, unless it exists. Raises OSError."""
    make_private(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def replace_content(path: Path, content: bytes) -> None:
    """Atomically replaces the content of a user's file, keeping its mode and links to it. Raises
    OSError and leaves it unchanged."""
    path = path.resolve()
    mode = stat.S_IMODE(path.stat().st_mode)
    with _in_one_step(path) as (scratch, stream):
        stream.write(content)
        os.chmod(scratch, mode)


def write_private(path: Path, text: str) -> None:
    """Atomically replaces a file with one that only its owner can read. Raises OSError."""
    with open_private(path) as stream:
        stream.write(text)


@contextmanager
def open_private(path: Path) -> Iterator[TextIO]:
    """Opens a stream whose content atomically replaces the file at the end, for its owner only; if
    the block fails, the file is unchanged. Raises OSError."""
    make_private(path.parent)
    with _in_one_step(path) as (_, stream), io.TextIOWrapper(stream, encoding="utf-8") as text:
        yield text


@contextmanager
def _in_one_step(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A temporary file beside the path, for its owner only, that replaces it at the end, or is
    removed if the block fails."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield scratch, stream
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
