"""Downloads one file: resumes a broken download, and checks the SHA-256 before renaming it into
place."""

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
from orch.providers.http.httpx_options import import_httpx
from orch.text.lines import one_line

RESERVE_BYTES = 500_000_000
"""Left free on the disk: a full disk stops every program, including orch's journal."""
MAX_DISCONNECTS = 5
"""Connections in a row that may break, each after some bytes, before the download fails."""
_BLOCK = 1 << 20

ReportBytes = Callable[[int, int | None], None]
"""Called with the bytes so far, and in total if known."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file on the web: URL, SHA-256 in hexadecimal, and size if known."""

    url: str
    sha256: str
    size_bytes: int | None = None


def download_file(artifact: Artifact, target: Path, progress: ReportBytes) -> None:
    """Downloads the file to `target`, readable by its owner alone.

    A partial download is kept beside it as `.part`, and the next call resumes it. Raises OrchError;
    on Ctrl-C with the code `interrupted`.
    """
    if (
        target.is_file()
        and artifact.size_bytes in (None, target.stat().st_size)
        and _is_complete(target, artifact)
    ):
        return
    path = target.with_name(f"{target.name}.part")
    try:
        with _open_partial(path) as part:
            _download_rest(part, artifact, progress)
            part.end()
        if part.sha.hexdigest() != artifact.sha256:
            path.unlink()
            raise OrchError(
                "the downloaded file is not the announced one: its SHA-256 differs",
                "it was deleted; run the same command again",
            )
        os.replace(path, target)
    except KeyboardInterrupt:
        raise OrchError(
            "interrupted",
            "the download is kept: the same command resumes it",
            code="interrupted",
        ) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some space, then run the same command again to resume" if full else ""
        raise OrchError(f"{path}: {error.strerror or error}", hint) from None


class _PartialFile:
    """A partial download: the file on disk and its running hash."""

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
        """Discards the bytes so far."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self.sha = 0, hashlib.sha256()

    def end(self) -> None:
        """Flushes the file to disk."""
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def _open_partial(path: Path) -> Iterator[_PartialFile]:
    """Opens the partial download, locked for this process."""
    paths.touch_private(path)
    with path.open("r+b") as file:
        _lock(file)
        yield _PartialFile(file)


def _lock(file: IO[bytes]) -> None:
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


def _download_rest(part: _PartialFile, artifact: Artifact, progress: ReportBytes) -> None:
    """Downloads until the file is complete; resumes a connection that broke after some bytes."""
    cuts = 0
    while part.size != artifact.size_bytes:
        before = part.size
        try:
            if _receive(part, artifact, progress):
                return
            cuts += 1
            broke = "the server sends other ranges than requested"
        except import_httpx().TransportError as error:
            cuts = cuts + 1 if part.size > before else MAX_DISCONNECTS + 1
            broke = one_line(str(error)) or type(error).__name__
        if cuts > MAX_DISCONNECTS:
            raise OrchError(
                f"the download broke off: {broke}",
                "the download is kept: the same command resumes it",
            )


def _receive(part: _PartialFile, artifact: Artifact, progress: ReportBytes) -> bool:
    """Downloads the rest of the file over one connection; False where the server can't continue it,
    so that it must be restarted."""
    with open_url(artifact.url, {"Range": f"bytes={part.size}-"} if part.size else {}) as response:
        if response.status_code == 416 and artifact.size_bytes is None:
            return True  # nothing is missing; its SHA-256 tells whether it is the file
        goes_on = response.status_code == 206 and _range_start(response) == part.size
        if not goes_on:
            part.restart()
        if not goes_on and response.status_code != 200:
            return False
        total = artifact.size_bytes or _total(response, part.size)
        _check_free_space(part, total)
        room = free_disk_bytes() - RESERVE_BYTES + part.size
        for data in response.iter_raw():
            if part.size + len(data) > (room if total is None else total):
                what = (
                    "the server sends more bytes than announced"
                    if total is not None
                    else "the server sends more bytes than the disk has room for"
                )
                part.restart()
                raise OrchError(what, "it was deleted; run the same command again")
            part.add(data)
            progress(part.size, total)
    return True


def _range_start(response: Any) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(match[1]) if match else None


def _total(response: Any, have: int) -> int | None:
    length = response.headers.get("content-length", "")
    return have + int(length) if length.isdigit() else None


def _check_free_space(part: _PartialFile, total: int | None) -> None:
    free, needed = free_disk_bytes(), (total or 0) - part.size
    if needed + RESERVE_BYTES > free:
        message = (
            f"the disk has {free / 1e9:.1f} GB free, but {needed / 1e9:.1f} GB are needed beside"
            f" {RESERVE_BYTES / 1e9:.1f} GB kept free"
        )
        raise OrchError(message, "free some space, then run the same command again")


def models_dir() -> Path:
    """The folder of model files."""
    return paths.data_dir() / "models"


def free_disk_bytes(folder: Path | None = None) -> int:
    """Free bytes on the disk of a folder, which need not exist yet; default: `models_dir`."""
    there = folder or models_dir()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def _is_complete(target: Path, artifact: Artifact) -> bool:
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
