"""Carries out an offer: starts a server, adds one to models.yaml, pulls a model, or downloads one
into orch's own engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from orch.cli.commands.setup import embedded_engine, model_library
from orch.cli.commands.setup.download import download_file, models_dir
from orch.cli.commands.setup.offers import MachineSurvey, Offer
from orch.cli.commands.setup.start_ollama import start_ollama
from orch.config.edit import models as edit_models
from orch.errors import OrchError
from orch.execution.pulling import pull_model
from orch.execution.runtime import Runtime
from orch.hardware.devices import free_memory_bytes

ShowStep = Callable[[str, int | None, int | None], None]
"""Called with a step, and the bytes so far and in total, if known."""


def carry_out(
    offer: Offer,
    survey: MachineSurvey,
    runtime: Runtime,
    config_dir: Path | None,
    sha256: str,
    show: ShowStep,
) -> str:
    """Carries out an offer and returns a sentence about the result. Raises OrchError."""
    if offer.action == "use_server":
        return _add_server(offer, config_dir)
    if offer.action == "start_ollama":
        start_ollama(survey.ollama_program, runtime.config.models.providers[survey.ollama].urls[0])
        return "Ollama is running"
    try:
        if offer.action == "pull":
            asyncio.run(_pull(offer.model, survey.ollama, runtime, show))
            return f"{offer.model} is installed in Ollama"
        return _download(offer.model, sha256, config_dir, show)
    except OrchError as failure:
        # a failed download has exit code 1, whatever its cause
        raise OrchError(
            failure.message,
            failure.hint,
            code=failure.code if failure.code in ("interrupted", "config", "usage") else "error",
        ) from None


def _add_server(offer: Offer, config_dir: Path | None) -> str:
    own_kinds = {"Ollama": "ollama", "LM Studio": "lmstudio", "llama-server": "llama-server"}
    kind = own_kinds.get(offer.server, "openai")
    change, name = edit_models.propose_provider(
        config_dir, offer.server.lower().replace(" ", "-"), {"kind": kind, "base_url": offer.url}
    )
    change.write()
    return f"{offer.server} is now provider {name} in {change.path}"


async def _pull(name: str, provider: str, runtime: Runtime, show: ShowStep) -> None:
    try:
        async for step in pull_model(runtime.providers, name, provider):
            show(step.status, step.completed_bytes, step.total_bytes or None)
    finally:
        await runtime.providers[provider].aclose()


def _download(name: str, sha256: str, config_dir: Path | None, show: ShowStep) -> str:
    """Downloads the file, tests it and adds it to models.yaml, whose problems are reported before
    the download."""
    artifact = model_library.find_artifact(name, sha256)
    target = models_dir().absolute() / model_library.file_name(name, artifact)
    model_id = target.stem.rpartition("-")[0] if model_library.is_url(name) else name
    num_ctx = embedded_engine.engine_num_ctx(artifact.size_bytes or 0, free_memory_bytes())
    embedded_engine.proposed_change(
        config_dir, embedded_engine.models_yaml_entry(model_id, target, num_ctx)
    )
    is_new = not target.exists()
    download_file(artifact, target, lambda done, total: show("downloading", done, total))
    show("testing it", None, None)
    try:
        trial = asyncio.run(embedded_engine.try_file(target, num_ctx))
    except OrchError:
        if is_new:
            target.unlink()
        raise
    change = embedded_engine.proposed_change(
        config_dir,
        embedded_engine.models_yaml_entry(model_id, target, num_ctx, trial.context_window),
    )
    change.write()
    speed = f", {trial.tokens_per_s:.0f} tokens/s" if trial.tokens_per_s else ""
    return (
        f"{model_id} is installed in orch's own engine (loads in {trial.load_s:.1f} s{speed});"
        f" added to {change.path}"
    )
