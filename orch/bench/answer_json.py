"""Finds the JSON value in an answer, and values inside it by their path (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


def find_json(text: str) -> tuple[bool, Any]:
    """Whether a text has a JSON object or list, and that value: the whole text, else the last
    fenced block with one, else the longest in the text."""
    for candidate in (text, *reversed(_FENCE.findall(text))):
        is_value, value = _parse(candidate)
        if is_value:
            return True, value
    spans = list(_embedded_values(text))
    return (True, max(spans, key=lambda span: span[0])[1]) if spans else (False, None)


def _parse(text: str) -> tuple[bool, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False, None
    return isinstance(value, (dict, list)), value


def _embedded_values(text: str) -> Iterator[tuple[int, Any]]:
    """Every JSON object or list in the text with its length, without those inside another."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(200):
        start = min(
            (index for index in (text.find("{", at), text.find("[", at)) if index >= 0), default=-1
        )
        if start < 0:
            return
        try:
            value, at = decoder.raw_decode(text, start)
            yield at - start, value
        except (ValueError, RecursionError):
            at = start + 1


def value_at_path(value: Any, path: str) -> tuple[bool, Any]:
    """Whether there is a value at a path such as `orders[0].total`, and that value."""
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return False, None
    return True, value
