"""The folder where an Ollama on this machine keeps its models: how much of its disk is free, and
how much of unfinished downloads is there already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

VARIABLE = "OLLAMA_MODELS"
SERVICE_FOLDERS = ("/usr/share/ollama/.ollama/models",)
"""Where Ollama's own installer for Linux lets its service keep them: its user's home."""
RESERVE_BYTES = 500_000_000
"""Left free on the disk: a full disk stops every program, including orch's journal."""
_PARTIAL = "*-partial"
_MOST_PARTIALS = 10_000


class ModelStore(NamedTuple):
    """The folder, the free bytes of its disk, and those that unfinished downloads hold."""

    folder: Path
    free_bytes: int
    partial_bytes: int = 0
    is_guess: bool = False
    """Whether Ollama may keep its models elsewhere: OLLAMA_MODELS is not set for orch."""

    @property
    def room_bytes(self) -> int:
        """Bytes for one more download."""
        return max(self.free_bytes - RESERVE_BYTES, 0)

    def lacks_bytes(self, size_bytes: int) -> int:
        """How many bytes are too few for a model of that size, of which all that is unfinished
        here may be a part; 0 if there is room."""
        return max(size_bytes - self.partial_bytes - self.room_bytes, 0)


def find_model_store(
    env: Mapping[str, str] = os.environ, service_folders: tuple[str, ...] = SERVICE_FOLDERS
) -> ModelStore | None:
    """The store of an Ollama of this machine; None if its folder is not known: Ollama may run as
    another user, with an environment of its own."""
    for folder in _folders(env, service_folders):
        try:
            if folder.is_dir():
                free, partial = shutil.disk_usage(folder).free, _partial_bytes(folder)
                return ModelStore(folder, free, partial, is_guess=not env.get(VARIABLE))
        except OSError:
            continue
    return None


def _folders(env: Mapping[str, str], service_folders: tuple[str, ...]) -> list[Path]:
    if env.get(VARIABLE):
        return [Path(os.path.expanduser(env[VARIABLE]))]
    own = Path(env.get("HOME") or os.path.expanduser("~"))
    return [own / ".ollama" / "models", *map(Path, service_folders)]


def _partial_bytes(folder: Path) -> int:
    """Bytes on the disk of unfinished downloads: their files are as long as the whole blob, with
    holes."""
    total = 0
    for count, path in enumerate((folder / "blobs").glob(_PARTIAL)):
        if count == _MOST_PARTIALS:
            break
        try:
            status = path.stat()
        except OSError:
            continue
        total += min(getattr(status, "st_blocks", 0) * 512, status.st_size)
    return total
