"""Messages over this process's stdin and stdout, one a line: bounded, and never the reason that the
process can't end."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage

from orch.mcp.protocol import MAX_MESSAGE_BYTES

_READ = 65_536


async def serve_stdio(server: Server[Any], stdin: int, stdout: int) -> None:
    """Serves one client until its end of stdin is closed, or stdout can't be written any more.

    Reads and writes in threads that nobody waits for: a read that blocks, and a client that reads
    nothing, end with the process.
    """
    # no buffer: the thread reads on when the last message was taken
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as group:

        async def write() -> None:
            async with from_server:
                async for message in from_server:
                    data = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await _in_thread(_write_all, stdout, data.encode() + b"\n")

        async def run() -> None:
            await server.run(incoming, outgoing, server.create_initialization_options())
            await to_server.aclose()

        def read() -> None:
            for message in _messages(_lines(stdin)):
                is_error = (
                    isinstance(message.message, types.JSONRPCError) and not message.message.id
                )
                take = outgoing if is_error else to_server
                put = asyncio.run_coroutine_threadsafe(take.send(message), loop)
                if put.exception() is not None:
                    return
            asyncio.run_coroutine_threadsafe(to_server.aclose(), loop)

        loop = asyncio.get_running_loop()
        group.start_soon(write)
        group.start_soon(run)
        threading.Thread(target=_quietly(read), name="orch-mcp-stdin", daemon=True).start()


def _lines(file: int) -> Iterator[bytes | None]:
    """The lines of a file descriptor; None for one that is too long."""
    parts, size, is_long = list[bytes](), 0, False
    while data := os.read(file, _READ):
        *complete, rest = data.split(b"\n")
        for each in complete:
            yield (
                None
                if is_long or size + len(each) > MAX_MESSAGE_BYTES
                else b"".join((*parts, each))
            )
            parts, size, is_long = [], 0, False
        size += len(rest)
        parts.append(rest)
        if size > MAX_MESSAGE_BYTES:
            parts, is_long = [], True


def _messages(lines: Iterator[bytes | None]) -> Iterator[SessionMessage]:
    """The messages; for what is none, the error that the client gets."""
    for line in lines:
        if line is None:
            yield _fault(f"a message is over {MAX_MESSAGE_BYTES:,} bytes long")
        elif line.strip():
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                yield _fault("a line is not a message of JSON-RPC")
            else:
                yield SessionMessage(message)


def _fault(text: str) -> SessionMessage:
    error = types.ErrorData(code=types.PARSE_ERROR, message=text)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=None, error=error))


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _quietly(work: Any) -> Any:
    """Ends a thread without a traceback where the loop or the file is gone."""

    def call() -> None:
        try:
            work()
        except (OSError, RuntimeError, asyncio.CancelledError):
            pass

    return call


async def _in_thread(work: Any, *args: Any) -> None:
    """Calls `work` in a daemon thread, which a process does not wait for at its end. Raises what it
    raises."""
    loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def finish(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def call() -> None:
        error = None
        try:
            work(*args)
        except OSError as raised:
            error = raised
        loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=_quietly(call), name="orch-mcp-stdout", daemon=True).start()
    await done
