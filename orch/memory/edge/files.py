"""The files of an index of Qdrant's embedded engine: creates, moves and removes them, and reads
their sizes."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import qdrant_edge as qdrant

from orch.config import paths
from orch.memory.edge import checksums
from orch.memory.edge.disk_space import MIN_FREE_BYTES
from orch.memory.edge.types import INDEXES, build_edge_config
from orch.memory.store import DENSE, INDEXED

LOG_BYTES = 33 << 20
"""More than the capacity of one file of the write-ahead log (32 MiB)."""


def create_index(folder: Path, dimension: int | None) -> None:
    """Creates an empty index under another name, then renames it: an index under its own name is
    complete."""
    scratch = folder.with_name(f"{folder.name}.new")
    paths.make_private(scratch)
    shard = qdrant.EdgeShard.create(str(scratch), build_edge_config(dimension))
    for field, kind in INDEXED.items():
        shard.update(
            qdrant.UpdateOperation.create_field_index(
                field, INDEXES[kind](memory=qdrant.Memory.Cold)
            )
        )
    shard.close()
    os.replace(scratch, folder)


def set_aside(folder: Path) -> Path:
    """Renames a corrupt index; returns its new path."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = folder.with_name(f"{folder.name}.corrupt-{stamp}-{os.getpid()}")
    os.replace(folder, aside)
    checksums.remove_checksums(folder)
    return aside


def remove_index(folder: Path) -> None:
    """Removes an index, after renaming it: an index under its own name is complete."""
    gone = folder.with_name(f"{folder.name}.gone")
    checksums.remove_checksums(folder)
    if folder.exists():
        os.replace(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


def remove_scratch(folder: Path) -> None:
    """Removes what a killed process left half created or half removed."""
    for tail in (".new", ".gone"):
        shutil.rmtree(folder.with_name(f"{folder.name}{tail}"), ignore_errors=True)


def read_dimension(folder: Path) -> int | None:
    """The dimension that an index was created with; None is lexical only."""
    config = json.loads((folder / "edge_config.json").read_text(encoding="utf-8"))
    dense = (config.get("vectors") or {}).get(DENSE)
    return int(dense["size"]) if dense else None


def count_unpacked_points(folder: Path) -> int:
    """Points in the segments that are loaded at each start: their version lists have 8 bytes a
    point."""
    return sum(
        each.stat().st_size // 8 for each in folder.glob("segments/*/mutable_id_tracker.versions")
    )


def bytes_to_pack(folder: Path) -> int:
    """Space for a second copy of the index, and for the log files that an empty change fills."""
    stats = [each.stat() for each in folder.rglob("*") if each.is_file()]
    # the files are sparse; Windows does not report their blocks
    return (
        sum(getattr(each, "st_blocks", each.st_size // 512) * 512 for each in stats)
        + 2 * LOG_BYTES
        + MIN_FREE_BYTES
    )


def make_log_private(folder: Path) -> None:
    """Restricts the files of the write-ahead log to their owner: the engine creates the next one in
    its own thread, at any time."""
    for each in (folder / "wal").glob("*"):
        each.chmod(0o600)
