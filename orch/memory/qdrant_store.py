"""Store of Qdrant's HTTP API: on a server, or in qdrant-client's local mode where Qdrant's engine
has no wheel."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from orch.memory.file_lock import IndexLock
from orch.memory.qdrant.requests import (
    Connection,
    Json,
    collection_dimension,
    nearest_query,
    new_collection,
    newest_row,
    runs_filter,
    to_hits,
    to_records,
    to_sparse_vector,
)
from orch.memory.store import (
    DENSE,
    INDEXED,
    LEXICAL,
    Filter,
    Hit,
    Point,
    StoreError,
    dimension_error,
)

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
        self.generation = ""
        self._dimension, self._url, self._api_key, self._path = dimension, url, api_key, path
        self._lock = (
            IndexLock(path.with_name(f"{path.name}.lock"), patience_s) if path is not None else None
        )
        self._connection: Connection | None = None

    # ------------------------------------------------------------ opening and closing

    def open(self, patience_s: float | None = None) -> None:
        """Connects, and creates the collection if missing; moves corrupt files aside. Raises
        StoreError."""
        try:
            self._connect(patience_s)
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _connect(self, patience_s: float | None = None) -> None:
        if self._lock is not None:
            self._lock.acquire(patience_s)
        if self._connection is None:
            self._connection = self._connection_to_store()

    def _connection_to_store(self) -> Connection:
        if self._url is not None:
            # httpx, which a memory without a server does not need
            from orch.memory.qdrant.server import ServerConnection

            return ServerConnection(self._url, self._api_key)
        # qdrant-client takes over a second of CPU to import
        from orch.memory.qdrant.local import EmbeddedConnection

        return EmbeddedConnection(self._path, self.notes)

    def _prepare(self) -> None:
        try:
            info = self._ask("GET")
        except StoreError as error:
            if error.code != "missing":
                raise
            self._begin()
            return
        self.created = False
        if (theirs := collection_dimension(info)) != self._dimension:
            raise dimension_error(self.collection, theirs, self._dimension)
        if self._url is not None:  # the local mode needs no indexes
            # its creator may have ended before; Qdrant orders by no field without one
            self._create_indexes(info.get("payload_schema") or ())

    def _begin(self) -> None:
        self.created = True
        try:
            self._ask("PUT", "", new_collection(self._dimension))
        except StoreError as error:
            if error.code != "exists":  # another process was first
                raise
            self.created = False
        self._create_indexes()

    def _create_indexes(self, present: Container[str] = ()) -> None:
        for field, kind in self._indexed().items():
            if field not in present:
                self._ask("PUT", "index", {"field_name": field, "field_schema": kind})

    def _indexed(self) -> Mapping[str, str]:
        """The fields with an index, and its kind."""
        return INDEXED

    def close(self) -> None:
        """Closes the connection, or releases the files."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def drop(self) -> None:
        """Removes the collection, whatever its dimension."""
        was_open = self._connection is not None
        self._connect()
        try:
            self._ask("DELETE")
        except StoreError as error:
            if error.code != "missing":
                raise
        finally:
            if self._url is not None and not was_open:
                self.close()

    # ------------------------------------------------------------ writing

    def upsert(self, points: Sequence[Point]) -> None:
        """Writes points in the order of their rows. Only the last point of a row has its number: an
        interrupted row does not count as done."""
        for point in points:
            if point.dense is not None and len(point.dense) != self._dimension:
                raise dimension_error(self.collection, self._dimension, len(point.dense))
        records = to_records(points, self._marks())
        for start in range(0, len(records), _CHUNK):
            self._ask("PUT", "points", {"points": records[start : start + _CHUNK]})

    def _marks(self) -> Mapping[str, str]:
        """What each point carries beside its own fields."""
        return {}

    def delete(self, run_ids: Sequence[str]) -> None:
        """Removes all points of these runs."""
        if run_ids:
            self._ask("POST", "points/delete", {"filter": runs_filter(run_ids)})

    def compact(self) -> None:
        """Rewrites the files of the local mode. A server compacts by itself."""
        if self._path is not None:
            from orch.memory.qdrant import local  # imported by now

            local.compact(self._path, self.collection)

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
        self, using: str, vector: list[float] | Json, limit: int, where: Filter
    ) -> list[Hit]:
        return to_hits(
            self._ask("POST", "points/query", nearest_query(using, vector, limit, where))
        )

    def newest_seq(self) -> int:
        """The largest row number in the collection."""
        newest = self._newest(["seq"])
        return int(newest["seq"]) if newest else 0

    def _newest(self, fields: Sequence[str], conditions: Sequence[Json] = ()) -> Json:
        """The payload of the point with the largest row number; empty without points."""
        points = self._ask("POST", "points/scroll", newest_row(fields, conditions))["points"]
        return (points[0].get("payload") or {}) if points else {}

    def count(self) -> int:
        """The number of points."""
        return int(self._ask("POST", "points/count", {"exact": True})["count"])

    def _ask(self, method: str, what: str = "", body: Json | None = None) -> Any:
        if self._connection is None:
            raise StoreError("the memory index is not open")
        return self._connection.ask(method, self.collection, what, body)
