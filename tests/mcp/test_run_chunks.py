"""A run beside the call that asks for it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import anyio
import pytest

from orch import Orchestrator
from orch.errors import OrchError
from orch.mcp.backend import Json
from orch.mcp.run_chunks import MAX_WAITING, Put, chunks_beside, put_chunks
from orch.text.prompt import Task
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama


async def test_chunks_come_in_order_and_a_fault_of_the_work_is_raised() -> None:
    async def work(put: Put) -> None:
        for number in range(3):
            await put({"n": number})
        raise OrchError("broken")

    chunks = chunks_beside(work)
    assert [(await anext(chunks))["n"] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OrchError, match="broken"):
        await anext(chunks)


async def test_work_waits_for_a_slow_reader_and_ends_with_it() -> None:
    put_so_far, codes = 0, list[object]()

    async def work(put: Put) -> None:
        nonlocal put_so_far
        try:
            while True:
                await put({"n": put_so_far})
                put_so_far += 1
        except asyncio.CancelledError as cancelled:
            codes.append(cancelled.args[0])
            raise

    async with aclosing(chunks_beside(work)) as chunks:
        await anext(chunks)
        for _ in range(3 * MAX_WAITING):
            await asyncio.sleep(0)
        assert put_so_far <= MAX_WAITING + 2
    assert codes == ["interrupted"]


async def test_a_cancelled_scope_waits_until_the_work_has_ended() -> None:
    ended = False

    async def work(put: Put) -> None:
        nonlocal ended
        try:
            await put({})
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended = True

    with anyio.CancelScope() as scope:
        async with aclosing(chunks_beside(work)) as chunks:
            async for _ in chunks:
                scope.cancel()
    assert ended


async def test_a_run_that_is_cancelled_from_elsewhere_ends_with_its_error(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 500, 0.02
    tasks: list[asyncio.Task[object]] = []
    async with Orchestrator() as orchestrator:
        run = orchestrator.start_run(Task(text="Sort a list in Python", model=CODER), "continue")

        async def work(put: Put) -> None:
            current = asyncio.current_task()
            assert current is not None
            tasks.append(current)
            await put_chunks(run, put)

        kinds: list[Json] = []
        async for chunk in chunks_beside(work):
            kinds.append(chunk)
            if chunk["type"] == "content":
                tasks[0].cancel("terminated")
        row = orchestrator.runtime.journal.history.find_run(run.run_id)
    assert kinds[-1]["type"] == "error"
    assert kinds[-1]["error"]["code"] == "terminated"
    assert row is not None
