"""The tools' backend of `orch mcp`: a running server of this configuration, looked for at each
call, else an Orchestrator in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from orch.cli import via_server
from orch.config.load import load_config
from orch.errors import OrchError
from orch.execution.run import OnPartial
from orch.mcp.backend import Json
from orch.mcp.in_process import InProcess
from orch.mcp.run_chunks import Put, chunks_beside
from orch.orchestrator import Orchestrator
from orch.server.local_client import LocalConnection, NoServerError


class LocalOrRunning:
    """A backend for the owner. Close it."""

    is_owner = True

    def __init__(self, config_dir: Path | None) -> None:
        self._config_dir = config_dir
        self._here: Orchestrator | None = None
        self._fingerprint, self._calls = "", 0
        self._opening = asyncio.Lock()

    async def ask(self, fields: Json, on_partial: OnPartial) -> AsyncGenerator[Json]:
        """Runs a task."""
        body = {**fields, "on_partial": on_partial, "face": "mcp"}
        connection = await asyncio.to_thread(self._connect, body)
        if connection is not None:
            async with aclosing(chunks_beside(lambda put: _pass_on(connection, put))) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        async with self._in_process() as here, aclosing(here.ask(fields, on_partial)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def route(self, fields: Json) -> Json:
        """Decides."""
        if answer := await self._call("/orch/route", fields):
            return answer
        async with self._in_process() as here:
            return await here.route(fields)

    async def classify(self, text: str) -> Json:
        """Classifies in this process: the classifier and the corrections are on this machine."""
        async with self._in_process() as here:
            return await here.classify(text)

    async def memory(self, name: str, arguments: Json) -> Json:
        """Performs an operation of memory, whose index one process alone can hold."""
        if answer := await self._call(f"/orch/memory/{name}", arguments):
            result: Json = answer["result"]
            return result
        async with self._in_process() as here:
            return await here.memory(name, arguments)

    async def models(self) -> Json:
        """Lists the models."""
        if answer := await self._call("/orch/models", None):
            return answer
        async with self._in_process() as here:
            return await here.models()

    async def aclose(self) -> None:
        """Closes what was opened in this process."""
        here, self._here = self._here, None
        if here is not None:
            await here.aclose()

    async def _call(self, path: str, body: Json | None) -> Json | None:
        return await asyncio.to_thread(via_server.call_server, self._config_dir, path, body)

    def _connect(self, body: Json) -> LocalConnection | None:
        """A run at the running server; None where there is none of this configuration. Raises
        OrchError."""
        headers = {
            "accept": via_server.NDJSON,
            "x-orch-fingerprint": via_server.local_fingerprint(self._config_dir),
        }
        try:
            connection = LocalConnection("POST", "/orch/run", body, headers)
        except NoServerError:
            return None
        if connection.status == 200:
            return connection
        try:
            answer = connection.json()
        finally:
            connection.close()
        if connection.status == via_server.WRONG_FINGERPRINT or "v" not in answer:
            return None
        raise via_server.error_from_response(answer)

    @asynccontextmanager
    async def _in_process(self) -> AsyncIterator[InProcess]:
        """The backend of the configuration as its files are now; while calls of the former one go
        on, of that one."""
        now = await asyncio.to_thread(via_server.local_fingerprint, self._config_dir)
        async with self._opening:
            if self._here is not None and now != self._fingerprint and not self._calls:
                await self.aclose()
            if self._here is None:
                config = await asyncio.to_thread(load_config, self._config_dir)
                self._here, self._fingerprint = Orchestrator(config=config, face="mcp"), now
            here = self._here
            self._calls += 1
        try:
            yield InProcess(here)
        finally:
            self._calls -= 1


async def _pass_on(connection: LocalConnection, put: Put) -> None:
    """Puts the chunks of a run at the server; cancelling this cancels the run there."""
    lines = connection.lines()
    try:
        while (chunk := await asyncio.to_thread(_next, lines)) is not None:
            await put(chunk)
    except (OSError, ValueError, NoServerError):
        raise OrchError(
            "the server ended before the answer was whole", "ask again", code="all_failed"
        ) from None
    finally:
        connection.close()


def _next(lines: Any) -> Json | None:
    line = next(lines, None)
    return None if line is None else json.loads(line)
