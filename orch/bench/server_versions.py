"""The versions of the servers that a bench measures: stored with each figure, since the same model
answers otherwise under another one (Ollama 0.32.10 no longer forces a repeat penalty)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from orch.errors import ProviderError
from orch.providers import ProviderClient, TellsVersion


async def server_versions(
    providers: Mapping[str, ProviderClient], names: Iterable[str]
) -> dict[str, str]:
    """The server's name and version of each of those providers; empty where it is unknown."""
    return {name: await _version(providers[name]) for name in set(names)}


async def _version(provider: ProviderClient) -> str:
    if not isinstance(provider, TellsVersion):
        return ""
    try:
        return await provider.version()
    except ProviderError:
        return ""  # the bench itself shows that the server does not answer


def version_notes(
    figures: Iterable[tuple[str, str]], now: Mapping[str, str], what: str
) -> list[str]:
    """What to say of figures, each with its provider and the server that it was measured with, if
    another version runs now. Unknown versions are not compared."""
    servers = ((provider, server, now.get(provider, "")) for provider, server in figures)
    counts = Counter(
        (server, present) for _, server, present in servers if server and present != server
    )
    return [
        f"{count} {what} are of {server}, now {present} answers; --fresh measures anew"
        for (server, present), count in sorted(counts.items())
        if present
    ]
