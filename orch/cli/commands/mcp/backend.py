"""The tools' backend of `orch mcp`: a running server of this configuration, looked for at each
call, else an Orchestrator in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
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
        self._fingerprint = ""

    async def ask(self, fields: Json, on_partial: OnPartial) -> AsyncGenerator[Json]:
        """Runs a task."""
        body = {**fields, "on_partial": on_partial, "face": "mcp"}
        connection = await asyncio.to_thread(self._connect, body)
        if connection is None:
            chunks = (await self._in_process()).ask(fields, on_partial)
        else:
            chunks = chunks_beside(lambda put: _pass_on(connection, put))
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def route(self, fields: Json) -> Json:
        """Decides."""
        answer = await self._call("/orch/route", fields)
        return answer if answer is not None else await (await self._in_process()).route(fields)

    async def classify(self, text: str) -> Json:
        """Classifies in this process: the classifier and the corrections are on this machine."""
        return await (await self._in_process()).classify(text)

    async def memory(self, name: str, arguments: Json) -> Json:
        """Performs an operation of memory, whose index one process alone can hold."""
        answer = await self._call(f"/orch/memory/{name}", arguments)
        if answer is None:
            return await (await self._in_process()).memory(name, arguments)
        result: Json = answer["result"]
        return result

    async def models(self) -> Json:
        """Lists the models."""
        answer = await self._call("/orch/models", None)
        return answer if answer is not None else await (await self._in_process()).models()

    async def aclose(self) -> None:
        """Closes what was opened in this process."""
        if self._here is not None:
            await self._here.aclose()

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

    async def _in_process(self) -> InProcess:
        """The backend of the configuration as its files are now."""
        now = await asyncio.to_thread(via_server.local_fingerprint, self._config_dir)
        if self._here is None or now != self._fingerprint:
            config = await asyncio.to_thread(load_config, self._config_dir)
            # runs of the former one go on; what it holds is small, and goes with the process
            self._here, self._fingerprint = Orchestrator(config=config, face="mcp"), now
        return InProcess(self._here)


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
