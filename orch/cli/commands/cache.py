"""`orch cache`: stats, why, use, forget, clear."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
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
    help="Look into the answers that are kept, and drop them.",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
AnswerId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@app.command()
def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how many answers are kept, how large, and how often one was given again."""
    from orch.cli import render

    runtime = _opened(ctx)
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


@app.command()
def why(ctx: typer.Context, answer_id: AnswerId, as_json: Json = False) -> None:
    """Show what an answer is kept for, and whether it counts now."""
    from orch.cli import render

    runtime = _opened(ctx)
    facts = asyncio.run(_facts(runtime, _one(runtime, answer_id)))
    if as_json:
        render.print_json({"v": 1, **facts})
        return
    render.print_fields(((name, str(value)) for name, value in facts.items()), 10)


@app.command()
def use(ctx: typer.Context, answer_id: AnswerId) -> None:
    """Print an answer that is kept."""
    from orch.cli import render

    runtime = _opened(ctx)
    answer = _one(runtime, answer_id)
    runtime.answer_cache.store.mark_used(answer.key)
    render.print_stdout(json.loads(answer.result)["content"])


@app.command()
def forget(ctx: typer.Context, answer_id: AnswerId) -> None:
    """Drop one answer for good."""
    from orch.cli import render

    runtime = _opened(ctx)
    answer = _one(runtime, answer_id)
    runtime.answer_cache.store.forget(keys=[answer.key])
    render.print_stdout(f"forgot the answer to {' '.join(answer.task.split())[:60]!r}")


@app.command()
def clear(ctx: typer.Context) -> None:
    """Drop every answer for good."""
    from orch.cli import render

    render.print_stdout(f"forgot {_opened(ctx).answer_cache.store.forget():,} answers")


def _opened(ctx: typer.Context) -> Runtime:
    """The parts, with a cache that can be read. Raises JournalError."""
    runtime = context.open_orchestrator(ctx).runtime
    runtime.answer_cache.store.open()
    return runtime


def _one(runtime: Runtime, prefix: str) -> CachedAnswer:
    found = runtime.answer_cache.store.find(prefix)
    if len(found) != 1:
        said = (
            f"no answer's id begins with {prefix!r}"
            if not found
            else f"several ids begin with {prefix!r}"
        )
        raise UsageError(
            said, "orch run --json tells run_id; orch cache stats tells how many there are"
        )
    return found[0]


async def _facts(runtime: Runtime, answer: CachedAnswer) -> dict[str, Any]:
    try:
        digest = await runtime.answer_cache.model_digest(answer.provider, answer.model)
    finally:
        await runtime.aclose()
    now = time.time()
    left = answer.at + runtime.answer_cache.store.ttl_s - now
    counts = (
        "no: too old"
        if left <= 0
        else "no: it is of the future, kept while the clock was wrong"
        if answer.at > now
        else "no: its model is not installed as it was"
        if digest != answer.digest
        else "yes"
    )
    return {
        "id": answer.id,
        "task": one_line(answer.task)[:200],
        "model": answer.model,
        "provider": answer.provider,
        "digest": answer.digest or "(its provider tells none)",
        "given": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(answer.at)),
        "uses": answer.uses,
        "expires": f"in {max(left, 0) / 3600:.1f} h",
        "counts": counts,
        "run_id": answer.run_id,
    }
