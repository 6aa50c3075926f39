"""What is written in one turn of the event loop leaves together and in order, also at the end of a
connection."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from orch.server.http.write_buffer import MAX_PENDING_BYTES, WriteBuffer
from tests.support.guarded_app import HOST, RawClient, run_guarded


class Transport:
    """Records what reaches a transport."""

    def __init__(self) -> None:
        self.calls: list[bytes | str] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True
        self.calls.append("close")

    def write_eof(self) -> None:
        self.calls.append("eof")

    def abort(self) -> None:
        self.is_closed = True
        self.calls.append("abort")

    def get_write_buffer_size(self) -> int:
        return 7


@pytest.fixture
async def output() -> tuple[WriteBuffer, Transport]:
    transport = Transport()
    return WriteBuffer(cast(asyncio.Transport, transport), asyncio.get_running_loop()), transport


async def test_what_is_written_in_one_turn_leaves_in_one_call(
    output: tuple[WriteBuffer, Transport],
) -> None:
    buffer, transport = output
    for part in (b"head", b"body"):
        buffer.write(part)
    assert (transport.calls, buffer.get_write_buffer_size()) == ([], 15)
    await asyncio.sleep(0)
    buffer.write(b"next")
    await asyncio.sleep(0)
    assert transport.calls == [b"headbody", b"next"]


async def test_much_is_not_kept(output: tuple[WriteBuffer, Transport]) -> None:
    buffer, transport = output
    large = bytes(MAX_PENDING_BYTES)
    buffer.write(b"head")
    buffer.write(large)
    assert transport.calls == [b"head", large]
    assert transport.calls[1] is large
    for _ in range(MAX_PENDING_BYTES // 1024):
        buffer.write(bytes(1024))
    assert sum(map(len, transport.calls)) > 4 + 2 * MAX_PENDING_BYTES - 1024


@pytest.mark.parametrize(("end", "name"), [("close", "close"), ("write_eof", "eof")])
async def test_an_orderly_end_sends_what_is_pending_first(
    output: tuple[WriteBuffer, Transport], end: str, name: str
) -> None:
    buffer, transport = output
    buffer.write(b"last")
    getattr(buffer, end)()
    await asyncio.sleep(0)
    assert transport.calls == [b"last", name]


async def test_nothing_is_written_to_a_dropped_connection(
    output: tuple[WriteBuffer, Transport],
) -> None:
    buffer, transport = output
    buffer.write(b"last")
    buffer.abort()
    await asyncio.sleep(0)
    buffer.write(b"more")
    await asyncio.sleep(0)
    assert transport.calls == ["abort"]


def test_a_response_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    send = WriteBuffer._send

    def sent(buffer: WriteBuffer, data: bytes) -> None:
        written.append(data)
        send(buffer, data)

    monkeypatch.setattr(WriteBuffer, "_send", sent)
    with run_guarded() as there, RawClient(there.address) as client:
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert client.receive().status == 200
    (whole,) = written
    assert whole.startswith(b"HTTP/1.1 200")
    assert whole.endswith(b"}")
