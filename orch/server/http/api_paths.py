"""The paths of the APIs, in the spellings that clients make of a base URL: without `/v1`, with it
twice, with a doubled or trailing slash (pure)."""

from __future__ import annotations

V1_PATHS = (
    *("chat/completions", "completions", "responses", "embeddings", "models"),
    *("messages", "messages/count_tokens"),
)
"""What follows `/v1/` in OpenAI's and Anthropic's APIs."""
OLLAMA_PATHS = (
    *("chat", "generate", "embed", "embeddings", "tags", "ps", "show", "version"),
    *("pull", "copy", "delete", "create", "push", "me"),
)
"""What follows `/api/` in Ollama's API."""
KNOWN_PATHS = frozenset(
    (*(f"/v1/{path}" for path in V1_PATHS), *(f"/api/{path}" for path in OLLAMA_PATHS))
)
"""The paths as they are documented, without those that end in a name."""
_PREFIXES = frozenset(("v1", "api", "openai", "anthropic", "ollama"))
_V1, _OLLAMA = frozenset(V1_PATHS), frozenset(OLLAMA_PATHS)


def canonical_path(path: str, *, opens_page: bool = False) -> str:
    """The documented spelling of a path; the path itself if it is none of these APIs'.

    What `opens_page` for a person is left alone unless it names an API: `/models` is a page, too.
    """
    if path in KNOWN_PATHS:
        return path
    parts = [part for part in path.split("/") if part]
    count = _prefix_count(parts)
    rest, last = "/".join(parts[count:]), parts[count - 1] if count else ""
    if not count and opens_page:
        return path
    if last in ("api", "ollama") and (rest in _OLLAMA or rest.startswith("blobs/")):
        return f"/api/{rest}"
    if rest in _V1 or rest.startswith(("models/", "responses/")):
        return f"/v1/{rest}"
    return "/" + "/".join(parts) if parts and parts[0] in ("orch", "mcp") else path


def _prefix_count(parts: list[str]) -> int:
    """How many parts at the beginning only name an API."""
    for count, part in enumerate(parts):
        if part not in _PREFIXES:
            return count
    return len(parts)


def probable_path(path: str) -> str:
    """The documented path that was probably meant; empty if none is close."""
    import difflib  # only for a path without a route

    parts = [part for part in path.split("/") if part]
    if parts and _prefix_count(parts) == len(parts):
        return "/api/tags" if parts[-1] in ("api", "ollama") else "/v1/models"
    if parts[-1:] and parts[-1] in _OLLAMA and parts[:-1] in ([], ["v1"]):
        return f"/api/{parts[-1]}"
    matches = difflib.get_close_matches(path[:200], sorted(KNOWN_PATHS), n=1, cutoff=0.75)
    return matches[0] if matches else ""
