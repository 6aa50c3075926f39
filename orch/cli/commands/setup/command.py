"""`orch setup`: finds models that suit this machine and, once agreed, installs one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.cli.prompts import YES_ANSWERS
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
            help="Model to install: a name in Ollama's library, or the URL of a GGUF file.",
        ),
    ] = "",
    sha256: Annotated[
        str,
        typer.Option(
            "--sha256", metavar="HEX", help="SHA-256 of the file at that URL.", show_default=False
        ),
    ] = "",
    in_engine: Annotated[
        bool, typer.Option("--engine", help="Install into orch's own engine, even if Ollama runs.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask: do what is recommended, or install MODEL.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what --yes would do, without doing it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, at the end.")
    ] = False,
) -> None:
    """Find models that suit this machine, and install one if you agree."""
    from orch.cli import render

    asks = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    session = SetupSession(
        ctx, SetupOptions(model, sha256, in_engine, yes and not dry_run, dry_run, asks, as_json)
    )
    error: OrchError | None = None
    try:
        session.run()
    except OrchError as failure:
        if not as_json or failure.exit_code == 2:
            raise
        error = failure
    if as_json:
        details = (
            {"code": error.code, "message": error.message, "hint": error.hint} if error else None
        )
        render.print_json(
            {
                "v": 1,
                "ok": error is None,
                **session.to_json(),
                **({"error": details} if details else {}),
            }
        )
    raise typer.Exit(error.exit_code if error else 0)


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """The options of one call. `asks`: questions can be answered on a terminal."""

    model: str
    sha256: str
    in_engine: bool
    yes: bool
    dry_run: bool
    asks: bool
    as_json: bool


class SetupSession:
    """One call: surveys the machine, prints offers, asks and carries out, servers before models."""

    def __init__(self, ctx: typer.Context, options: SetupOptions) -> None:
        self._ctx, self._options = ctx, options
        self._done: list[dict[str, Any]] = []
        self._survey: MachineSurvey | None = None
        self._offers: list[Offer] = []

    def run(self) -> None:
        """Runs the whole call. Raises OrchError if an agreed action fails."""
        self._read_survey()
        self._print_offers()
        changes = [
            offer
            for offer in self._offers
            if offer.action in ("use_server", "start_ollama") and self._is_agreed(offer)
        ]
        for offer in changes:
            self._carry_out(offer)
        if changes and not self._options.dry_run:
            self._read_survey()
            self._print_offers()
        for offer in self._chosen_models():
            self._carry_out(offer)
        self._print_next_step()

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        assert self._survey is not None
        survey, here = self._survey, self._survey.machine
        machine = {
            "memory_bytes": here.memory_bytes,
            "free_bytes": here.free_bytes,
            "gpus": [
                {"name": name, "memory_bytes": size, "free_bytes": free}
                for (name, size), free in zip(here.gpus, here.free_gpu_bytes, strict=True)
            ],
            "shared_gpus": here.shared_gpus,
            "cores": here.cores,
            "disk_free_bytes": survey.disk_bytes,
        }
        return {
            "machine": machine,
            "servers": [asdict(each) for each in survey.servers],
            "offers": [asdict(each) for each in self._offers],
            "done": self._done,
        }

    # ------------------------------------------------------------ the survey

    def _read_survey(self) -> None:
        from orch.cli.commands.setup.offers import make_offers

        self._survey = asyncio.run(self._survey_machine())
        self._offers = (
            [self._requested_offer(self._survey)]
            if self._options.model
            else make_offers(self._survey)
        )

    async def _survey_machine(self) -> MachineSurvey:
        from orch.cli.commands.setup.survey import survey_machine

        async with context.open_orchestrator(self._ctx) as orchestrator:
            priors = orchestrator.runtime.registry.priors
            return await survey_machine(orchestrator.runtime, priors.quality_by_name)

    def _requested_offer(self, survey: MachineSurvey) -> Offer:
        """The offer of the model that argv names. Raises OrchError if nothing here can run it."""
        from orch.cli.commands.setup.model_library import is_url, registry_path
        from orch.cli.commands.setup.offers import Offer, good_at, mean_quality
        from orch.routing.known_models.pullable import find_pullable

        name, pulls = (
            self._options.model,
            survey.ollama_runs and not self._options.in_engine and not is_url(self._options.model),
        )
        if not is_url(name):
            registry_path(name)
        if not pulls and survey.engine_command:
            raise OrchError(
                "Ollama is not running, and orch's own engine is not installed",
                survey.engine_command,
                code="usage",
            )
        choice = None if is_url(name) else find_pullable(name)
        command = f"orch setup {name} --yes" + (
            f" --sha256 {self._options.sha256}" if self._options.sha256 else ""
        )
        known = None if is_url(name) else survey.qualities(name)
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
        if self._options.yes or self._options.dry_run:
            return True
        return self._options.asks and _prompt(f"{_sentence(offer)}? [y/N] ").lower() in YES_ANSWERS

    def _chosen_models(self) -> Iterator[Offer]:
        """The models to install; each is agreed to before its download."""
        models = [offer for offer in self._offers if offer.model]
        if self._options.model:
            yield from (offer for offer in models if self._is_agreed(offer))
        elif self._options.yes or self._options.dry_run:
            assert self._survey is not None
            yield from models[: 0 if self._survey.available_models else 1]
        elif models and self._options.asks:
            yield from _pick_models(models)

    # ------------------------------------------------------------ carrying out

    def _carry_out(self, offer: Offer) -> None:
        from orch.cli import render
        from orch.cli.commands.setup.actions import carry_out

        if self._options.dry_run:
            self._print(f"would do: {_sentence(offer)}")
            return
        entry = {
            "action": offer.action,
            "model": offer.model,
            "server": offer.server,
            "ok": False,
            "said": "",
        }
        self._done.append(entry)
        assert self._survey is not None
        orchestrator = context.open_orchestrator(self._ctx)
        try:
            with render.ProgressBar(offer.model or "Ollama") as progress:
                message = carry_out(
                    offer,
                    self._survey,
                    orchestrator.runtime,
                    context.chosen_config_dir(self._ctx),
                    self._options.sha256,
                    progress.update,
                )
        finally:
            asyncio.run(orchestrator.aclose())
        entry |= {"ok": True, "said": message}
        self._print(message)

    # ------------------------------------------------------------ printing

    def _print(self, text: str) -> None:
        from orch.cli import render

        if not self._options.as_json:
            render.print_stdout(text)

    def _print_offers(self) -> None:
        if self._options.as_json:
            return
        from orch.cli.commands.setup import messages

        assert self._survey is not None
        for line in messages.summary(self._survey, self._offers):
            self._print(line)
        if self._offers:
            self._print("")
            _print_table(self._offers)
            self._print("")

    def _print_next_step(self) -> None:
        """Prints the command to type next."""
        assert self._survey is not None
        if self._options.dry_run:
            self._print("nothing was done" if self._offers else "there is nothing to do")
        elif (
            any(entry["ok"] and entry["model"] for entry in self._done)
            or self._survey.available_models
        ):
            self._print(f"next: {NEXT_COMMAND}")
        elif not self._options.asks and not self._options.yes and self._offers:
            self._print(
                "nothing was done: type orch setup in a terminal, or orch setup --yes for what is"
                " recommended"
            )


# ---------------------------------------------------------------- on a terminal


def _prompt(question: str) -> str:
    """The stripped answer; empty at the end of stdin."""
    from orch.cli import render

    return render.prompt_user(question) or ""


def _pick_models(models: Sequence[Offer]) -> list[Offer]:
    """The models whose numbers are typed; Enter means none. Asks again for an invalid number."""
    from orch.cli import render

    numbers = "1" if len(models) == 1 else f"1-{len(models)}"
    while typed := _prompt(f"Which one to install? [{numbers}; Enter: none] "):
        words = typed.replace(",", " ").split()
        if all(word.isdecimal() and 1 <= int(word) <= len(models) for word in words):
            return [models[int(word) - 1] for word in dict.fromkeys(words)]
        render.print_stdout(f"type a number from the list ({numbers}), or Enter")
    return []


def _sentence(offer: Offer) -> str:
    from orch.cli.commands.setup import messages

    return messages.describe_offer(offer)


def _print_table(offers: Sequence[Offer]) -> None:
    from orch.cli import render
    from orch.cli.commands.setup import messages

    models = [offer for offer in offers if offer.model]
    for offer in offers:
        if not offer.model:
            render.print_stdout(messages.offer_line(offer))
    if models:
        rows = [messages.offer_row(number, offer) for number, offer in enumerate(models, 1)]
        render.print_table(messages.COLUMNS, rows, drop=("best at",))
        render.print_stdout(f"\n{messages.table_footer(models)}")
