"""The files of an index: complete under its own name or not there, and set aside when corrupt."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.memory.edge import files
from orch.memory.edge.checksums import checksums_path, save_checksums
from orch.memory.edge.disk_space import MIN_FREE_BYTES
from orch.memory.edge_store import EdgeStore
from tests.support.vector_stores import DIMENSION, fill, makers


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A new index and its checksums."""
    folder = tmp_path / "stores" / "index"
    files.create_index(folder, DIMENSION)
    save_checksums(folder)
    return folder


def test_a_new_index_is_there_under_its_own_name_alone(index: Path) -> None:
    assert {path.name for path in index.parent.iterdir()} == {"index", "index.sums"}
    assert index.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("dimension", [None, 4, 384])
def test_the_dimension_is_read_from_the_files(tmp_path: Path, dimension: int | None) -> None:
    files.create_index(tmp_path / "index", dimension)
    assert files.read_dimension(tmp_path / "index") == dimension


def test_an_index_that_is_set_aside_keeps_its_files(index: Path) -> None:
    names = {path.relative_to(index) for path in index.rglob("*")}
    aside = files.set_aside(index)
    assert aside.name.startswith("index.corrupt-")
    assert {path.relative_to(aside) for path in aside.rglob("*")} == names
    assert (index.exists(), checksums_path(index).exists()) == (False, False)


def test_removing_an_index_leaves_nothing_and_needs_none(index: Path) -> None:
    files.remove_index(index)
    files.remove_index(index)
    assert [*index.parent.iterdir()] == []


def test_what_a_killed_process_left_is_removed_and_the_index_stays(index: Path) -> None:
    for tail in (".new", ".gone"):
        (index.parent / f"index{tail}").mkdir()
        (index.parent / f"index{tail}" / "half").write_text("x")
    files.remove_scratch(index)
    assert {path.name for path in index.parent.iterdir()} == {"index", "index.sums"}


def test_points_are_unpacked_until_the_index_is_packed(tmp_path: Path) -> None:
    fill(makers("edge", tmp_path), 500)
    assert files.count_unpacked_points(tmp_path / "index") == 500
    store = EdgeStore(tmp_path, "index", DIMENSION)
    store.open()
    store.compact()
    store.close()
    assert files.count_unpacked_points(tmp_path / "index") == 0


def test_packing_needs_room_for_a_second_copy_and_the_log(index: Path) -> None:
    before = files.bytes_to_pack(index)
    (index / "more").write_bytes(b"x" * 1_000_000)
    assert 990_000 < files.bytes_to_pack(index) - before < 1_100_000
    assert before > 2 * files.LOG_BYTES + MIN_FREE_BYTES


def test_the_log_is_made_private(index: Path) -> None:
    (index / "wal").mkdir(exist_ok=True)
    (index / "wal" / "open-9").touch(0o644)
    files.make_log_private(index)
    assert {path.stat().st_mode & 0o777 for path in (index / "wal").iterdir()} == {0o600}
