"""Downloads a model into an Ollama and reports the progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from orch.errors import ConfigError, ProviderError
from orch.execution.pull_errors import pull_error
from orch.providers import ProviderClient, Pulls
from orch.providers.read_limits import error_line
from orch.text.lines import MOST_NAME_CHARS

MAX_LAYERS = 1_000
"""Of one model; the sizes of further layers are not added up."""


class PullProgress(NamedTuple):
    """How far a download is: the server's word for the current step, and bytes over all layers
    that were started."""

    status: str
    completed_bytes: int
    total_bytes: int


def pull_targets(providers: Mapping[str, ProviderClient]) -> dict[str, Pulls]:
    """The providers that can download models, in the order of models.yaml."""
    return {name: each for name, each in providers.items() if isinstance(each, Pulls)}


async def pull_model(
    providers: Mapping[str, ProviderClient], model: str, provider: str = ""
) -> AsyncGenerator[PullProgress]:
    """Downloads a model, by default into the first Ollama. Closing the generator cancels it. Raises
    OrchError."""
    targets = pull_targets(providers)
    chosen = provider or next(iter(targets), "")
    if chosen not in targets:
        raise ConfigError(
            f"models.yaml has no Ollama provider {chosen!r}",
            f"one of: {', '.join(targets) or 'none'}",
        )
    layers: dict[str, tuple[int, int]] = {}
    try:
        async with aclosing(targets[chosen].pull(model)) as lines:  # type: ignore[type-var]
            async for line in lines:
                digest = str(line.get("digest"))[:MOST_NAME_CHARS]
                _note_layer(layers, digest, line.get("completed") or 0, line.get("total"))
                done, total = (sum(sizes) for sizes in zip((0, 0), *layers.values(), strict=True))
                yield PullProgress(error_line(line.get("status", "")), done, total)
    except ProviderError as failure:
        raise pull_error(model, failure) from None


def _note_layer(
    layers: dict[str, tuple[int, int]], digest: str, completed: Any, total: Any
) -> None:
    """Stores how far a layer is, if the server reports it in numbers."""
    are_numbers = isinstance(completed, int) and isinstance(total, int)
    if are_numbers and (digest in layers or len(layers) < MAX_LAYERS):
        layers[digest] = (completed, total)
