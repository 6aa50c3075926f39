"""The tools: each calls a backend and gives a text for the model and the same as values."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Any, NamedTuple

from orch.errors import OrchError
from orch.execution.run import OnPartial
from orch.mcp.arguments import check_arguments, note_arguments, search_arguments, task_fields
from orch.mcp.backend import OWNER_TOOLS, Backend, Json

OnProgress = Callable[[int, str], Awaitable[None]]
"""Called with the characters of the answer so far and what is going on."""
PROGRESS_S = 0.5
"""Seconds between two reports of progress: a model writes up to hundreds of pieces a second."""
MAX_CANDIDATES, MAX_MODELS = 50, 500
_MODEL_FIELDS = (
    *("id", "name", "provider", "installed", "resident", "unavailable", "remote"),
    *("context_window", "capabilities", "strengths"),
)


class ToolResult(NamedTuple):
    """What a tool gives."""

    text: str
    values: Json


async def call_tool(
    name: str, arguments: Mapping[str, Any], backend: Backend, on_progress: OnProgress | None = None
) -> ToolResult:
    """Calls a tool of `schemas.TOOLS`; `on_progress` where the client wants to see it. Raises
    OrchError."""
    if name in OWNER_TOOLS and not backend.is_owner:
        raise OrchError(
            f"{name} is for the account that runs orch serve",
            "orch mcp reaches it from that account; a server with keys lets in who has one",
            code="owner_only",
        )
    check_arguments(name, arguments)
    if name == "ask":
        return await _ask(task_fields(arguments), backend, on_progress)
    values = await _TOOLS[name](backend, arguments)
    return ToolResult(json.dumps(values, ensure_ascii=False), values)


# ---------------------------------------------------------------- ask


async def _ask(fields: Json, backend: Backend, on_progress: OnProgress | None) -> ToolResult:
    model, characters, reported, reported_at = "", 0, -1, 0.0
    # an answer that nobody watches starts afresh with the next model, where one fails
    on_partial: OnPartial = "continue" if on_progress else "restart"
    async with aclosing(backend.ask(fields, on_partial)) as chunks:
        async for chunk in chunks:
            kind = chunk["type"]
            if kind == "done":
                return _answer(chunk["result"])
            if kind == "error":
                raise error_of(chunk)
            if kind == "metadata":
                model = f"{chunk['model_name']} · {chunk['task_type']}"
            characters += len(chunk["chunk"]) if kind in ("content", "thinking") else 0
            now = monotonic()
            # the protocol wants each report to be larger than the one before
            if on_progress and characters > reported and now - reported_at >= PROGRESS_S:
                reported, reported_at = characters, now
                await on_progress(characters, f"{model} · {characters:,} characters")
    raise OrchError("the run ended without an answer", code="all_failed")


def _answer(result: Json) -> ToolResult:
    values = {
        "answer": result["answer"],
        **_decision(result),
        "run_id": result["run_id"],
        "seconds": round(result["timing"]["total_s"] or 0.0, 3),
        "cut": result["cut"],
        "source": result["source"],
        "warnings": result["warnings"],
    }
    return ToolResult(result["answer"], values)


def _decision(fields: Json) -> Json:
    names = ("model", "model_name", "provider", "task_type", "confidence")
    return {name: fields[name] for name in names} | {"reason": fields["decision"]["reason"]}


def error_of(chunk: Json) -> OrchError:
    """The error of an `error` chunk."""
    error = chunk["error"]
    return OrchError(
        error["message"],
        error["hint"],
        code=error["code"],
        partial=chunk.get("partial") or "",
        run_id=chunk.get("run_id") or "",
    )


def error_text(error: OrchError) -> str:
    """What a client reads: what happened and what to do, and the answer as far as it came."""
    lines = [error.message, *([f"Try: {error.hint}"] if error.hint else [])]
    return "\n".join([*lines, *([f"So far:\n{error.partial}"] if error.partial else [])])


# ---------------------------------------------------------------- the others


async def _route(backend: Backend, arguments: Mapping[str, Any]) -> Json:
    decided = await backend.route(task_fields(arguments))
    names = ("model_id", "provider", "score", "eliminated")
    candidates = [
        {name: each.get(name) for name in names}
        for each in decided["decision"]["candidates"][:MAX_CANDIDATES]
    ]
    return {**_decision(decided), "candidates": candidates, "warnings": decided["warnings"]}


async def _classify(backend: Backend, arguments: Mapping[str, Any]) -> Json:
    found = await backend.classify(arguments["text"])
    return {name: value for name, value in found.items() if name != "evidence"}


async def _search(backend: Backend, arguments: Mapping[str, Any]) -> Json:
    found = await backend.memory("search", search_arguments(arguments))
    return {name: found[name] for name in ("hits", "notes")}


async def _add(backend: Backend, arguments: Mapping[str, Any]) -> Json:
    added = await backend.memory("add", note_arguments(arguments))
    return {name: added[name] for name in ("ids", "new", "notes")}


async def _models(backend: Backend, arguments: Mapping[str, Any]) -> Json:
    known = await backend.models()
    models = [{name: each[name] for name in _MODEL_FIELDS} for each in known["models"]]
    return {"models": models[:MAX_MODELS], "unreachable": known["down"]}


_TOOLS: dict[str, Callable[[Backend, Mapping[str, Any]], Awaitable[Json]]] = {
    "route": _route,
    "classify": _classify,
    "memory_search": _search,
    "memory_add": _add,
    "models": _models,
}
