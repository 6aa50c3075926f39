"""Protocol for running blocking work: inline in a command, in worker threads in a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


class Offload(Protocol):
    """Runs a function and returns its result. A cancelled caller does not wait for a function that
    is running; one that has not started is not run."""

    async def __call__(self, work: Callable[[*_Args], _T], *args: *_Args) -> _T: ...


async def run_inline(work: Callable[[*_Args], _T], *args: *_Args) -> _T:
    """Runs the function at once: a command serves nobody else meanwhile."""
    return work(*args)
