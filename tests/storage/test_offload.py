"""Blocking work in a command: it runs at once, in the thread of its caller."""

from __future__ import annotations

import threading

import pytest

from orch.storage.offload import Offload, run_inline


async def test_work_runs_in_the_callers_thread_with_its_arguments() -> None:
    offload: Offload = run_inline

    def work(one: int, two: str) -> tuple[int, str, int]:
        return one, two, threading.get_ident()

    assert await offload(work, 1, "x") == (1, "x", threading.get_ident())


async def test_work_is_done_before_anything_else_runs() -> None:
    done: list[str] = []
    waiting = run_inline(done.append, "work")
    assert done == []
    with pytest.raises(StopIteration):
        waiting.send(None)
    assert done == ["work"]


async def test_the_error_of_work_is_that_of_the_call() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_inline(divmod, 1, 0)
