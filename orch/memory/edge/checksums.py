"""Checksums of an index's files, stored beside it while it is closed: a flipped bit can hang or
crash the engine."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from orch.config import paths

MOST_BYTES = 32 << 20
"""What is read at each opening, the smallest files first: about 20 ms, while the query is embedded.
Larger files are compared by size and time."""
_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)


@dataclass(frozen=True, slots=True)
class FileChecksum:
    """A file when the index was closed. `sum` is None for one that is too large to be read at each
    opening."""

    size: int
    mtime_ns: int
    sum: int | None


def checksums_path(folder: Path) -> Path:
    """The path of the checksums of an index."""
    return folder.with_name(f"{folder.name}.sums")


def save_checksums(folder: Path) -> None:
    """Saves the checksums of a closed index. Raises OSError."""
    paths.write_private(
        checksums_path(folder),
        json.dumps({name: asdict(checksum) for name, checksum in _sums(folder).items()}),
    )


def remove_checksums(folder: Path) -> None:
    """Removes the checksums: an open index changes."""
    checksums_path(folder).unlink(missing_ok=True)


def find_changed_file(folder: Path) -> str | None:
    """A file that was changed since the checksums were saved; empty if unknown, None if there is
    none. Raises OSError."""
    kept: dict[str, FileChecksum]
    try:
        kept = {
            name: FileChecksum(**fields)
            for name, fields in json.loads(
                checksums_path(folder).read_text(encoding="utf-8")
            ).items()
        }
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return ""
    here = {name: folder / name for name in kept}
    if not all(path.is_file() for path in here.values()) or _others(folder, kept):
        return ""
    unsure = False
    for name, path in here.items():
        stat, left = path.stat(), kept[name]
        if stat.st_size != left.size:
            return name
        if left.sum is None:
            unsure |= stat.st_mtime_ns != left.mtime_ns
        elif _sum(path) != left.sum:
            return name
    return "" if unsure else None


def _others(folder: Path, kept: Mapping[str, FileChecksum]) -> bool:
    """Whether there are new files; the engine creates the next log file at any time."""
    return any(name not in kept and not name.startswith("wal/") for name in _files(folder))


def _files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }


def _sums(folder: Path) -> dict[str, FileChecksum]:
    """The checksums, of the smallest files first."""
    stats = sorted(
        (_on_disk(stat), name, stat)
        for name, stat in ((name, path.stat()) for name, path in _files(folder).items())
    )
    checksums, read = dict[str, FileChecksum](), 0
    for size, name, stat in stats:
        read += size
        checksums[name] = FileChecksum(
            stat.st_size, stat.st_mtime_ns, _sum(folder / name) if read <= MOST_BYTES else None
        )
    return checksums


def _on_disk(stat: os.stat_result) -> int:
    """Bytes on disk: the engine's files are sparse. Windows does not report them."""
    return int(getattr(stat, "st_blocks", stat.st_size // 512)) * 512


def _sum(path: Path) -> int:
    """Adler-32 of the non-zero blocks and their offsets: it detects every single bit, and a hole
    equals zeros."""
    total = 1
    with path.open("rb", buffering=0) as file:
        for offset, block in _written(file):
            total = zlib.adler32(block, zlib.adler32(offset.to_bytes(8, "big"), total))
    return total


def _written(file: FileIO) -> Iterator[tuple[int, bytes]]:
    """The non-zero blocks with their offsets."""
    place = 0
    with contextlib.suppress(OSError):  # SEEK_DATA: no more data
        while True:
            place = (
                file.seek(place, os.SEEK_DATA) // _BLOCK * _BLOCK
                if hasattr(os, "SEEK_DATA")
                else place
            )
            file.seek(place)
            block = file.read(_BLOCK)
            if not block:
                return
            if block != _ZEROS[: len(block)]:
                yield place, block
            place += len(block)
