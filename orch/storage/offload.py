"""Protocol for blocking work: runs it inline here, or in worker threads where a server supplies its
own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


class Offload(Protocol):
    """Does a piece of work and gives its result. Who is cancelled meanwhile is let go; what has not
    begun is not begun then."""

    async def __call__(self, work: Callable[[*_Args], _T], *args: *_Args) -> _T: ...


async def run_inline(work: Callable[[*_Args], _T], *args: *_Args) -> _T:
    """Here and now: a command has nobody else to serve."""
    return work(*args)
