"""`orch cache`: inspects and deletes cached answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.cli.options import Json
from orch.errors import UsageError
from orch.text.lines import one_line

if TYPE_CHECKING:
    from orch.execution.runtime import Runtime
    from orch.storage.answers import CachedAnswer

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="Inspect and delete cached answers.",
)

AnswerId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@app.command("stats")
def cache_stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the number and size of cached answers, and how often they were used."""
    from orch.cli import render

    runtime = _open_runtime(ctx)
    facts = {
        **runtime.answer_cache.store.stats(),
        "mode": runtime.config.routing.cache.mode,
        "ttl": runtime.config.routing.cache.ttl,
    }
    if as_json:
        render.print_json({"v": 1, **facts})
        return
    render.print_fields(
        ((name, "-" if value is None else value) for name, value in facts.items()), 10
    )


@app.command("why")
def cache_why(ctx: typer.Context, answer_id: AnswerId, as_json: Json = False) -> None:
    """Show the task of a cached answer, and whether it would be used now."""
    from orch.cli import render

    runtime = _open_runtime(ctx)
    facts = asyncio.run(_explain(runtime, _find_answer(runtime, answer_id)))
    if as_json:
        render.print_json({"v": 1, **facts})
        return
    render.print_fields(((name, str(value)) for name, value in facts.items()), 10)


@app.command("use")
def cache_use(ctx: typer.Context, answer_id: AnswerId) -> None:
    """Print a cached answer."""
    from orch.cli import render

    runtime = _open_runtime(ctx)
    answer = _find_answer(runtime, answer_id)
    runtime.answer_cache.store.mark_used(answer.key)
    render.print_stdout(json.loads(answer.result)["content"])


@app.command("forget")
def cache_forget(ctx: typer.Context, answer_id: AnswerId) -> None:
    """Delete one cached answer for good."""
    from orch.cli import render

    runtime = _open_runtime(ctx)
    answer = _find_answer(runtime, answer_id)
    runtime.answer_cache.store.forget(keys=[answer.key])
    render.print_stdout(f"deleted the answer to {' '.join(answer.task.split())[:60]!r}")


@app.command("clear")
def cache_clear(ctx: typer.Context) -> None:
    """Delete all cached answers for good."""
    from orch.cli import render

    render.print_stdout(f"deleted {_open_runtime(ctx).answer_cache.store.forget():,} answers")


def _open_runtime(ctx: typer.Context) -> Runtime:
    """The runtime, with its cache opened. Raises JournalError."""
    runtime = context.open_orchestrator(ctx).runtime
    runtime.answer_cache.store.open()
    return runtime


def _find_answer(runtime: Runtime, prefix: str) -> CachedAnswer:
    matches = runtime.answer_cache.store.find(prefix)
    if len(matches) != 1:
        message = (
            f"no cached answer has an id that starts with {prefix!r}"
            if not matches
            else f"several ids start with {prefix!r}"
        )
        raise UsageError(
            message, "the id is the run_id of orch run --json; orch cache stats counts them"
        )
    return matches[0]


async def _explain(runtime: Runtime, answer: CachedAnswer) -> dict[str, Any]:
    try:
        digest = await runtime.answer_cache.model_digest(answer.provider, answer.model)
    finally:
        await runtime.aclose()
    now = time.time()
    left = answer.at + runtime.answer_cache.store.ttl_s - now
    counts = (
        "no: expired"
        if left <= 0
        else "no: dated in the future, as stored while the clock was wrong"
        if answer.at > now
        else "no: its model has changed or is not installed"
        if digest != answer.digest
        else "yes"
    )
    return {
        "id": answer.id,
        "task": one_line(answer.task)[:200],
        "model": answer.model,
        "provider": answer.provider,
        "digest": answer.digest or "(unknown)",
        "given": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(answer.at)),
        "uses": answer.uses,
        "expires": f"in {max(left, 0) / 3600:.1f} h",
        "counts": counts,
        "run_id": answer.run_id,
    }
