"""Worker threads for the server: they read the journal and compute while the event loop serves
requests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

THREADS, SWITCH_S = 4, 0.001
"""How long each may keep the interpreter before the event loop has it again: Python's own 5 ms,
taken at each read and write of a request, add up."""
_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


class WorkerThreads:
    """A few threads. The work of one call must be bounded: a thread can't be stopped, and the
    client may leave."""

    def __init__(self) -> None:
        sys.setswitchinterval(SWITCH_S)
        self._pool = ThreadPoolExecutor(THREADS, "orch-aside")

    async def __call__(self, work: Callable[[*_Args], _T], *args: *_Args) -> _T:
        """Does it in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def close(self) -> None:
        """Lets the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
