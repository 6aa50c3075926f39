"""`orch setup`: what would serve on this machine, and on a yes the model, the server or the
download that makes it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.errors import OrchError

if TYPE_CHECKING:
    from orch.cli.commands.setup.offers import MachineSurvey, Offer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
NEXT_COMMAND = 'orch run "What is a mutex?"'


@app.command()
def setup_command(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="[MODEL]",
            help="Fetch this one: a name of Ollama's library, or an address of a GGUF file.",
        ),
    ] = "",
    sha256: Annotated[
        str,
        typer.Option(
            "--sha256", metavar="HEX", help="Of the file at that address.", show_default=False
        ),
    ] = "",
    in_engine: Annotated[
        bool, typer.Option("--engine", help="Into orch's own engine, also where Ollama runs.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: do what is recommended, or fetch MODEL.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what --yes would do; do nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object; with --yes after it is done.")
    ] = False,
) -> None:
    """Look at this machine, say which models would serve here, and fetch one if you say yes."""
    from orch.cli import render

    asks = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    walk = SetupSession(
        ctx, SetupOptions(model, sha256, in_engine, yes and not dry_run, dry_run, asks, as_json)
    )
    error: OrchError | None = None
    try:
        walk.run()
    except OrchError as failure:
        if not as_json or failure.exit_code == 2:
            raise
        error = failure
    if as_json:
        told = {"code": error.code, "message": error.message, "hint": error.hint} if error else None
        render.print_json(
            {"v": 1, "ok": error is None, **walk.to_json(), **({"error": told} if told else {})}
        )
    raise typer.Exit(error.exit_code if error else 0)


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """What argv and the terminal ask for."""

    model: str
    sha256: str
    in_engine: bool
    yes: bool
    dry_run: bool
    asks: bool
    as_json: bool


class SetupSession:
    """One call: looks, says, asks and does, in that order; servers before models."""

    def __init__(self, ctx: typer.Context, wish: SetupOptions) -> None:
        self._ctx, self._wish = ctx, wish
        self._done: list[dict[str, Any]] = []
        self._scene: MachineSurvey | None = None
        self._offers: list[Offer] = []

    def run(self) -> None:
        """Raises OrchError where something that was agreed to fails."""
        self._look()
        self._show()
        changes = [
            offer
            for offer in self._offers
            if offer.action in ("use_server", "start_ollama") and self._is_agreed(offer)
        ]
        for offer in changes:
            self._do(offer)
        if changes and not self._wish.dry_run:
            self._look()
            self._show()
        for offer in self._wanted():
            self._do(offer)
        self._end()

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        assert self._scene is not None
        scene, here = self._scene, self._scene.machine
        machine = {
            "memory_bytes": here.memory_bytes,
            "free_bytes": here.free_bytes,
            "gpus": [{"name": name, "memory_bytes": size} for name, size in here.gpus],
            "cores": here.cores,
            "disk_free_bytes": scene.disk_bytes,
        }
        return {
            "machine": machine,
            "servers": [asdict(each) for each in scene.servers],
            "offers": [asdict(each) for each in self._offers],
            "done": self._done,
        }

    # ------------------------------------------------------------ looking

    def _look(self) -> None:
        from orch.cli.commands.setup.offers import make_offers

        self._scene = asyncio.run(self._seen())
        self._offers = [self._named(self._scene)] if self._wish.model else make_offers(self._scene)

    async def _seen(self) -> MachineSurvey:
        from orch.cli.commands.setup.survey import survey_machine

        async with context.open_orchestrator(self._ctx) as orchestrator:
            return await survey_machine(
                orchestrator.runtime, orchestrator.runtime.registry.known_quality
            )

    def _named(self, scene: MachineSurvey) -> Offer:
        """The offer of the model that argv names. Raises OrchError where nothing here could hold
        it."""
        from orch.cli.commands.setup.choices import find_starter_model
        from orch.cli.commands.setup.model_library import is_url, registry_path
        from orch.cli.commands.setup.offers import Offer, good_at, mean_quality

        name, pulls = (
            self._wish.model,
            scene.ollama_runs and not self._wish.in_engine and not is_url(self._wish.model),
        )
        if not is_url(name):
            registry_path(name)
        if not pulls and scene.engine_command:
            raise OrchError(
                "Ollama does not run here, and orch's own engine is not installed",
                scene.engine_command,
                code="usage",
            )
        choice = find_starter_model(name)
        command = f"orch setup {name} --yes" + (
            f" --sha256 {self._wish.sha256}" if self._wish.sha256 else ""
        )
        known = None if is_url(name) else scene.qualities(name)
        size, licence = (choice.size_bytes, choice.licence) if choice else (None, "")
        return Offer(
            "pull" if pulls else "download",
            command,
            name,
            size,
            None,
            mean_quality(known),
            good_at(known),
            licence,
        )

    # ------------------------------------------------------------ agreeing

    def _is_agreed(self, offer: Offer) -> bool:
        if self._wish.yes or self._wish.dry_run:
            return True
        return self._wish.asks and _asked(f"{_sentence(offer)}? [y/N] ").lower() in ("y", "yes")

    def _wanted(self) -> Iterator[Offer]:
        """The models that are to be fetched: each is agreed to before its download."""
        models = [offer for offer in self._offers if offer.model]
        if self._wish.model:
            yield from (offer for offer in models if self._is_agreed(offer))
        elif self._wish.yes or self._wish.dry_run:
            assert self._scene is not None
            yield from models[: 0 if self._scene.available_models else 1]
        elif models and self._wish.asks:
            yield from _picked(models)

    # ------------------------------------------------------------ doing

    def _do(self, offer: Offer) -> None:
        from orch.cli import render
        from orch.cli.commands.setup.actions import carry_out

        if self._wish.dry_run:
            self._say(f"would do: {_sentence(offer)}")
            return
        entry = {
            "action": offer.action,
            "model": offer.model,
            "server": offer.server,
            "ok": False,
            "said": "",
        }
        self._done.append(entry)
        assert self._scene is not None
        orchestrator = context.open_orchestrator(self._ctx)
        try:
            with render.ProgressBar(offer.model or "Ollama") as progress:
                said = carry_out(
                    offer,
                    self._scene,
                    orchestrator.runtime,
                    context.chosen_config_dir(self._ctx),
                    self._wish.sha256,
                    progress.update,
                )
        finally:
            asyncio.run(orchestrator.aclose())
        entry |= {"ok": True, "said": said}
        self._say(said)

    # ------------------------------------------------------------ saying

    def _say(self, text: str) -> None:
        from orch.cli import render

        if not self._wish.as_json:
            render.print_stdout(text)

    def _show(self) -> None:
        if self._wish.as_json:
            return
        from orch.cli.commands.setup import messages as words

        assert self._scene is not None
        for line in words.summary(self._scene, self._offers):
            self._say(line)
        if self._offers:
            self._say("")
            _table(self._offers)
            self._say("")

    def _end(self) -> None:
        """What to type next."""
        assert self._scene is not None
        if self._wish.dry_run:
            self._say("nothing was done" if self._offers else "there is nothing to do")
        elif (
            any(entry["ok"] and entry["model"] for entry in self._done)
            or self._scene.available_models
        ):
            self._say(f"next: {NEXT_COMMAND}")
        elif not self._wish.asks and not self._wish.yes and self._offers:
            self._say(
                "nothing was done: orch setup in a terminal asks, orch setup --yes does the first"
                " of each kind"
            )


# ---------------------------------------------------------------- on a terminal


def _asked(question: str) -> str:
    """What was typed, without blanks around; empty at the end of stdin."""
    from orch.cli import render

    return render.prompt_user(question) or ""


def _picked(models: Sequence[Offer]) -> list[Offer]:
    """Those whose numbers are typed; Enter is none. Asks again for what is no number of the
    list."""
    from orch.cli import render

    numbers = "1" if len(models) == 1 else f"1-{len(models)}"
    while typed := _asked(f"Fetch which one? [{numbers}; Enter: none] "):
        words = typed.replace(",", " ").split()
        if all(word.isdecimal() and 1 <= int(word) <= len(models) for word in words):
            return [models[int(word) - 1] for word in dict.fromkeys(words)]
        render.print_stdout(f"type a number of the list ({numbers}), or Enter")
    return []


def _sentence(offer: Offer) -> str:
    from orch.cli.commands.setup import messages as words

    return words.describe_offer(offer)


def _table(found: Sequence[Offer]) -> None:
    from orch.cli import render
    from orch.cli.commands.setup import messages as words

    models = [offer for offer in found if offer.model]
    for offer in found:
        if not offer.model:
            render.print_stdout(words.offer_line(offer))
    if models:
        rows = [words.offer_row(number, offer) for number, offer in enumerate(models, 1)]
        render.print_table(words.COLUMNS, rows, drop=("best at",))
        render.print_stdout(f"\n{words.table_footer(models)}")
