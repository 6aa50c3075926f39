"""Worker threads of the server: they read the journal and compute while the event loop serves
requests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

MAX_THREADS = 4
SWITCH_INTERVAL_S = 0.001
"""How long a thread may keep the interpreter before the event loop gets it back: Python's own 5 ms,
spent at each read and write of a request, add up."""
_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


class WorkerThreads:
    """A small thread pool. The work of a call must be bounded: a thread can't be stopped, and the
    client may disconnect."""

    def __init__(self) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._pool = ThreadPoolExecutor(MAX_THREADS, "orch-aside")

    async def __call__(self, work: Callable[[*_Args], _T], *args: *_Args) -> _T:
        """Runs a function in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def close(self) -> None:
        """Lets the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
