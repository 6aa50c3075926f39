"""A wait ends after its limit, of which the time that the process was stopped is no part."""

from __future__ import annotations

import asyncio
import socket

import pytest

from orch.errors import ProviderError
from orch.providers.client import HttpClient
from orch.providers.stall_timer import StallTimer


class StoppableLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps, as it does for a process that is stopped and goes on."""

    ahead = 0.0

    def time(self) -> float:
        """The clock."""
        return super().time() + self.ahead


def run_stoppable(test: object) -> None:
    with asyncio.Runner(loop_factory=StoppableLoop) as runner:
        runner.run(test)  # type: ignore[arg-type]


async def forever() -> None:
    await asyncio.Event().wait()


async def stop_for(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StoppableLoop)
    loop.ahead += seconds


async def test_a_wait_ends_after_its_limit() -> None:
    timer = StallTimer()
    with pytest.raises(TimeoutError):
        await timer.wait(forever(), 0.01)
    assert await timer.wait(asyncio.sleep(0, "more"), 60) == "more"
    timer.close()


async def test_a_shorter_limit_after_a_long_one_counts() -> None:
    timer = StallTimer()
    assert await timer.wait(asyncio.sleep(0, 1), 60) == 1
    with pytest.raises(TimeoutError):
        await timer.wait(forever(), 0.01)
    timer.close()


async def test_a_cancelled_wait_is_cancelled_and_no_timeout() -> None:
    timer = StallTimer()
    waiting = asyncio.ensure_future(timer.wait(forever(), 60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    timer.close()


@pytest.mark.parametrize("limit", [0.2, 5.0])
def test_what_came_while_the_process_was_stopped_is_read(limit: float) -> None:
    async def test() -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        timer = StallTimer()
        waiting = asyncio.ensure_future(timer.wait(reader.read(9), limit))
        await asyncio.sleep(0)
        await stop_for(60)
        theirs.send(b"token")
        assert await waiting == b"token"
        timer.close()
        writer.close()
        theirs.close()

    run_stoppable(test())


def test_after_a_stop_a_silent_server_is_a_timeout_still() -> None:
    async def test() -> None:
        timer = StallTimer()
        waiting = asyncio.ensure_future(timer.wait(forever(), 0.05))
        await asyncio.sleep(0)
        await stop_for(60)
        with pytest.raises(TimeoutError):
            await waiting

    run_stoppable(test())


class Busy:
    """A loop that something keeps busy: each of its turns takes `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.turns = seconds, 0

    async def run(self) -> None:
        """Takes turns, for at most a thousand."""
        while self.turns < 1_000:
            self.turns += 1
            await stop_for(self.seconds)
            await asyncio.sleep(0)


@pytest.mark.parametrize(("limit", "seconds"), [(0.2, 0.9), (5.0, 0.7), (5.0, 3.0)])
def test_a_loop_that_is_always_late_extends_a_wait_and_does_not_keep_it_from_ending(
    limit: float, seconds: float
) -> None:
    async def test() -> None:
        timer, busy, began = StallTimer(), Busy(seconds), asyncio.get_running_loop().time()
        keeping = asyncio.create_task(busy.run())
        with pytest.raises(TimeoutError):
            await timer.wait(forever(), limit)
        taken = asyncio.get_running_loop().time() - began
        keeping.cancel()
        assert busy.turns < 50
        assert taken > 1.3 * limit

    run_stoppable(test())


def test_time_before_a_wait_does_not_extend_it() -> None:
    async def test() -> None:
        timer = StallTimer()
        loop = asyncio.get_running_loop()
        await timer.wait(asyncio.sleep(0), 60)
        await stop_for(30)  # the reader of the answer is slow
        began = loop.time()
        waiting = asyncio.ensure_future(timer.wait(forever(), 0.05))
        with pytest.raises(TimeoutError):
            await waiting
        assert loop.time() - began < 20

    run_stoppable(test())


# ---------------------------------------------------------------- quick requests


def answers_after_a_pause(pause_s: float, *, answered: int) -> tuple[object, int]:
    """What a client gets of a server that stops the process at the first request, and answers from
    the request number `answered` on; and how many requests came."""
    asked, result, serving = list[bytes](), list[object](), list[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.append(task)
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if len(asked) == 1:
            await stop_for(pause_s)
        if len(asked) >= answered:
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a": 1}\n')
        else:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    async def test() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = HttpClient([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"])
        try:
            result.append(await client.json("GET", "x", timeout_s=0.2))
        except ProviderError as failure:
            result.append(failure.code)
        await client.aclose()
        server.close()
        await asyncio.gather(*serving)

    run_stoppable(test())
    return result[0], len(asked)


def test_a_quick_request_that_timed_out_during_a_stop_is_sent_again() -> None:
    assert answers_after_a_pause(60, answered=2) == ({"a": 1}, 2)


def test_without_a_stop_a_timeout_is_one() -> None:
    assert answers_after_a_pause(0, answered=2) == ("timeout", 1)


def test_a_server_that_stays_silent_after_a_stop_is_a_timeout() -> None:
    result, asked = answers_after_a_pause(60, answered=99)
    assert result == "timeout"
    assert 1 < asked <= 4
