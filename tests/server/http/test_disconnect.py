"""A disconnect ends the work of a request."""

from __future__ import annotations

import asyncio
import socket

import pytest
from starlette.requests import Request

from orch.server.http.disconnect import (
    DISCONNECT_EXTENSION,
    CancelOnDisconnect,
    ClientDisconnected,
    DisconnectSignal,
)
from tests.support.guarded_app import (
    DEADLINE_S,
    HOST,
    RawClient,
    run_guarded,
)


def test_every_request_of_a_connection_is_notified_of_its_disconnect() -> None:
    with run_guarded() as there:
        with RawClient(there.address) as client:
            client.send(b"GET /leave HTTP/1.1\r\n" + HOST + b"\r\n")
            assert there.app.received.wait(DEADLINE_S)
            client.send(b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\nGET")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert there.app.disconnected.wait(DEADLINE_S)


def request_with(signal: DisconnectSignal) -> Request:
    return Request({"type": "http", "extensions": {DISCONNECT_EXTENSION: {"signal": signal}}})


async def test_work_is_cancelled_when_the_client_disconnects() -> None:
    signal = DisconnectSignal()

    async def work() -> None:
        with CancelOnDisconnect(request_with(signal)):
            asyncio.get_running_loop().call_soon(signal.notify)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    with pytest.raises(ClientDisconnected):
        await task
    assert not signal.listeners


async def test_no_work_begins_for_a_client_that_has_disconnected() -> None:
    signal = DisconnectSignal()
    signal.notify()
    begun: list[str] = []
    with pytest.raises(ClientDisconnected), CancelOnDisconnect(request_with(signal)):
        begun.append("work")
    assert begun == []


async def test_work_that_ended_is_not_cancelled_any_more() -> None:
    signal = DisconnectSignal()
    with CancelOnDisconnect(request_with(signal)):
        pass
    signal.notify()
    await asyncio.sleep(0)
    assert signal.is_disconnected


async def test_a_cancellation_that_is_not_a_disconnect_stays_one() -> None:
    signal = DisconnectSignal()

    async def work() -> None:
        with CancelOnDisconnect(request_with(signal)):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not signal.listeners
