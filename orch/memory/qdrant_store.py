"""Store on a Qdrant server, or in qdrant-client's local mode where Qdrant's engine has no wheel."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from orch.config import paths
from orch.config.urls import display_url
from orch.errors import ProviderError
from orch.memory.file_lock import IndexLock
from orch.memory.qdrant_types import (
    collection_dimension,
    runs_filter,
    to_hit,
    to_query_filter,
    to_records,
    to_sparse_vector,
)
from orch.memory.store import (
    DENSE,
    INDEXED,
    LEXICAL,
    REINDEX_HINT,
    Filter,
    Hit,
    Point,
    StoreError,
    dimension_error,
)
from orch.providers.http.httpx_options import bounded_transport
from orch.providers.http.proxies import proxy_for
from orch.text.lines import first_line, one_line

_TIMEOUT_S = 5
_MOST_BYTES = 64_000_000
"""Of one response of a server."""
_CHUNK = 1000
"""Points in one request: a server rejects more than 32 MB, and one point is about 9 KB of JSON."""


class QdrantStore:
    """One collection: on a server with `url`, in files with `path`, for tests with `in_memory`.
    `dimension` None is lexical only.

    Files are for one process at a time: another one waits `patience_s` in `open`, then gets
    StoreError with the code `locked`.
    """

    def __init__(
        self,
        collection: str,
        dimension: int | None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        path: Path | None = None,
        in_memory: bool = False,
        patience_s: float = 5.0,
    ) -> None:
        if (url is not None) + (path is not None) + in_memory != 1:
            raise ValueError("one of url, path and in_memory says where the collection is")
        self.collection, self.created, self.notes = collection, False, list[str]()
        self._dimension, self._url, self._api_key, self._path = dimension, url, api_key, path
        self._lock = (
            IndexLock(path.with_name(f"{path.name}.lock"), patience_s) if path is not None else None
        )
        self._client: QdrantClient | None = None

    # ------------------------------------------------------------ opening and closing

    def open(self, patience_s: float | None = None) -> None:
        """Connects, and creates the collection if missing; moves corrupt files aside. Raises
        StoreError."""
        try:
            with self._translated():
                if self._lock is not None:
                    self._lock.acquire(patience_s)
                if self._client is None:
                    self._client = self._connect()
                self._prepare(self._client)
        except BaseException:
            self.close()
            raise

    def _connect(self) -> QdrantClient:
        if self._path is not None:
            return self._load(self._path)
        if self._url is None:
            return QdrantClient(":memory:")
        try:
            transport = bounded_transport(self._url, proxy_for(self._url), _MOST_BYTES)
        except ProviderError as error:
            raise StoreError(error.message, code="unreachable") from None
        return QdrantClient(
            url=self._url,
            api_key=self._api_key,
            timeout=_TIMEOUT_S,
            check_compatibility=False,
            transport=transport,
        )

    def _load(self, path: Path) -> QdrantClient:
        paths.make_private(path)
        try:
            return _client_of(path)
        except OSError:
            raise
        # whatever JSON, pickle, SQLite and pydantic raise for corrupt files
        except Exception as error:
            aside = path.with_name(
                f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
            )
            os.replace(path, aside)
            self.notes.append(
                f"the memory index {path.name} is corrupt ({first_line(error)}): set aside as"
                f" {aside}, a new one is built from the journal"
            )
            paths.make_private(path)
            return _client_of(path)

    def _prepare(self, client: QdrantClient) -> None:
        self.created = not client.collection_exists(self.collection)
        if self.created:
            self._begin(client)
        else:
            theirs = collection_dimension(client, self.collection)
            if theirs != self._dimension:
                raise dimension_error(self.collection, theirs, self._dimension)

    def _begin(self, client: QdrantClient) -> None:
        half = models.Datatype.FLOAT16
        dense = (
            models.VectorParams(
                size=self._dimension, distance=models.Distance.COSINE, on_disk=True, datatype=half
            )
            if self._dimension
            else None
        )
        try:
            client.create_collection(
                self.collection,
                vectors_config={DENSE: dense} if dense else {},
                sparse_vectors_config={
                    LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)
                },
                on_disk_payload=True,
            )
        except UnexpectedResponse as error:
            if error.status_code != 409:  # another process was first
                raise
            self.created = False
        for field, kind in INDEXED.items():
            client.create_payload_index(self.collection, field, models.PayloadSchemaType(kind))

    def close(self) -> None:
        """Closes the connection, or releases the files."""
        client, self._client = self._client, None
        try:
            if client is not None:
                with self._translated():
                    client.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def drop(self) -> None:
        """Removes the collection, whatever its dimension."""
        with self._translated():
            if self._lock is not None:
                self._lock.acquire()
            if self._client is None:
                self._client = self._connect()
            self._client.delete_collection(self.collection)

    # ------------------------------------------------------------ writing

    def upsert(self, points: Sequence[Point]) -> None:
        """Writes points in the order of their rows. Only the last point of a row has its number: an
        interrupted row does not count as done."""
        for point in points:
            if point.dense is not None and len(point.dense) != self._dimension:
                raise dimension_error(self.collection, self._dimension, len(point.dense))
        records = to_records(points)
        for start in range(0, len(records), _CHUNK):
            self._write(records[start : start + _CHUNK])

    def _write(self, records: list[models.PointStruct]) -> None:
        self._ask(lambda client: client.upsert(self.collection, records, wait=True))

    def delete(self, run_ids: Sequence[str]) -> None:
        """Removes all points of these runs."""
        if run_ids:
            theirs = models.FilterSelector(filter=runs_filter(run_ids))
            self._ask(lambda client: client.delete(self.collection, theirs, wait=True))

    def compact(self) -> None:
        """Rewrites the files of the local mode. A server compacts by itself."""
        if self._path is not None:
            with (
                self._translated(),
                contextlib.closing(
                    sqlite3.connect(self._path / "collection" / self.collection / "storage.sqlite")
                ) as file,
            ):
                file.execute("VACUUM")

    # ------------------------------------------------------------ reading

    def dense(self, vector: Sequence[float], limit: int, where: Filter) -> list[Hit]:
        """The nearest points by cosine."""
        if self._dimension is None:
            return []
        if len(vector) != self._dimension:
            raise dimension_error(self.collection, self._dimension, len(vector))
        return self._nearest(DENSE, list(vector), limit, where)

    def lexical(self, weights: Mapping[int, float], limit: int, where: Filter) -> list[Hit]:
        """The points that share terms with a query."""
        return self._nearest(LEXICAL, to_sparse_vector(weights), limit, where) if weights else []

    def _nearest(
        self, using: str, vector: list[float] | models.SparseVector, limit: int, where: Filter
    ) -> list[Hit]:
        fields = ["run_id", "part"]
        response = self._ask(
            lambda client: client.query_points(
                self.collection,
                vector,
                using=using,
                limit=limit,
                query_filter=to_query_filter(where),
                with_payload=fields,
            )
        )
        return [to_hit(point) for point in response.points]

    def newest_seq(self) -> int:
        """The largest row number in the collection."""
        newest = self.newest()
        return newest[0] if newest else 0

    def newest(self) -> tuple[int, str] | None:
        """The number and run of the row with the largest number."""
        last = models.OrderBy(key="seq", direction=models.Direction.DESC)
        records, _ = self._ask(
            lambda client: client.scroll(
                self.collection, limit=1, order_by=last, with_payload=["seq", "run_id"]
            )
        )
        payload = (records[0].payload or {}) if records else {}
        return (int(payload["seq"]), str(payload["run_id"])) if payload else None

    def count(self) -> int:
        """The number of points."""
        return int(self._ask(lambda client: client.count(self.collection, exact=True)).count)

    # ------------------------------------------------------------ asking

    def _ask(self, question: Callable[[QdrantClient], Any]) -> Any:
        if self._client is None:
            raise StoreError("the memory index is not open")
        with self._translated():
            return question(self._client)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Private files, the client's warnings suppressed (it recommends a server, or TLS on
        loopback), its errors as StoreError."""
        mask = os.umask(0o077)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except StoreError:
            raise
        except Exception as error:
            raise self._error(error) from error
        finally:
            os.umask(mask)

    def _error(self, error: Exception) -> StoreError:
        if self._url is None:
            return StoreError(f"the memory index can't be used ({first_line(error)})", REINDEX_HINT)
        if isinstance(error, UnexpectedResponse):
            return _refused(self._url, error)
        message = f"no Qdrant server answers at {display_url(self._url)} ({first_line(error)})"
        return StoreError(
            message, "start it, or correct memory.qdrant_url in routing.yaml", code="unreachable"
        )


def _client_of(path: Path) -> QdrantClient:
    return QdrantClient(path=str(path), force_disable_check_same_thread=True)


def _refused(url: str, error: UnexpectedResponse) -> StoreError:
    at = f"Qdrant at {display_url(url)}"
    if error.status_code in (401, 403):
        return StoreError(
            f"{at} refuses the key",
            "correct memory.qdrant_api_key in routing.yaml, or the variable that it names",
            code="denied",
        )
    if error.status_code == 404 and b'"status"' not in error.content:
        return StoreError(
            f"the server at {display_url(url)} is not Qdrant",
            "correct memory.qdrant_url in routing.yaml",
            code="unreachable",
        )
    return StoreError(
        f"{at} answers {error.status_code}:"
        f" {one_line(error.content.decode(errors='replace')[:200])}",
        REINDEX_HINT,
    )
