"""The server as a process of its own, in the home of the test, which a test may kill."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.forked import COMMAND, Forked


class Served(NamedTuple):
    """A server that listens."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serving(*before: str) -> Iterator[Served]:
    """`orch serve` on a free port, behind the words of another command; killed at the end of the
    block if it still runs."""
    words = ("serve", "--port", "0")
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with (
        subprocess.Popen([*before, *COMMAND, *words], **options)
        if before
        else Forked(*words, **options) as process
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline().decode()
            assert said.startswith("orch serves at http://"), said
            yield Served(said.split()[-1], process)
        finally:
            process.kill()


def ask(server: Served, task: str) -> str:
    """Has the server answer a task."""
    answer = httpx.post(
        f"{server.url}/v1/chat/completions",
        json={"model": "auto", "messages": [{"role": "user", "content": task}]},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return task


def until(holds: Callable[[], bool]) -> None:
    """Waits until a condition is true."""
    for _ in range(2_000):
        if holds():
            return
        time.sleep(0.005)
    pytest.fail("it never came")
