"""Downloads one file into place: resumed where it was cut, and checked by its SHA-256 before it has
its name."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from orch.cli.commands.setup.web import open_url
from orch.config import paths
from orch.errors import OrchError
from orch.providers.transport import import_httpx
from orch.text.lines import one_line

RESERVE_BYTES = 500_000_000
"""Left free on the disk: a full one stops every program, orch's journal among them."""
MAX_DISCONNECTS = 5
"""Connections that may break in a row, each after some bytes, before it is given up."""
_BLOCK = 1 << 20

ReportBytes = Callable[[int, int | None], None]
"""Told the bytes so far, and in all where that is known."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file on the web: its address, its SHA-256 in hexadecimal, and its size where it was
    told."""

    url: str
    sha256: str
    size_bytes: int | None = None


def download_file(artifact: Artifact, target: Path, progress: ReportBytes) -> None:
    """Brings the file to `target`, readable by its owner alone. What came of it stands beside it as
    `.part`, and the next call goes on from there.

    Raises OrchError; on Ctrl-C with the code `interrupted`.
    """
    if (
        target.is_file()
        and artifact.size_bytes in (None, target.stat().st_size)
        and _is_whole(target, artifact)
    ):
        return
    path = target.with_name(f"{target.name}.part")
    try:
        with _part_at(path) as part:
            _fill(part, artifact, progress)
            part.end()
        if part.sha.hexdigest() != artifact.sha256:
            path.unlink()
            raise OrchError(
                "what came is not the file that was announced: its SHA-256 is another one",
                "nothing of it is kept; type the same command again",
            )
        os.replace(path, target)
    except KeyboardInterrupt:
        raise OrchError(
            "interrupted",
            "what came is kept: the same command goes on from there",
            code="interrupted",
        ) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "make room, then type the same command again: what came is kept" if full else ""
        raise OrchError(f"{path}: {error.strerror or error}", hint) from None


class _Part:
    """What came of a file so far, on disk and in its hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.size, self.sha = file, 0, hashlib.sha256()
        while block := file.read(_BLOCK):
            self._count(block)

    def add(self, data: bytes) -> None:
        self._file.write(data)
        self._count(data)

    def _count(self, data: bytes) -> None:
        self.sha.update(data)
        self.size += len(data)

    def restart(self) -> None:
        """Forgets what came."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self.sha = 0, hashlib.sha256()

    def end(self) -> None:
        """Has the disk take it."""
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def _part_at(path: Path) -> Iterator[_Part]:
    """The part, held by this process alone."""
    paths.touch_private(path)
    with path.open("r+b") as file:
        _hold(file)
        yield _Part(file)


def _hold(file: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows opens no file twice for writing
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OrchError(
            "another orch process is downloading this file", "wait until it has ended"
        ) from None


def _fill(part: _Part, artifact: Artifact, progress: ReportBytes) -> None:
    """Asks until the file is whole. A connection that breaks is taken up again at once, where it
    brought something."""
    cuts = 0
    while part.size != artifact.size_bytes:
        before = part.size
        try:
            if _receive(part, artifact, progress):
                return
            cuts += 1
            broke = "the server sends other parts than it was asked for"
        except import_httpx().TransportError as error:
            cuts = cuts + 1 if part.size > before else MAX_DISCONNECTS + 1
            broke = one_line(str(error)) or type(error).__name__
        if cuts > MAX_DISCONNECTS:
            raise OrchError(
                f"the download broke off: {broke}",
                "what came is kept: the same command goes on from there",
            )


def _receive(part: _Part, artifact: Artifact, progress: ReportBytes) -> bool:
    """The rest of the file by one connection; False where the server knows no such rest, and it
    must be begun anew."""
    with open_url(artifact.url, {"Range": f"bytes={part.size}-"} if part.size else {}) as response:
        if response.status_code == 416 and artifact.size_bytes is None:
            return True  # nothing is missing; its SHA-256 tells whether it is the file
        goes_on = response.status_code == 206 and _begins_at(response) == part.size
        if not goes_on:
            part.restart()
        if not goes_on and response.status_code != 200:
            return False
        total = artifact.size_bytes or _total(response, part.size)
        _check_room(part, total)
        room = free_disk_bytes() - RESERVE_BYTES + part.size
        for data in response.iter_raw():
            if part.size + len(data) > (room if total is None else total):
                what = (
                    "the server sends more than the file was announced to be"
                    if total is not None
                    else "the server sends more than the disk has room for"
                )
                part.restart()
                raise OrchError(what, "nothing of it is kept; type the same command again")
            part.add(data)
            progress(part.size, total)
    return True


def _begins_at(response: Any) -> int | None:
    told = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(told[1]) if told else None


def _total(response: Any, have: int) -> int | None:
    length = response.headers.get("content-length", "")
    return have + int(length) if length.isdigit() else None


def _check_room(part: _Part, total: int | None) -> None:
    free, wanted = free_disk_bytes(), (total or 0) - part.size
    if wanted + RESERVE_BYTES > free:
        message = (
            f"the disk has {free / 1e9:.1f} GB free, and {wanted / 1e9:.1f} GB are wanted beside"
            f" {RESERVE_BYTES / 1e9:.1f} GB that stay free"
        )
        raise OrchError(message, "make room, then type the same command again")


def models_dir() -> Path:
    """Where files of models are kept."""
    return paths.data_dir() / "models"


def free_disk_bytes(folder: Path | None = None) -> int:
    """Room on the disk of a folder, which need not be there yet; by default of `models_dir`."""
    there = folder or models_dir()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def _is_whole(target: Path, artifact: Artifact) -> bool:
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
