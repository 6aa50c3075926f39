"""Downloads a model into an Ollama or LM Studio and reports the progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from orch.errors import ConfigError, OrchError, ProviderError
from orch.execution.pull_errors import pull_error
from orch.providers import ListsOwner, ProviderClient, Pulls
from orch.providers.read_limits import error_line
from orch.text.lines import MOST_NAME_CHARS, one_line

MAX_LAYERS = 1_000
"""Of one model; the sizes of further layers are not added up."""


class PullProgress(NamedTuple):
    """How far a download is: the server's word for the current step, and bytes over all layers
    that were started."""

    status: str
    completed_bytes: int
    total_bytes: int


def pull_targets(providers: Mapping[str, ProviderClient]) -> dict[str, Pulls]:
    """The providers that can download models, in the order of models.yaml: Ollamas first, whose
    names of models are the usual ones."""
    able = {name: each for name, each in providers.items() if isinstance(each, Pulls)}
    return dict(sorted(able.items(), key=lambda item: isinstance(item[1], ListsOwner)))


def pull_target(providers: Mapping[str, ProviderClient], provider: str = "") -> str:
    """The provider that downloads: the named one, by default the first Ollama. Raises ConfigError
    for one that can't, or if there is none."""
    targets = pull_targets(providers)
    chosen = provider or next(iter(targets), "")
    if chosen in targets:
        return chosen
    if not targets:
        raise ConfigError(
            "models.yaml has no provider that downloads models",
            "orch setup finds a model for this machine",
        )
    raise ConfigError(
        f"provider {chosen!r} of models.yaml can't download models"
        if chosen in providers
        else f"models.yaml has no provider {chosen!r}",
        f"one of: {', '.join(targets)}",
    )


async def pull_lines(
    providers: Mapping[str, ProviderClient],
    model: str,
    provider: str = "",
    *,
    insecure: bool = False,
) -> AsyncGenerator[dict[str, Any]]:
    """Downloads a model, by default into the first Ollama, and yields what that reports: `status`,
    and of a layer `digest`, `total` and `completed` in bytes. Closing the generator cancels the
    download. Raises OrchError."""
    chosen = pull_target(providers, provider)
    targets = pull_targets(providers)
    try:
        progress = targets[chosen].pull(model, insecure=insecure)
        async with aclosing(progress) as lines:  # type: ignore[type-var]
            async for line in lines:
                yield progress_line(line)
    except ProviderError as failure:
        if not isinstance(targets[chosen], ListsOwner):
            raise pull_error(model, failure) from None
        hint = "LM Studio's own window and log say more; orch health shows whether it answers"
        raise OrchError(f"{model}: {failure.message}", hint, code="all_failed") from None


def progress_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one object of an Ollama's progress, on one line and within bounds (pure)."""
    digest, sizes = line.get("digest"), (line.get("total"), line.get("completed") or 0)
    fields: dict[str, Any] = {"status": error_line(line.get("status", ""))}
    if isinstance(digest, str):
        fields["digest"] = one_line(digest[:MOST_NAME_CHARS])
    if all(isinstance(size, int) for size in sizes):
        fields["total"], fields["completed"] = sizes
    return fields


async def pull_model(
    providers: Mapping[str, ProviderClient],
    model: str,
    provider: str = "",
    *,
    insecure: bool = False,
) -> AsyncGenerator[PullProgress]:
    """`pull_lines` with the bytes of all layers added up."""
    layers: dict[str, tuple[int, int]] = {}
    async with aclosing(pull_lines(providers, model, provider, insecure=insecure)) as lines:
        async for line in lines:
            _note_layer(layers, line)
            done, total = (sum(sizes) for sizes in zip((0, 0), *layers.values(), strict=True))
            yield PullProgress(line["status"], done, total)


def _note_layer(layers: dict[str, tuple[int, int]], line: Mapping[str, Any]) -> None:
    """Stores how far a layer is, if the server reports it in numbers."""
    digest = line.get("digest", "")
    if "total" in line and (digest in layers or len(layers) < MAX_LAYERS):
        layers[digest] = (line["completed"], line["total"])
