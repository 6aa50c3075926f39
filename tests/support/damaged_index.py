"""Indexes of Qdrant's embedded engine, and damage to their files."""

from __future__ import annotations

from pathlib import Path

from tests.support.vector_stores import fill, makers


def write_index(folder: Path) -> None:
    """An index of 20 points that was closed in order."""
    fill(makers("edge", folder), 20)


def index_file(folder: Path, name: str) -> Path:
    """The first file of an index whose path ends with a name."""
    return min(path for path in (folder / "index").rglob("*") if path.as_posix().endswith(name))


def flip_bit(path: Path, place: int = 0) -> None:
    """Flips one bit at a place."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 4]))
