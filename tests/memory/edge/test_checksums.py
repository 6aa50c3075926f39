"""A damaged index: a flipped bit is detected before the engine reads it, or by another process that
may hang in its place."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from orch.memory.edge import checksums, probe
from orch.memory.edge_store import EdgeStore
from tests.support.damaged_index import flip_bit, index_file, write_index
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch
from tests.support.vector_stores import DIMENSION

PARTS = (
    "edge_config.json",
    "segment.json",
    "has_values/status.dat",
    "payload_storage/page_0.dat",
    "mappings",
    "chunk_0.mmap",
    "wal/open-1",
    "tracker.dat",
)
SPARSE = 1 << 20


def store_in(folder: Path) -> EdgeStore:
    return EdgeStore(folder, "index", DIMENSION)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that was closed in order. All of it is read: a file system in memory has no holes
    for the engine's files, which are more than is read usually then."""
    folder = tmp_path_factory.mktemp("original")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checksums, "MOST_BYTES", 1 << 30)
        write_index(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, whose files are younger and have no holes."""
    monkeypatch.setattr(checksums, "MOST_BYTES", 1 << 30)
    shutil.copytree(original, tmp_path / "copy", copy_function=shutil.copyfile)
    return tmp_path / "copy"


def opened(folder: Path) -> tuple[int, list[str]]:
    """The number of points in an index, and the notes of opening it."""
    store = store_in(folder)
    store.open()
    count = store.count()
    store.close()
    return count, store.notes


def test_a_copy_is_whole(folder: Path) -> None:
    assert checksums.find_changed_file(folder / "index") is None
    assert opened(folder) == (20, [])
    assert opened(folder) == (20, [])


@pytest.mark.parametrize("name", PARTS)
def test_one_bit_is_found_before_the_engine_meets_it(folder: Path, name: str) -> None:
    flip_bit(index_file(folder, name), 1)
    count, notes = opened(folder)
    assert count == 0
    assert f"{name} is not as it was written" in notes[0]
    assert "set aside" in notes[0]


def test_a_bit_in_a_hole_is_found(folder: Path) -> None:
    flip_bit(index_file(folder, "payload_storage/page_0.dat"), 30 << 20)
    assert opened(folder)[0] == 0


def test_a_file_too_large_to_be_read_each_time_is_known_by_its_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "MOST_BYTES", 0)
    checksums.save_checksums(folder / "index")
    assert checksums.find_changed_file(folder / "index") is None
    os.utime(index_file(folder, "chunk_0.mmap"), (0, 0))
    assert checksums.find_changed_file(folder / "index") == ""
    assert opened(folder) == (20, [])


def test_what_is_written_down_is_bounded_in_what_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest files first."""
    monkeypatch.setattr(checksums, "MOST_BYTES", SPARSE)
    checksums.save_checksums(folder / "index")
    kept = json.loads(checksums.checksums_path(folder / "index").read_text())
    read = sum(
        path.stat().st_blocks * 512
        for name, path in ((name, folder / "index" / name) for name in kept)
        if kept[name]["sum"] is not None
    )
    assert 0 < read <= SPARSE


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"[]", b'{"x": 3}', b'{"x": {"size": 1, "mtime_ns": 1, "sum": 1}}']
)
def test_sums_that_can_not_be_read_are_no_damage(folder: Path, content: bytes) -> None:
    checksums.checksums_path(folder / "index").write_bytes(content)
    assert opened(folder) == (20, [])


def test_an_index_that_hangs_the_engine_is_found_by_another_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksums.remove_checksums(folder / "index")
    flip_bit(index_file(folder, "is_null/status.dat"), 5)
    monkeypatch.setattr(probe, "MOST_S", 2.0)
    count, notes = opened(folder)
    assert count == 0
    assert "the engine can't work with it" in notes[0]


def test_an_index_that_would_end_the_process_ends_another_one(folder: Path) -> None:
    checksums.remove_checksums(folder / "index")
    os.truncate(index_file(folder, "payload_storage/page_0.dat"), 0)
    assert opened(folder)[0] in (0, 20)


def test_a_search_after_a_bit_has_turned_over_finds_what_the_journal_has(
    ollama: FakeOllama, home: Path
) -> None:
    orch("memory", "add", "the staging server is called nemo")
    for status in (home / "memory").rglob("has_values/status.dat"):
        flip_bit(status, 5)
    done = orch("memory", "search", "--json", "nemo")
    assert json.loads(done.stdout)["hits"]
    assert b"status.dat is not as it was written): set aside" in done.stderr
