"""A full disk: the engine maps sparse files, and a write to one without room would end the process
by SIGBUS."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orch.errors import OrchError
from orch.memory.edge import disk_space
from orch.memory.edge_store import EdgeStore
from orch.memory.store import Filter, StoreError
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.journal_file import query
from tests.support.orch_command import orch
from tests.support.orch_process import ask, serving, until
from tests.support.vector_stores import DIMENSION, point

SERVER = "the staging server is called nemo and stands in Helsinki"


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is free on the disk: the last number."""
    sizes = [1 << 40]
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": sizes[-1]}))
    return sizes


def test_no_index_is_begun_without_room(tmp_path: Path, free: list[int]) -> None:
    free.append(disk_space.MIN_FREE_BYTES - 1)
    with pytest.raises(StoreError, match="the disk of the memory index is full") as caught:
        EdgeStore(tmp_path, "index", DIMENSION).open()
    assert caught.value.code == "full"
    assert not list(tmp_path.glob("index*"))


def test_nothing_is_asked_of_an_open_index_while_there_is_no_room(
    tmp_path: Path, free: list[int]
) -> None:
    store = EdgeStore(tmp_path, "index", DIMENSION)
    store.open()
    store.upsert([point(1)])
    free.append(0)
    for act in (
        lambda: store.upsert([point(2)]),
        lambda: store.delete(["run-1"]),
        store.compact,
        store.count,
        lambda: store.lexical({1: 1.0}, 5, Filter()),
    ):
        with pytest.raises(StoreError, match="full"):
            act()
    free.append(1 << 40)
    assert (store.count(), store.newest_seq()) == (1, 1)
    store.close()


def test_an_index_is_closed_without_room_and_whole_afterwards(
    tmp_path: Path, free: list[int]
) -> None:
    for number in (1, 2):
        store = EdgeStore(tmp_path, "index", DIMENSION)
        store.open()
        store.upsert([point(number)])
        free.append(0)
        store.close()
        free.append(1 << 40)
    store.open()
    assert store.count() == 2
    store.close()


def test_what_needs_a_second_copy_is_left_for_later(tmp_path: Path, free: list[int]) -> None:
    store = EdgeStore(tmp_path, "index", DIMENSION)
    store.open()
    free.append(disk_space.MIN_FREE_BYTES)
    store.upsert([point(1)])
    with pytest.raises(StoreError, match="full"):
        store.compact()
    store.close()


# ---------------------------------------------------------------- as its user has it


@pytest.fixture
def full(home: Path) -> Iterator[Path]:
    """This ORCH_HOME on a disk of its own that has some kilobytes left."""
    home.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", home], capture_output=True
        ).returncode
    ):
        pytest.skip("no right to mount")
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", home], check=True)


def fill(home: Path) -> None:
    """Takes what is left."""
    with (home / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def test_on_a_full_disk_every_command_ends_in_order_and_health_works(
    ollama: FakeOllama, full: Path
) -> None:
    assert orch("run", "-m", CODER, SERVER).returncode == 0
    fill(full)
    answered, *others = (
        orch(*words)
        for words in (
            ("run", "--recall", "-m", CODER, "hi"),
            ("memory", "search", "nemo"),
            ("memory", "add", "hi"),
        )
    )
    checked = json.loads(orch("health", "--json").stdout)
    assert (
        answered.returncode,
        answered.stdout,
        b"answered without memory" in answered.stderr,
    ) == (0, b"def f(): pass", True)
    assert [
        (done.returncode, b"full" in done.stderr, b"Traceback" in done.stderr) for done in others
    ] == [(1, True, False)] * 2
    assert checked["ok"]
    assert next(each["status"] for each in checked["checks"] if each["name"] == "memory") == "warn"


def test_a_server_begins_on_a_full_disk_and_writes_its_runs_when_there_is_room(
    ollama: FakeOllama, full: Path
) -> None:
    fill(full)
    with serving() as server:
        ask(server, "hi")
        assert "kept in memory" in httpx.get(f"{server.url}/orch/health", trust_env=False).text
        (full / "fill").unlink()
        until(
            lambda: (
                "kept in memory" not in httpx.get(f"{server.url}/orch/health", trust_env=False).text
            )
        )
    assert query(full, "SELECT task FROM runs") == [("hi",)]


def test_a_journal_that_can_only_be_read_is_listed_and_shown(
    ollama: FakeOllama, full: Path
) -> None:
    orch("memory", "add", SERVER)
    subprocess.run(["mount", "-o", "remount,ro", full], check=True)
    listed, added = orch("memory", "list", "--json"), orch("memory", "add", "hi")
    (row,) = json.loads(listed.stdout)["memories"]
    assert row["task"] == SERVER
    assert SERVER.encode() in orch("memory", "show", row["id"][:10]).stdout
    assert (added.returncode, b"Traceback" in added.stderr) == (1, False)


def test_the_error_says_how_much_is_wanted(tmp_path: Path, free: list[int]) -> None:
    free.append(3_000_000)
    with pytest.raises(OrchError, match="3 MB are free, it wants 67 MB"):
        disk_space.check_free_space(tmp_path)
