"""Fetches a model into an Ollama, and tells how far it is."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

from orch.errors import ConfigError, OrchError, ProviderError
from orch.execution.runtime import Runtime
from orch.providers import Pulls
from orch.providers.read_limits import error_line
from orch.text.lines import MOST_NAME_CHARS

MAX_LAYERS = 1_000
"""Of one model; of what a server tells beyond, no sizes are added up."""
_UNKNOWN = ("model_not_found", "check the name at https://ollama.com/library")
_CAUSES = {
    "connect": ("no_provider", "ollama serve, or without Ollama: orch setup {model}"),
    "rejected": _UNKNOWN,
    "model_not_found": _UNKNOWN,
}
"""Code of what the provider did not do, to the error's code and hint."""
_NO_WAY = re.compile(
    r"dial tcp|no such host|connection (refused|reset)|i/o timeout|TLS handshake|x509|network is"
    r" unreachable",
    re.IGNORECASE,
)
"""In what Ollama says where it can't reach its registry: Go's words."""
_UNREACHED = (
    "all_failed",
    (
        "see to Ollama's way to the internet (its own HTTPS_PROXY counts), then fetch it again:"
        " what came is kept"
    ),
)


class PullProgress(NamedTuple):
    """How far it is: what is done now in the server's words, and bytes over all layers that were
    begun."""

    status: str
    completed_bytes: int
    total_bytes: int


def pull_targets(runtime: Runtime) -> dict[str, Pulls]:
    """The providers into which models can be fetched, in the order of models.yaml."""
    return {
        name: backend for name, backend in runtime.providers.items() if isinstance(backend, Pulls)
    }


async def pull_model(
    runtime: Runtime, model: str, provider: str = ""
) -> AsyncGenerator[PullProgress]:
    """Fetches the model into that Ollama, by default the first one. Closing the generator ends it.
    Raises OrchError."""
    known = pull_targets(runtime)
    chosen = provider or next(iter(known), "")
    if chosen not in known:
        raise ConfigError(
            f"models.yaml has no Ollama provider {chosen!r}",
            f"there are: {', '.join(known) or 'none'}",
        )
    layers: dict[str, tuple[int, int]] = {}
    try:
        async with aclosing(known[chosen].pull(model)) as lines:  # type: ignore[type-var]
            async for line in lines:
                _note(
                    layers,
                    str(line.get("digest"))[:MOST_NAME_CHARS],
                    line.get("completed") or 0,
                    line.get("total"),
                )
                done, total = (sum(sizes) for sizes in zip((0, 0), *layers.values(), strict=True))
                yield PullProgress(error_line(line.get("status", "")), done, total)
    except ProviderError as failure:
        told = _CAUSES.get(failure.code, ("all_failed", "fetch it again: what came is kept"))
        code, hint = (
            _UNREACHED if failure.code != "connect" and _NO_WAY.search(failure.message) else told
        )
        raise OrchError(
            f"{model} could not be fetched: {failure.message}", hint.format(model=model), code=code
        ) from None


def _note(layers: dict[str, tuple[int, int]], digest: str, completed: Any, total: Any) -> None:
    """Keeps how far a layer is, where the server tells it in numbers."""
    if (
        isinstance(completed, int)
        and isinstance(total, int)
        and (digest in layers or len(layers) < MAX_LAYERS)
    ):
        layers[digest] = (completed, total)
