"""The embedded engine: a killed writer leaves whole batches, a second process waits for its turn,
and a lost or corrupt index is built anew."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from orch.memory.edge_store import EdgeStore
from orch.memory.store import Filter
from tests.support.fake_ollama import FakeOllama
from tests.support.memory_commands import SERVER, add_note, search_memory
from tests.support.orch_command import orch
from tests.support.vector_stores import BATCH, DIMENSION, Holder, kill_a_writer


def test_a_second_process_waits_for_its_turn(tmp_path: Path) -> None:
    holder = Holder("edge", tmp_path)
    with holder:
        holder.release()  # it still has the store to close
        store = EdgeStore(tmp_path, "index", DIMENSION, patience_s=30)
        store.open()
        store.close()


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_writer_leaves_whole_batches(seed: int, tmp_path: Path) -> None:
    acknowledged = kill_a_writer("edge", tmp_path, 20 + random.Random(seed).randrange(400))
    store = EdgeStore(tmp_path, "index", DIMENSION)
    store.open()
    batches = store.count() / BATCH
    assert (store.notes, batches % 1) == ([], 0)
    assert acknowledged <= batches <= acknowledged + 1
    assert store.newest_seq() == batches
    assert len(store.lexical({1: 1.0}, 100_000, Filter())) == store.count()
    store.close()


def test_an_index_that_is_lost_is_built_anew(ollama: FakeOllama, home: Path) -> None:
    add_note(SERVER)
    shutil.rmtree(home / "memory")
    assert search_memory("nemo")


def test_an_index_that_is_corrupt_is_set_aside_and_built_anew(
    ollama: FakeOllama, home: Path
) -> None:
    add_note(SERVER)
    for path in (home / "memory").rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            path.write_bytes(b"rubbish" * 100)
    done = orch("memory", "search", "--json", "nemo")
    assert json.loads(done.stdout)["hits"]
    assert b"corrupt" in done.stderr
