"""Extracts token counts from a server's context overflow error: those of the prompt and of the
context (pure)."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_NUMBER = r"(\d[\d,.']{0,20}\d|\d)"
_PROMPT_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"request \({_NUMBER} tokens\)",  # llama.cpp, Ollama
        rf"\({_NUMBER} in the messages",  # vLLM, OpenAI: without the tokens they add for the answer
        rf"messages resulted in {_NUMBER} tokens",
        rf"request has {_NUMBER} input tokens",
        rf"first {_NUMBER} tokens when context the overflows",  # LM Studio, sic
        rf"given: {_NUMBER} `inputs` tokens",  # TGI
        rf"(?:prompt|input|request)[^.\d]{{0,40}}{_NUMBER} (?:input )?tokens",
    )
)
_CONTEXT_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"context size \({_NUMBER} tokens\)",
        rf"maximum context length is {_NUMBER} tokens",
        rf"context length of only {_NUMBER} tokens",
        rf"must be <= {_NUMBER}",
        rf"context window: {_NUMBER}",
    )
)


class OverflowCounts(NamedTuple):
    """Tokens of the prompt and of the context; None if the server does not report them."""

    prompt_tokens: int | None = None
    context_tokens: int | None = None


def parse_overflow(message: str, body: bytes = b"") -> OverflowCounts:
    """Reads the counts from the JSON fields of an error (llama.cpp: n_prompt_tokens, n_ctx), else
    from its message."""
    fields = _integer_fields(body)
    return OverflowCounts(
        fields.get("n_prompt_tokens") or _first(_PROMPT_PATTERNS, message),
        fields.get("n_ctx") or _first(_CONTEXT_PATTERNS, message),
    )


def _first(patterns: tuple[re.Pattern[str], ...], message: str) -> int | None:
    matches = (match for pattern in patterns if (match := pattern.search(message)))
    first = next(matches, None)
    return int(re.sub(r"\D", "", first.group(1))) if first else None


def _integer_fields(body: bytes) -> dict[str, int]:
    """The positive integers of an error object, at any depth."""
    try:
        value: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    numbers: dict[str, int] = {}
    for _ in range(4):
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = _parse_json(value)
        if not isinstance(value, dict):
            break
        numbers |= {
            name: number for name, number in value.items() if isinstance(number, int) and number > 0
        }
        value = value.get("error")
    return numbers


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
