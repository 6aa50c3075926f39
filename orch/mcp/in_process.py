"""The tools' backend in this process: an Orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from orch.execution import serialize
from orch.execution.run import OnPartial
from orch.mcp.backend import Json
from orch.mcp.run_chunks import Put, chunks_beside, put_chunks
from orch.orchestrator import Orchestrator, build_task
from orch.routing.catalog import describe
from orch.text.prompt import Attachment, Task
from orch.types import Classification


class InProcess:
    """A backend that runs tasks itself, for its owner."""

    is_owner = True

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    def ask(self, fields: Json, on_partial: OnPartial) -> AsyncGenerator[Json]:
        """Runs a task."""
        task = task_of(fields)

        async def work(put: Put) -> None:
            await put_chunks(self._orchestrator.start_run(task, on_partial), put)

        return chunks_beside(work)

    async def route(self, fields: Json) -> Json:
        """Decides."""
        plan = await self._orchestrator.runtime.router.plan(task_of(fields))
        return serialize.decision_to_json(plan.decision, list(plan.warnings))

    async def classify(self, text: str) -> Json:
        """Classifies, with the user's corrections."""
        runtime = self._orchestrator.runtime
        corrections = await asyncio.to_thread(runtime.journal.feedback.corrections)
        return classification_fields(runtime.classifier.classify(text, None, corrections))

    async def memory(self, name: str, arguments: Json) -> Json:
        """Performs an operation of memory."""
        return await self._orchestrator.runtime.memory.perform(name, arguments, None)

    async def models(self) -> Json:
        """Asks the providers."""
        registry = self._orchestrator.runtime.registry
        inventory = await registry.snapshot(with_unlisted=True)
        models = [describe(state) for state in inventory.states]
        return {"models": models, "down": dict(inventory.unreachable)}


def task_of(fields: Json, **more: Any) -> Task:
    """A Task from the fields of `arguments.task_fields`. Raises UsageError."""
    given = dict(fields)
    text, attachments = given.pop("text"), given.pop("attachments", ())
    files = tuple(Attachment(each["name"], each["text"], "") for each in attachments)
    return build_task(text, attachments=files, **given, **more)


def classification_fields(found: Classification) -> Json:
    """A classification as JSON values."""
    return {
        "task_type": str(found.task_type),
        "confidence": round(found.confidence, 4),
        "second": str(found.second) if found.second else None,
        "unsure": found.unsure,
        "language": found.language,
        "scores": {str(kind): round(score, 4) for kind, score in found.scores.items()},
    }
