"""Store in Qdrant's embedded engine, guarded by a file lock: without one, two processes corrupt
it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import qdrant_edge as qdrant

from orch.memory.edge import checksums, files, probe
from orch.memory.edge.disk_space import check_free_space, free_bytes
from orch.memory.edge.types import (
    edge_runs_filter,
    from_edge_point,
    to_edge_filter,
    to_edge_point,
    to_edge_sparse,
)
from orch.memory.file_lock import IndexLock
from orch.memory.store import (
    DENSE,
    LEXICAL,
    REINDEX_HINT,
    Filter,
    Hit,
    Point,
    StoreError,
    dimension_error,
)
from orch.text.lines import first_line

_TAIL = 1000
"""Points that may stay in the part of the index that is loaded at each start (15 µs a point)."""
_TAIL_SHARE = 20
"""One in so many may stay there too, so that the cost of packing (40 µs a point of the whole index)
is shared by that many new points."""
_TAIL_MOST = 100_000
"""Points after which they are packed during writing: they take 3 KB of memory each."""
_UNFLUSHED = 10_000
"""Points after which the write-ahead log is flushed; it takes 2.3 KB a point."""
_NOBODY = "00000000-0000-0000-0000-000000000000"
"""The nil UUID: the id of no point and no run."""
_MACHINE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
)
"""Errors of the machine, not of the index: the index stays in place."""


class EdgeStore:
    """The index `name` in a folder. `dimension` is that of the dense vectors, None for lexical
    only.

    One process at a time: another one waits `patience_s` in `open`, then gets StoreError with the
    code `locked`.
    """

    def __init__(
        self, folder: Path, name: str, dimension: int | None, patience_s: float = 5.0
    ) -> None:
        self.path = folder / name
        self.created, self.notes, self.generation = False, list[str](), ""
        self._dimension = dimension
        self._lock = IndexLock(folder / f"{name}.lock", patience_s)
        self._shard: qdrant.EdgeShard | None = None
        self._unflushed, self._written = 0, False

    # ------------------------------------------------------------ opening and closing

    def open(self, patience_s: float | None = None) -> None:
        """Acquires the lock and loads the index; moves a corrupt one aside and creates a new one.
        Raises StoreError."""
        if self._shard is not None:
            return
        with _translated(self.path):
            check_free_space(self.path)
            self._lock.acquire(patience_s)
        try:
            self._open()
        except BaseException:
            self._release()
            raise

    def _open(self) -> None:
        files.remove_scratch(self.path)
        self.created = not self.path.exists()
        with _translated(self.path):
            if self.created:
                files.create_index(self.path, self._dimension)
        try:
            if not self.created:
                self._check_files()
            self._load()
        except StoreError as error:
            if error.code != "corrupt":
                raise
            self._set_aside(error)
            with _translated(self.path):
                files.create_index(self.path, self._dimension)
            self._load()

    def _check_files(self) -> None:
        """Raises StoreError for an index whose files were changed, or that the engine can't
        load."""
        with _translated(self.path):
            changed = checksums.find_changed_file(self.path)
            checksums.remove_checksums(self.path)
            if changed:
                raise StoreError(
                    f"the memory index {self.path.name} is corrupt ({changed} is not as it was"
                    " written)",
                    REINDEX_HINT,
                    code="corrupt",
                )
            if changed is not None and not probe.is_usable(self.path):
                raise StoreError(
                    f"the memory index {self.path.name} is corrupt (the engine can't work with it)",
                    REINDEX_HINT,
                    code="corrupt",
                )

    def _load(self) -> None:
        with _translated(self.path):
            theirs = files.read_dimension(self.path)
            if theirs != self._dimension:
                raise dimension_error(self.path.name, theirs, self._dimension)
            self._shard = qdrant.EdgeShard.load(str(self.path))
        self.newest_seq()  # a lost payload index shows at the first query, not at loading

    def _set_aside(self, error: StoreError) -> None:
        self._shard = None  # which closes it
        aside = files.set_aside(self.path)
        self.created = True
        self.notes.append(
            f"{error.message}: set aside as {aside}, a new one is built from the journal"
        )

    def close(self) -> None:
        """Packs the index if many points were added, and releases the lock."""
        try:
            if self._shard is not None:
                self._pack()
        finally:
            self._release()

    def _pack(self) -> None:
        """Moves new points to the part that is not loaded at each start, if there are many."""
        if not self._written or not self._can_pack():
            return
        with _translated(self.path):
            # the next start replays the last change: make it a small one
            self._opened.update(qdrant.UpdateOperation.delete_points([_NOBODY]))
            self._flush(max(_TAIL, self.count() // _TAIL_SHARE))

    def _flush(self, tail: int) -> None:
        """Flushes the log, and packs if more than `tail` points are unpacked."""
        self._opened.flush()
        self._unflushed = 0
        if files.count_unpacked_points(self.path) > tail and self._can_pack():
            self._opened.optimize()

    def _can_pack(self) -> bool:
        """Whether there is space for a second copy of the index."""
        return free_bytes(self.path) >= files.bytes_to_pack(self.path)

    def _release(self) -> None:
        shard, self._shard, self._written = self._shard, None, False
        try:
            if shard is not None:
                with _translated(self.path):
                    shard.close()
                files.make_log_private(self.path)
                with contextlib.suppress(OSError):  # without checksums, the next start checks more
                    checksums.save_checksums(self.path)
        finally:
            self._lock.release()

    def drop(self) -> None:
        """Removes the index; the lock is held until `close`, so that no other process creates
        one."""
        shard, self._shard = self._shard, None
        with _translated(self.path):
            self._lock.acquire()
            if shard is not None:
                shard.close()
            files.remove_index(self.path)

    # ------------------------------------------------------------ writing

    def upsert(self, points: Sequence[Point]) -> None:
        """Writes points as one entry of the write-ahead log."""
        if not points:
            return
        self._check(points)
        with _translated(self.path):
            self._opened.update(
                qdrant.UpdateOperation.upsert_points([to_edge_point(point) for point in points])
            )
            self._written = True
            self._unflushed += len(points)
            if self._unflushed >= _UNFLUSHED:
                self._flush(_TAIL_MOST)

    def _check(self, points: Sequence[Point]) -> None:
        """Checks first: the engine's log would replay a rejected point at each start."""
        for point in points:
            if point.dense is not None and len(point.dense) != self._dimension:
                raise dimension_error(self.path.name, self._dimension, len(point.dense))

    def delete(self, run_ids: Sequence[str]) -> None:
        """Removes all points of these runs."""
        if run_ids:
            with _translated(self.path):
                self._opened.update(
                    qdrant.UpdateOperation.delete_points_by_filter(edge_runs_filter(run_ids))
                )

    def compact(self) -> None:
        """Rewrites segments with deleted points, and the write-ahead log (a minute at a million
        points)."""
        with _translated(self.path):
            check_free_space(self.path, files.bytes_to_pack(self.path))
            self._opened.optimize()
            self._roll_log()

    def _roll_log(self) -> None:
        """An empty change larger than a log file closes that file, and after a flush the engine
        removes it.

        Removing the file directly would restart the count of changes, and the engine silently
        ignores changes that it takes for old ones.
        """
        nothing = {"x": "0" * files.LOG_BYTES}
        self._opened.update(
            qdrant.UpdateOperation.set_payload_by_filter(edge_runs_filter([_NOBODY]), nothing)
        )
        self._opened.update(qdrant.UpdateOperation.delete_points([_NOBODY]))
        self._opened.flush()
        self._unflushed = 0

    # ------------------------------------------------------------ reading

    def dense(self, vector: Sequence[float], limit: int, where: Filter) -> list[Hit]:
        """The nearest points by cosine, compared one by one (no graph: 50 ms at 100,000 points)."""
        if self._dimension is None:
            return []
        if len(vector) != self._dimension:
            raise dimension_error(self.path.name, self._dimension, len(vector))
        return self._nearest(DENSE, list(vector), limit, where)

    def lexical(self, weights: Mapping[int, float], limit: int, where: Filter) -> list[Hit]:
        """The points that share terms with a query."""
        return self._nearest(LEXICAL, to_edge_sparse(weights), limit, where) if weights else []

    def _nearest(
        self, using: str, vector: list[float] | qdrant.SparseVector, limit: int, where: Filter
    ) -> list[Hit]:
        query = qdrant.Query.Nearest(vector, using=using)
        request = qdrant.QueryRequest(
            limit=limit, query=query, filter=to_edge_filter(where), with_payload=["run_id", "part"]
        )
        with _translated(self.path):
            return [from_edge_point(point) for point in self._opened.query(request)]

    def newest_seq(self) -> int:
        """The largest row number in the index."""
        last = qdrant.OrderBy("seq", qdrant.Direction.Desc)
        with _translated(self.path):
            records, _ = self._opened.scroll(
                qdrant.ScrollRequest(limit=1, order_by=last, with_payload=["seq"])
            )
        return int((records[0].payload or {})["seq"]) if records else 0

    def count(self) -> int:
        """The number of points."""
        with _translated(self.path):
            return self._opened.count(qdrant.CountRequest())

    @property
    def _opened(self) -> qdrant.EdgeShard:
        """The engine, if there is disk space for its writes: even a search writes to pages that are
        not allocated yet."""
        if self._shard is None:
            raise StoreError("the memory index is not open")
        check_free_space(self.path)
        return self._shard


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Creates files for their owner only, and turns errors of the engine into StoreError. A panic
    of the engine is not an Exception in Python."""
    mask = os.umask(0o077)
    try:
        yield
    except StoreError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _translate(path, error) from error
    finally:
        os.umask(mask)


def _translate(path: Path, error: BaseException) -> StoreError:
    message = first_line(error)
    reasons = [os.strerror(number) for number in _MACHINE]
    if getattr(error, "errno", None) in _MACHINE or any(reason in str(error) for reason in reasons):
        return StoreError(
            f"the memory index {path} can't be used ({message})",
            "see the folder's disk space and rights",
        )
    return StoreError(
        f"the memory index {path.name} is corrupt ({message})", REINDEX_HINT, code="corrupt"
    )
