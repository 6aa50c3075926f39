"""Codex's own compaction: which turn that no longer fits is answered so that Codex compacts its
conversation and goes on.

Of a failed response Codex makes the end of the turn, and compacts before the next one only where
all requests of its session together had fewer tokens than its window. After a response that ends
no turn, and whose tokens are beyond its limit, it compacts and asks again (session/turn.rs and
`fill_to_context_window` in its source; tried with 0.171.0).
"""

from __future__ import annotations

from typing import Any

from orch.errors import OrchError
from orch.server.api.openai.response_fields import end_fields, responses_usage
from orch.server.api.openai.schemas import ResponsesRequest
from orch.types import Usage

WINDOW = "x-codex-window-id"
"""In `client_metadata`: another one after each compaction."""
MAX_WINDOW_CHARS, MAX_WINDOWS = 200, 1_000
_OF_A_MODEL = frozenset(
    "function_call function_call_output custom_tool_call custom_tool_call_output local_shell_call"
    " local_shell_call_output reasoning".split()
)
"""Types of items that a compaction takes away, besides messages of the assistant."""


class AskedWindows:
    """The windows whose compaction was asked for, the last 1,000: one that Codex did not compact
    would be sent again without end."""

    def __init__(self) -> None:
        self._asked: dict[str, None] = {}

    def add(self, window: str) -> bool:
        """Whether it is asked for the first time."""
        if window in self._asked:
            return False
        self._asked[window] = None
        if len(self._asked) > MAX_WINDOWS:
            del self._asked[next(iter(self._asked))]
        return True


def window_to_compact(body: ResponsesRequest) -> str:
    """The id of the request's window; empty where it is not Codex's, where nothing is left to
    compact, and for the request that compacts: it has no tools, and Codex shortens it itself."""
    metadata: Any = (body.model_extra or {}).get("client_metadata")
    window = metadata.get(WINDOW) if isinstance(metadata, dict) else None
    if not isinstance(window, str) or len(window) > MAX_WINDOW_CHARS or not body.tools:
        return ""
    items = body.input if isinstance(body.input, list) else []
    return window if any(map(_is_of_a_model, items)) else ""


def _is_of_a_model(item: dict[str, Any]) -> bool:
    kind = item.get("type")
    return item.get("role") == "assistant" or (isinstance(kind, str) and kind in _OF_A_MODEL)


def unended_turn(error: OrchError, at: int) -> dict[str, Any] | None:
    """The fields of a response to such a turn, at a time in seconds since the epoch: nothing said,
    and the tokens that the conversation has, which are more than the model holds; None where they
    are unknown."""
    tokens = max(error.prompt_tokens or 0, (error.context_tokens or -1) + 1)
    usage = responses_usage(Usage(tokens, 0))
    return {**end_fields(at, usage, is_cut=False), "end_turn": False} if tokens else None
