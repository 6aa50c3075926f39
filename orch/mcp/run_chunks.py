"""Runs a task beside the call that asks for it: the call's cancellation becomes the run's, whoever
delivers it, and the run reaches the journal before the call has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio

from orch.errors import OrchError
from orch.execution.run import Run
from orch.execution.serialize import error_chunk, event_to_json
from orch.mcp.backend import Json

MAX_WAITING = 64
"""Chunks that wait for a slow reader; the model then waits, too."""
Put = Callable[[Json], Awaitable[None]]


async def put_chunks(run: Run, put: Put) -> None:
    """Passes the chunks of a run to `put`; of one that was cancelled from elsewhere, its error."""
    try:
        async for event in run.events():
            await put(event_to_json(event))
    except OrchError:
        return  # its chunk was the last one
    except asyncio.CancelledError:
        if run.error is not None:
            await put(error_chunk(run.error))
        raise


async def chunks_beside(work: Callable[[Put], Awaitable[None]]) -> AsyncGenerator[Json]:
    """The chunks that `work`, a task of its own, puts; closing or cancelling this cancels it."""
    queue, is_read = asyncio.Queue[Json | None](MAX_WAITING), True

    async def put(chunk: Json | None) -> None:
        if is_read:
            await queue.put(chunk)

    async def do() -> None:
        try:
            await work(put)
        finally:
            await put(None)

    task = asyncio.create_task(do())
    try:
        while (chunk := await queue.get()) is not None:
            yield chunk
        await asyncio.wait([task])
        if error := _failure(task):
            raise error
    finally:
        is_read = False
        while not queue.empty():
            queue.get_nowait()
        task.cancel("interrupted")
        # the SDK cancels by anyio, which cancels each further await
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
        _failure(task)  # or asyncio would log it


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
