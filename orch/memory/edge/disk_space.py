"""Checks free disk space for the memory index: the engine maps sparse files, and writing to one on
a full disk kills the process (SIGBUS)."""

from __future__ import annotations

import shutil
from pathlib import Path

from orch.memory.store import StoreError

MIN_FREE_BYTES = 64 << 20
"""Required before each call of the engine: one request writes less (16 chunks are about 200 KB), a
new log file takes 32 MiB."""


def free_bytes(folder: Path) -> int:
    """Free space at a folder that may not exist yet. Raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_free_space(folder: Path, least: int = MIN_FREE_BYTES) -> None:
    """Raises StoreError with the code `full` if less is free, OSError if unknown."""
    free = free_bytes(folder)
    if free < least:
        message = (
            f"the disk of the memory index is full: {free / 1e6:,.0f} MB are free, it wants"
            f" {least / 1e6:,.0f} MB"
        )
        raise StoreError(
            message,
            f"make room at {folder.parent}; what the journal holds is indexed afterwards",
            code="full",
        )
