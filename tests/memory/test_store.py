"""Every vector store: one suite over Qdrant's engine in this process, the client's local mode and a
server; then what outlasts closing."""

from __future__ import annotations

import gc
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from orch.memory.store import Filter, Store, StoreError
from tests.support.fake_qdrant import FakeQdrant
from tests.support.vector_stores import DIMENSION, Holder, Make, fill, makers, point

EVERYTHING = Filter()
KINDS = ["edge", "memory", "local", "server"]
"""`server` is the one at QDRANT_URL, else a fake that answers over a real socket."""
LASTING = [kind for kind in KINDS if kind != "memory"]


@pytest.fixture(params=KINDS)
def make(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    make = makers(request.param, tmp_path / "stores")
    if request.param != "server":
        yield make
        return
    with nullcontext() if "QDRANT_URL" in os.environ else FakeQdrant() as fake:
        if fake is not None:
            monkeypatch.setenv("QDRANT_URL", fake.url)
        yield make
        make(DIMENSION).drop()


@pytest.fixture
def store(make: Make) -> Iterator[Store]:
    opened = make(DIMENSION)
    opened.open()
    yield opened
    opened.close()


def lasting(test: Callable[..., None]) -> Callable[..., None]:
    """For the kinds that keep what they hold when closed."""
    marked: Callable[..., None] = pytest.mark.parametrize("make", LASTING, indirect=True)(test)
    return marked


# ---------------------------------------------------------------- points and filters


def test_the_payload_of_a_point_leaves_out_what_it_does_not_have() -> None:
    assert replace(point(1), seq=None, session=None).payload() == {
        "run_id": "run-1",
        "part": 0,
        "task_type": "coding",
        "model": "coder",
        "at": 1001.0,
    }


def test_a_filter_tells_its_exact_values_from_its_times() -> None:
    where = Filter(session="s", since=0.0)
    assert (where.exact_matches(), where.has_time_range()) == ({"session": "s"}, True)
    assert (EVERYTHING.exact_matches(), EVERYTHING.has_time_range()) == ({}, False)


# ---------------------------------------------------------------- what every store does


def test_a_new_store_is_empty_and_says_so(store: Store) -> None:
    assert store.created
    assert (store.count(), store.newest_seq()) == (0, 0)
    assert store.dense([1, 0, 0, 0], 5, EVERYTHING) == store.lexical({1: 1.0}, 5, EVERYTHING) == []


def test_writing_a_point_twice_keeps_one(store: Store) -> None:
    store.upsert([point(1), point(2)])
    store.upsert([point(1), replace(point(2), model="other")])
    assert store.count() == 2
    assert [hit.run_id for hit in store.dense([1, 0, 0, 0], 5, Filter(model="other"))] == ["run-2"]


def test_deleting_a_run_takes_out_all_its_points(store: Store) -> None:
    store.upsert([point(1), point(2, 0), point(2, 1), point(3)])
    store.delete(["run-2", "run-3", "never-was"])
    store.delete([])
    assert (store.count(), store.newest_seq()) == (1, 1)
    assert {hit.run_id for hit in store.lexical({1: 1.0}, 5, EVERYTHING)} == {"run-1"}


def test_what_was_deleted_can_be_written_again(store: Store) -> None:
    store.upsert([point(1)])
    store.delete(["run-1"])
    store.compact()
    store.upsert([point(1)])
    assert store.count() == 1


def test_dense_hits_come_best_first_and_carry_their_part(store: Store) -> None:
    store.upsert([point(1, 0, (0, 1, 0, 0)), point(2, 3, (1, 0, 0, 0)), point(3, 0, (1, 1, 0, 0))])
    hits = store.dense([1, 0, 0, 0], 2, EVERYTHING)
    assert [(hit.run_id, hit.part) for hit in hits] == [("run-2", 3), ("run-3", 0)]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.5**0.5], abs=0.001)
    assert hits[0].id == point(2, 3).id


def test_a_rare_term_outweighs_a_common_one(store: Store) -> None:
    store.upsert([point(seq, sparse={7: 1.0}) for seq in range(1, 10)])
    store.upsert([point(10, sparse={8: 1.0})])
    assert store.lexical({7: 1.0, 8: 1.0}, 3, EVERYTHING)[0].run_id == "run-10"


def test_only_points_that_share_a_term_are_lexical_hits(store: Store) -> None:
    store.upsert([point(1, sparse={7: 1.0}), point(2, sparse={8: 1.0}), point(3, sparse={})])
    assert [hit.run_id for hit in store.lexical({8: 1.0}, 5, EVERYTHING)] == ["run-2"]
    assert store.lexical({}, 5, EVERYTHING) == []


@pytest.mark.parametrize(
    ("where", "seqs"),
    [
        (Filter(session="mine"), {2}),
        (Filter(task_type="writing"), {3}),
        (Filter(model="llama"), {4}),
        (Filter(since=1003.0), {3, 4, 5}),
        (Filter(before=1003.0), {1, 2}),
        (Filter(session="talk", model="coder", since=1001.0, before=1004.0), {1, 3}),
        (Filter(session="nobody's"), set()),
    ],
)
def test_filters_narrow_both_kinds_of_search(store: Store, where: Filter, seqs: set[int]) -> None:
    others = [
        replace(point(2), session="mine"),
        replace(point(3), task_type="writing"),
        replace(point(4), model="llama"),
    ]
    store.upsert([point(1), *others, replace(point(5), session=None, model=None, task_type=None)])
    names = {f"run-{seq}" for seq in seqs}
    assert {hit.run_id for hit in store.dense([1, 0, 0, 0], 9, where)} == names
    assert {hit.run_id for hit in store.lexical({1: 1.0}, 9, where)} == names


def test_the_newest_row_is_the_largest_whatever_came_last(store: Store) -> None:
    store.upsert([point(7, 0), point(7, 1), point(3)])
    store.upsert([point(5)])
    assert store.newest_seq() == 7


def test_a_vector_of_another_length_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(StoreError, match="4 numbers") as caught:
        store.upsert([point(1), point(2, dense=(1.0, 0.0))])
    assert (caught.value.code, store.count()) == ("dimension", 0)
    with pytest.raises(StoreError, match="2 numbers"):
        store.dense([1.0, 0.0], 5, EVERYTHING)


def test_a_point_without_a_dense_vector_is_found_by_its_words(store: Store) -> None:
    store.upsert([replace(point(1), dense=None)])
    assert store.dense([1, 0, 0, 0], 5, EVERYTHING) == []
    assert [hit.run_id for hit in store.lexical({1: 1.0}, 5, EVERYTHING)] == ["run-1"]


def test_a_lexical_store_has_no_dense_hits(make: Make) -> None:
    store = make(None)
    store.open()
    store.upsert([replace(point(1), dense=None)])
    assert store.dense([1, 0, 0, 0], 5, EVERYTHING) == []
    assert len(store.lexical({1: 1.0}, 5, EVERYTHING)) == 1
    store.close()


# the local mode of qdrant-client 1.20 leaves the SQLite file of a deleted collection open, which
# Python 3.13 reports
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <sqlite3:pytest.PytestUnraisableExceptionWarning"
)
def test_a_dropped_store_begins_anew(store: Store) -> None:
    store.upsert([point(1)])
    store.drop()
    gc.collect()
    store.open()
    assert store.created
    assert store.count() == 0


def test_a_closed_store_says_so(make: Make) -> None:
    with pytest.raises(StoreError, match="not open"):
        make(DIMENSION).count()


# ---------------------------------------------------------------- what lasts


@lasting
def test_reopening_keeps_everything(make: Make) -> None:
    fill(make, 30)
    again = make(DIMENSION)
    again.open()
    assert not again.created
    assert (again.count(), again.newest_seq(), again.notes) == (30, 30, [])
    assert (
        len(again.dense([1, 0, 0, 0], 50, EVERYTHING))
        == len(again.lexical({1: 1.0}, 50, EVERYTHING))
        == 30
    )
    again.close()


@lasting
def test_another_dimension_is_an_error_that_names_the_way_out(make: Make) -> None:
    fill(make, 1)
    with pytest.raises(StoreError, match="4 numbers") as caught:
        make(5).open()
    assert (caught.value.code, "orch memory reindex" in caught.value.hint) == ("dimension", True)
    other = make(5)
    other.drop()
    other.open()
    assert other.created
    other.close()
    fill(make, 0, dimension=5)


@lasting
def test_compacting_keeps_what_was_not_deleted(make: Make) -> None:
    fill(make, 20)
    store = make(DIMENSION)
    store.open()
    store.delete([f"run-{seq}" for seq in range(1, 11)])
    store.compact()
    store.upsert([point(21)])
    store.close()
    store.open()
    assert {hit.run_id for hit in store.dense([1, 0, 0, 0], 50, EVERYTHING)} == {
        f"run-{seq}" for seq in range(11, 22)
    }
    store.close()


@pytest.mark.parametrize("kind", ["edge", "local"])
def test_nothing_of_what_was_deleted_is_left_in_the_files(kind: str, tmp_path: Path) -> None:
    store = makers(kind, tmp_path)(DIMENSION)
    store.open()
    store.upsert([point(1), replace(point(2), run_id="SECRET-RUN")])
    assert holding(tmp_path, b"SECRET-RUN")
    store.delete(["SECRET-RUN"])
    store.compact()
    store.close()
    assert holding(tmp_path, b"SECRET-RUN") == []
    assert holding(tmp_path, b"run-1")


@pytest.mark.parametrize("kind", ["edge", "local"])
def test_every_file_is_its_owners_alone(kind: str, tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        fill(makers(kind, tmp_path / "stores"), 3)
    finally:
        os.umask(mask)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "stores").rglob("*")}
    assert {path for path, mode in modes.items() if mode & 0o077} == set()


@pytest.mark.parametrize("kind", ["edge", "local"])
def test_a_second_process_is_told_and_gets_its_turn_afterwards(kind: str, tmp_path: Path) -> None:
    make = makers(kind, tmp_path)
    with Holder(kind, tmp_path):
        with pytest.raises(StoreError, match="another orch process") as caught:
            make(DIMENSION).open()
        assert caught.value.code == "locked"
    fill(make, 1)


@pytest.mark.parametrize("kind", ["edge", "local"])
def test_corrupt_files_are_set_aside_and_a_new_index_is_begun(kind: str, tmp_path: Path) -> None:
    make = makers(kind, tmp_path)
    fill(make, 5)
    for path in [
        *tmp_path.rglob("edge_config.json"),
        *tmp_path.rglob("segment.json"),
        *tmp_path.rglob("meta.json"),
    ]:
        path.write_bytes(b"\x00rubbish")
    store = make(DIMENSION)
    store.open()
    assert (store.created, store.count()) == (True, 0)
    assert "set aside" in store.notes[0]
    store.close()
    assert len(list(tmp_path.glob("*.corrupt-*"))) == 1


def holding(folder: Path, mark: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and mark in path.read_bytes()]
