"""What the error for a path without a route says: where to find what orch does not have (pure)."""

from __future__ import annotations

from orch.server.http.api_paths import probable_path

_OF_OLLAMA = (
    "orch leaves this to Ollama itself: send it to Ollama's own address, which orch health names"
)
_OF_OPENAI = "orch serves chat, completions, responses, embeddings and models; /docs lists all"
HINTS = {
    "/api/": dict.fromkeys(
        ("experimental", "signout", "status", "user"),
        _OF_OLLAMA,
    ),
    "/v1/": dict.fromkeys(
        (
            *("assistants", "audio", "batches", "files", "fine_tuning", "images", "moderations"),
            *("realtime", "threads", "uploads", "vector_stores", "videos"),
        ),
        _OF_OPENAI,
    ),
}
"""By the API and the first part of the path: routes that Ollama or OpenAI has, and orch has not."""


def missing_route_message(method: str, path: str) -> str:
    """The error for a path that has no route; `method` is empty unless only that is wrong."""
    message = f"there is no {method} {path}" if method else f"there is no {path}"
    for prefix, hints in HINTS.items():
        if path.startswith(prefix):
            hint = hints.get(path.removeprefix(prefix).partition("/")[0])
            if hint:
                return f"{message}; {hint}"
    probable = "" if method else probable_path(path)
    return f"{message}; did you mean {probable}?" if probable else message
