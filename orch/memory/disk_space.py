"""Checks that the disk has room for the memory index: the engine maps sparse files, and writing to
one on a full disk kills the process (SIGBUS)."""

from __future__ import annotations

import shutil
from pathlib import Path

from orch.memory.store import StoreError

MIN_FREE_BYTES = 64 << 20
"""Free before anything is asked of the engine: one request writes less (16 pieces are some 200 KB),
a new file of its log takes 32 MiB."""


def free_bytes(folder: Path) -> int:
    """What is free where a folder is, or will be. Raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_free_space(folder: Path, least: int = MIN_FREE_BYTES) -> None:
    """Raises StoreError with the code `full` where fewer bytes are free, OSError where it can't be
    told."""
    free = free_bytes(folder)
    if free < least:
        said = (
            f"the disk of the memory index is full: {free / 1e6:,.0f} MB are free, it wants"
            f" {least / 1e6:,.0f} MB"
        )
        raise StoreError(
            said,
            f"make room at {folder.parent}; what the journal holds is indexed afterwards",
            code="full",
        )
