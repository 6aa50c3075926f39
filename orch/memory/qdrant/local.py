"""qdrant-client's local mode, behind the requests of a server: files, where Qdrant's engine has no
wheel."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient, models

from orch.config import paths
from orch.memory.qdrant.requests import Json
from orch.memory.store import REINDEX_HINT, StoreError
from orch.text.lines import first_line


class EmbeddedConnection:
    """Files of one process, or a store in memory with `path` None. Corrupt files are moved aside,
    with a note in `notes`."""

    def __init__(self, path: Path | None, notes: list[str]) -> None:
        with _translated():
            self._client = QdrantClient(":memory:") if path is None else _load(path, notes)

    def ask(self, method: str, collection: str, what: str = "", body: Json | None = None) -> Any:
        """The result of a request."""
        with _translated():
            if (method, what) != ("PUT", "") and not self._client.collection_exists(collection):
                raise StoreError(f"there is no collection {collection}", code="missing")
            return answer(self._client, method, collection, what, body or {})

    def close(self) -> None:
        """Closes the files."""
        with _translated():
            self._client.close()


def compact(path: Path, collection: str) -> None:
    """Rewrites the file of a collection without what was deleted."""
    file = path / "collection" / collection / "storage.sqlite"
    with _translated(), contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM")


def _load(path: Path, notes: list[str]) -> QdrantClient:
    paths.make_private(path)
    try:
        return _client_of(path)
    except OSError:
        raise
    # whatever JSON, pickle, SQLite and pydantic raise for corrupt files
    except Exception as error:
        name = f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        aside = path.with_name(name)
        os.replace(path, aside)
        notes.append(
            f"the memory index {path.name} is corrupt ({first_line(error)}): set aside as"
            f" {aside}, a new one is built from the journal"
        )
        paths.make_private(path)
        return _client_of(path)


def _client_of(path: Path) -> QdrantClient:
    return QdrantClient(path=str(path), force_disable_check_same_thread=True)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Private files, the client's warnings suppressed (it recommends a server), its errors as
    StoreError."""
    mask = os.umask(0o077)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (StoreError, KeyboardInterrupt):
        raise
    except Exception as error:
        message = f"the memory index can't be used ({first_line(error)})"
        raise StoreError(message, REINDEX_HINT) from error
    finally:
        os.umask(mask)


# ---------------------------------------------------------------- the answers


def answer(client: QdrantClient, method: str, collection: str, what: str, body: Json) -> Any:
    """The result of a request, as a server would send it. Raises whatever the client raises."""
    return _ANSWERS[method, what](client, collection, body)


def _create(client: QdrantClient, name: str, body: Json) -> Any:
    asked = models.CreateCollection.model_validate(body)
    return client.create_collection(
        name,
        vectors_config=asked.vectors or {},
        sparse_vectors_config=asked.sparse_vectors,
        on_disk_payload=asked.on_disk_payload,
    )


def _info(client: QdrantClient, name: str, _: Json) -> Any:
    return client.get_collection(name).model_dump(mode="json")


def _drop(client: QdrantClient, name: str, _: Json) -> Any:
    """The client deletes the files of a collection and leaves them open: Windows keeps them, and
    Python 3.13 warns of the connection."""
    local: Any = client._client
    if opened := local.collections.get(name):
        opened.close()
    return client.delete_collection(name)


def _index(*_: Any) -> Any:
    """The local mode has no indexes of payloads."""
    return {"operation_id": 0, "status": "completed"}


def _upsert(client: QdrantClient, name: str, body: Json) -> Any:
    points = models.PointsList.model_validate(body).points
    return client.upsert(name, points).model_dump(mode="json")


def _delete(client: QdrantClient, name: str, body: Json) -> Any:
    return client.delete(name, models.FilterSelector.model_validate(body)).model_dump(mode="json")


def _query(client: QdrantClient, name: str, body: Json) -> Any:
    asked = models.QueryRequest.model_validate(body)
    fields: Any = asked.with_payload
    found = client.query_points(
        name,
        asked.query,
        using=asked.using,
        limit=asked.limit or 0,
        query_filter=asked.filter,
        with_payload=fields,
    )
    return found.model_dump(mode="json")


def _scroll(client: QdrantClient, name: str, body: Json) -> Any:
    asked = models.ScrollRequest.model_validate(body)
    fields: Any = asked.with_payload
    records, _ = client.scroll(
        name,
        scroll_filter=asked.filter,
        limit=asked.limit or 0,
        order_by=asked.order_by,
        with_payload=fields,
    )
    points = [record.model_dump(mode="json") for record in records]
    return {"points": points, "next_page_offset": None}


def _count(client: QdrantClient, name: str, body: Json) -> Any:
    return client.count(name, exact=bool(body.get("exact"))).model_dump(mode="json")


_ANSWERS: dict[tuple[str, str], Callable[[QdrantClient, str, Json], Any]] = {
    ("GET", ""): _info,
    ("PUT", ""): _create,
    ("DELETE", ""): _drop,
    ("PUT", "index"): _index,
    ("PUT", "points"): _upsert,
    ("POST", "points/delete"): _delete,
    ("POST", "points/query"): _query,
    ("POST", "points/scroll"): _scroll,
    ("POST", "points/count"): _count,
}
