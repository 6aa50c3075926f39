"""The tools' backend inside the server: a run is queued, shown and cancelled like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from starlette.requests import Request

from orch.errors import OrchError
from orch.execution import serialize
from orch.execution.run import OnPartial
from orch.mcp.backend import Json
from orch.mcp.in_process import classification_fields, task_of
from orch.mcp.run_chunks import Put, chunks_beside, put_chunks
from orch.routing.catalog import describe
from orch.server.api.handler import client_name, service_of
from orch.server.http.disconnect import DISCONNECT_CODE, DISCONNECT_EXTENSION, DisconnectSignal
from orch.text.prompt import Task


class ServerBackend:
    """The backend of one HTTP request."""

    def __init__(self, request: Request) -> None:
        self._request, self._service = request, service_of(request)
        self._peer = request.scope["state"]["who"]
        self._client = client_name(request)

    @property
    def is_owner(self) -> bool:
        """Whether the account that runs the server asks, or somebody with a key."""
        return bool(self._peer == "owner")

    def ask(self, fields: Json, on_partial: OnPartial) -> AsyncGenerator[Json]:
        """Runs a task; the end of the connection cancels it."""
        task = self._task(fields)

        async def work(put: Put) -> None:
            if task.session:
                await self._service.flush_journal()  # the turn before may have just ended
            run = self._service.start_run(task, on_partial, "mcp")
            current = asyncio.current_task()
            assert current is not None
            stop_watching = self._watch(lambda: current.cancel(DISCONNECT_CODE))
            try:
                await put_chunks(run, put)
            finally:
                stop_watching()
                await self._service.finish_run(run)

        return chunks_beside(work)

    def _task(self, fields: Json) -> Task:
        """The task. A session belongs to one key, and nobody but the owner has one, gets anything
        recalled or a stored answer, or is remembered."""
        if not self.is_owner:
            if fields.get("session"):
                raise OrchError(
                    "session: only the account that runs orch serve has conversations here",
                    "leave it out, and send the earlier turns in context",
                    code="owner_only",
                    param="session",
                )
            task = task_of(fields, client=self._client, fresh=True, retrieve_context=False)
            return replace(task, store_memory=False)
        task = task_of(fields, client=self._client)
        name = task.session
        return replace(task, session=f"{self._client}/{name}") if name and self._client else task

    def _watch(self, on_disconnect: Callable[[], object]) -> Callable[[], None]:
        """Calls `on_disconnect` once the client has left; the result ends that."""
        extension = (self._request.scope.get("extensions") or {}).get(DISCONNECT_EXTENSION)
        if extension is None:
            return lambda: None
        signal: DisconnectSignal = extension["signal"]

        def listener() -> None:
            on_disconnect()

        signal.listeners.add(listener)
        return lambda: signal.listeners.discard(listener)

    async def route(self, fields: Json) -> Json:
        """Decides."""
        plan = await self._service.orchestrator.runtime.router.plan(self._task(fields))
        return serialize.decision_to_json(plan.decision, list(plan.warnings))

    async def classify(self, text: str) -> Json:
        """Classifies, with the user's corrections."""
        runtime = self._service.orchestrator.runtime
        offload = self._service.wiring.offload
        corrections = await offload(runtime.journal.feedback.corrections)
        found = await offload(runtime.classifier.classify, text, None, corrections)
        return classification_fields(found)

    async def memory(self, name: str, arguments: Json) -> Json:
        """Performs an operation of memory."""
        await self._service.flush_journal()
        return await self._service.memory.perform(name, arguments)

    async def models(self) -> Json:
        """The models as the server knows them."""
        registry = self._service.orchestrator.runtime.registry
        inventory = await registry.snapshot(with_unlisted=True)
        models = [describe(state) for state in inventory.states]
        return {"models": models, "down": dict(inventory.unreachable)}
