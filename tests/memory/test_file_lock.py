"""The lock of a memory index: one holder at a time, released with its process, the file stays."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orch.memory.file_lock import IndexLock
from orch.memory.store import StoreError


def test_a_second_holder_is_refused_until_the_first_has_released(tmp_path: Path) -> None:
    first, second = (IndexLock(tmp_path / "index.lock", 0.0) for _ in range(2))
    first.acquire()
    first.acquire()
    with pytest.raises(StoreError) as refused:
        second.acquire()
    assert refused.value.code == "locked"
    first.release()
    first.release()
    second.acquire()
    second.release()
    assert (tmp_path / "index.lock").stat().st_mode & 0o777 == 0o600


def test_another_thread_may_release_it(tmp_path: Path) -> None:
    lock, other = (IndexLock(tmp_path / "index.lock", 0.0) for _ in range(2))
    lock.acquire()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lock.release).result()
    other.acquire()
    other.release()


def test_it_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    path = tmp_path / "index.lock"
    code = (
        "import os, sys; from pathlib import Path; from orch.memory.file_lock import IndexLock;"
        " IndexLock(Path(sys.argv[1]), 0.0).acquire(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    lock = IndexLock(path, 0.0)
    lock.acquire()
    lock.release()
