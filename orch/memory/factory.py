"""Creates the index of one journal with the store and the embedder that routing.yaml names."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from orch.config import paths, spec
from orch.config.installation import install_extra_command
from orch.config.urls import display_url
from orch.errors import OrchError
from orch.memory.embedders import Embedder
from orch.memory.index import MemoryIndex, begun_fact
from orch.memory.journal_source import JournalSource
from orch.memory.store import Store
from orch.storage.journal import Journal
from orch.text.model_names import comparison_key


async def create_memory_index(
    rule: spec.Memory,
    journal: Journal,
    embedder: Embedder,
    warning: str | None,
    source: JournalSource,
) -> MemoryIndex:
    """The index, not opened yet. Raises OrchError if embedder or store is not available."""
    dimension = await embedder.dimension()
    places = {
        index: f"{display_url(rule.qdrant_url)}/{index}-{journal.journal_id()}"
        if rule.qdrant_url
        else f"here/{index}"
        for index in index_names(embedder, dimension)
    }
    # an older orch may have begun it under the other spelling
    begun = (index for index, place in places.items() if source.has_fact(begun_fact(place)))
    index = next(begun, next(iter(places)))
    store = create_store(rule, index, dimension, paths.data_dir() / "memory", journal)
    return MemoryIndex(source, store, embedder, journal, places[index], warning)


def index_name(embedder: Embedder, dimension: int | None) -> str:
    """The name of an index identifies its vectors: another embedder means another index."""
    return index_names(embedder, dimension)[0]


def index_names(embedder: Embedder, dimension: int | None) -> list[str]:
    """The name of a new index, and those that it may have instead: `ollama/nomic` and
    `ollama/nomic:latest` are one model."""
    provider, slash, model = embedder.name.partition("/")
    full = f"{provider}/{comparison_key(model)}" if slash and model else embedder.name
    spellings = (full.removesuffix(":latest"), full, embedder.name)
    return list(dict.fromkeys(_index_name(each, dimension) for each in spellings))


def _index_name(embedder: str, dimension: int | None) -> str:
    return f"orch-{re.sub(r'[^a-z0-9]+', '-', embedder.lower()).strip('-')}-{dimension or 0}"


def create_store(
    rule: spec.Memory, name: str, dimension: int | None, folder: Path, journal: Journal
) -> Store:
    """A collection on the Qdrant server of routing.yaml, else Qdrant's engine inside orch, else the
    client's local mode.

    Raises OrchError if the library for it is not installed.
    """
    try:
        return _store_for(rule, name, dimension, folder, journal)
    except ImportError as error:
        raise OrchError(
            f"memory is not installed here: {error}", install_extra_command("memory")
        ) from error


def _store_for(
    rule: spec.Memory, name: str, dimension: int | None, folder: Path, journal: Journal
) -> Store:
    if rule.qdrant_url:
        from orch.memory.qdrant.shared_collection import SharedCollectionStore

        return SharedCollectionStore(
            name, dimension, journal, url=rule.qdrant_url, api_key=rule.qdrant_api_key
        )
    if find_spec("qdrant_edge") is not None:
        from orch.memory.edge_store import EdgeStore

        return EdgeStore(folder, name, dimension)
    # imported here, where a missing library is reported
    import orch.memory.qdrant.local  # noqa: F401
    from orch.memory.qdrant_store import QdrantStore

    return QdrantStore(name, dimension, path=folder / "local")
