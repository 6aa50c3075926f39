"""Finds the error that an event of a stream reports, in whichever form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NO_ERROR = ("", "null", "none", "ok", "success")
_MESSAGE_KEYS = ("message", "error_message", "error_msg", "msg", "detail", "error", "reason")
_ANSWER_KEYS = ("choices", "message", "response", "content", "usage", "done")
_CODE_KEYS = ("code", "type", "status", "status_code", "error_code", "error_type")


def error_of(event: Mapping[str, Any]) -> Any | None:
    """Returns the error of an event, a string or an object with a `message`; None if it has none.

    Errors stand under `error` (not `null`, not empty); with an event that brings no answer also
    beside `object: error` (vLLM), `type: error` (OpenAI's responses), `error_message`,
    `error_msg` (Baidu), `detail` (FastAPI), or as a `message` with a code.
    """
    if is_error(error := event.get("error")):
        return _with_message(error, event)
    if is_error(base := event.get("base_resp")) and isinstance(base, dict):
        # MiniMax sends it with every answer
        return base.get("status_msg") if base.get("status_code") else None
    if any(event.get(key) for key in _ANSWER_KEYS if not isinstance(event.get(key), str)):
        return _vendor_error(event)
    if event.get("object") == "error" or event.get("type") == "error" or _has_message(event):
        return dict(event)
    return _listed_error(event.get("errors")) or _vendor_error(event)


def is_error(value: Any) -> bool:
    """Whether the value of `error` reports one; `null`, empty values and empty fields do not."""
    if isinstance(value, str):
        return value.strip().lower() not in _NO_ERROR
    if isinstance(value, Mapping):
        return any(is_error(each) for key, each in value.items() if key != "object")
    return bool(value)


def _with_message(error: Any, event: Mapping[str, Any]) -> Any:
    """The error; a bare code or `true` with the message beside it."""
    if isinstance(error, (str, Mapping, list)):
        return error
    return _message(event) or str(error)


def _has_message(event: Mapping[str, Any]) -> bool:
    """Whether an event without an answer has the fields of an error."""
    if any(is_error(event.get(key)) for key in ("error_message", "error_msg", "detail")):
        return True
    text = event.get("message") or event.get("msg")
    return isinstance(text, str) and any(event.get(key) for key in _CODE_KEYS)


def _message(event: Mapping[str, Any]) -> Any:
    return next((event[key] for key in _MESSAGE_KEYS if is_error(event.get(key))), None)


def _listed_error(errors: Any) -> Any | None:
    return errors[0] if isinstance(errors, list) and errors and is_error(errors[0]) else None


def _vendor_error(event: Mapping[str, Any]) -> Any | None:
    """An error in an object of the vendor's own: `x_groq: {error: …}`."""
    owners = (each for key, each in event.items() if key.startswith("x_"))
    errors = (each.get("error") for each in owners if isinstance(each, Mapping))
    return next((error for error in errors if is_error(error)), None)
