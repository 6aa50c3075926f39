"""Takes optional fields out of a request that a server refuses because of them, so that it can be
sent once more."""

from __future__ import annotations

from typing import Any

from orch.errors import ProviderError
from orch.providers.thinking_effort import CANNOT_THINK, NO_THINKING_VALUES

MOST_FIELDS = 4
"""Fields taken out of one request: each costs a round trip."""
_OWN = ("stream_options", "reasoning_effort")
"""Fields that nobody asked for by name; any refusal that names one is about it."""
_RENAMED = {"max_tokens": "max_completion_tokens"}
"""OpenAI's own reasoning models refuse the older name."""
_REQUIRED = frozenset(
    {"model", "messages", "stream", "tools", "tool_choice", "response_format", "max_tokens"}
)
"""Fields without which the answer would be another one."""
_UNKNOWN = (
    *("unknown", "unsupported", "unrecognized", "unrecognised", "unexpected", "not supported"),
    *(
        "not permitted",
        "not allowed",
        "not support",
        "extra field",
        "extra input",
        "extra_forbidden",
    ),
    *("additional propert", "no such field", "unknown_parameter"),
)
_CODES = ("rejected", "server_error", "bad_response")


class RefusedFields:
    """The fields that the server refused of one request."""

    def __init__(self) -> None:
        self._removed: list[str] = []
        self._notices: list[str] = []

    def remove(self, refusal: ProviderError, payload: dict[str, Any]) -> bool:
        """Takes the field that a refusal names out of `payload`; returns whether it was one that
        the request can do without."""
        field = _named_field(refusal, payload)
        if not field or len(self._removed) >= MOST_FIELDS:
            return False
        value = payload.pop(field)
        self._removed.append(field)
        if field in _RENAMED:
            payload[_RENAMED[field]] = value
        elif notice := _notice(field, value):
            self._notices.append(notice)
        return True

    def take_notice(self) -> str:
        """What the model did not take, as a phrase, once; empty where nothing was asked for."""
        notice, self._notices = ", and ".join(self._notices), []
        return notice


def _notice(field: str, value: Any) -> str:
    if field == "reasoning_effort":
        return "" if value in NO_THINKING_VALUES else CANNOT_THINK
    return "" if field in _OWN else f"does not take the option {field}: it answers without"


def _named_field(refusal: ProviderError, payload: dict[str, Any]) -> str:
    if refusal.code not in _CODES:
        return ""
    text = refusal.message.lower()
    own = next((field for field in _OWN if field in payload and _names(text, field)), "")
    if own or not any(phrase in text for phrase in _UNKNOWN):
        return own
    old = next((old for old, new in _RENAMED.items() if old in payload and new in text), "")
    others = sorted(payload.keys() - _REQUIRED, key=len, reverse=True)
    return old or next((field for field in others if _names(text, field.lower())), "")


def _names(text: str, field: str) -> bool:
    """Whether a text names a field: as a word of its own; of `reasoning_effort` also its first
    word, as in "does not support reasoning"."""
    if field == "reasoning_effort" and "reasoning" in text:
        return True
    at = text.find(field)
    while at >= 0:
        around = text[at - 1 : at] + text[at + len(field) : at + len(field) + 1]
        if not any(char.isalnum() or char in "_-" for char in around):
            return True
        at = text.find(field, at + 1)
    return False
