"""Texts of `orch setup`: the machine, its servers, suitable models, and a line for each offer
(pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orch.cli.commands.setup.hardware import Machine
from orch.cli.commands.setup.offers import MachineSurvey, Offer, Server

COLUMNS = ("", "model", "size", "an answer in", "quality", "best at")
MAX_NAMED, MAX_TYPES = 3, 2


def summary(survey: MachineSurvey, offers: Sequence[Offer]) -> list[str]:
    """Three lines: the machine, its servers, suitable models."""
    return [_machine(survey), _servers(survey), _suitable_models(survey, offers)]


def _machine(survey: MachineSurvey) -> str:
    here = survey.machine
    memory = f"{_gb(here.memory_bytes)} memory" if here.memory_bytes else "memory unknown"
    free = f" ({_gb(here.free_bytes)} free)" if here.free_bytes else ""
    cards = ", ".join(_gpus(here)) or "no GPU found"
    return (
        f"Machine: {memory}{free}, {cards}, {_counted(here.cores, 'core')},"
        f" {_gb(max(survey.disk_bytes, 0))} disk free"
    )


def _gpus(here: Machine) -> Iterator[str]:
    """Each GPU with its memory, and what of it is free."""
    frees = here.free_gpu_bytes or (None,) * len(here.gpus)
    for (name, total), free in zip(here.gpus, frees, strict=True):
        yield f"{name} {_gb(total)}" + ("" if free is None else f" ({_gb(free)} free)")
    for name in here.shared_gpus:
        yield f"{name} (uses main memory)"


def _servers(survey: MachineSurvey) -> str:
    up = [_server(server) for server in survey.servers if server.running]
    installed = (
        f"; Ollama is installed ({survey.ollama_program})"
        if survey.ollama_program and not survey.ollama_runs
        else ""
    )
    return f"Servers: {'; '.join(up) or 'none running'}{installed}"


def _server(server: Server) -> str:
    known = "" if server.provider else ", not in models.yaml"
    return (
        f"{server.name}{f' at {server.url}' if server.url else ''} with"
        f" {_counted(len(server.models), 'model')}{known}"
    )


def _suitable_models(survey: MachineSurvey, offers: Sequence[Offer]) -> str:
    models = [offer.model for offer in offers if offer.model]
    if survey.available_models:
        more = (
            f" and {len(survey.available_models) - MAX_NAMED} more"
            if len(survey.available_models) > MAX_NAMED
            else ""
        )
        better = f"; better, by published scores: {', '.join(models)}" if models else ""
        return f"Ready: {', '.join(survey.available_models[:MAX_NAMED])}{more}{better}"
    if models:
        return f"Suitable: {' or '.join(models)}"
    return (
        "Suitable: none of the listed models fits memory and disk"
        if survey.ollama_runs or not survey.engine_command
        else "Suitable: see below"
    )


def offer_line(offer: Offer) -> str:
    """The line of an offer that is not a model."""
    return f"- {describe_offer(offer)}" + (
        f": {offer.command}" if offer.action in ("use_server", "start_ollama", "get_engine") else ""
    )


def describe_offer(offer: Offer) -> str:
    """What the offer would do."""
    size = f" ({_gb(offer.size_bytes)})" if offer.size_bytes else ""
    return {
        "use_server": (
            f"Add {offer.server} at {offer.url} to models.yaml, so that its models are used"
        ),
        "start_ollama": "Start Ollama",
        "get_engine": "Or install orch's own engine, then run orch setup again",
        "get_ollama": f"Get Ollama, which can also use a GPU: {offer.url}",
        "pull": f"Pull {offer.model}{size} into Ollama",
        "download": f"Download {offer.model}{size} into orch's own engine",
    }[offer.action]


def offer_row(number: int, offer: Offer) -> tuple[str, ...]:
    """A row of the table of models."""
    seconds = f"about {offer.expected_s:.0f} s" if offer.expected_s is not None else "-"
    quality = f"{offer.quality:.2f}" if offer.quality is not None else "-"
    return (
        str(number),
        offer.model,
        _gb(offer.size_bytes),
        seconds,
        quality,
        ", ".join(offer.good_at[:MAX_TYPES]) or "-",
    )


def table_footer(models: Sequence[Offer]) -> str:
    """The line below the table of models."""
    licences = ", ".join(dict.fromkeys(offer.licence for offer in models if offer.licence))
    return f"or type: {models[0].command}" + (f"   (licence: {licences})" if licences else "")


def _gb(size_bytes: int | None) -> str:
    return (
        "-"
        if size_bytes is None
        else f"{size_bytes / 1e9:.1f} GB"
        if size_bytes < 20e9
        else f"{size_bytes / 1e9:,.0f} GB"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
