"""What a refusal of too long a prompt tells: how many tokens the server counted, and how many its
context holds (pure)."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_NUMBER = r"(\d[\d,.']{0,20}\d|\d)"
_COUNTED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"request \({_NUMBER} tokens\)",  # llama.cpp, Ollama
        rf"\({_NUMBER} in the messages",  # vLLM, OpenAI: before what they add for the answer
        rf"messages resulted in {_NUMBER} tokens",
        rf"request has {_NUMBER} input tokens",
        rf"first {_NUMBER} tokens when context the overflows",  # LM Studio, in its own words
        rf"given: {_NUMBER} `inputs` tokens",  # TGI
        rf"(?:prompt|input|request)[^.\d]{{0,40}}{_NUMBER} (?:input )?tokens",
    )
)
_HELD = tuple(
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
    """Tokens of the prompt and of the context, None where the server does not tell."""

    prompt_tokens: int | None = None
    context_tokens: int | None = None


def parse_overflow(message: str, body: bytes = b"") -> OverflowCounts:
    """What the words of a refusal tell, and the fields of its JSON where there are some (llama.cpp:
    n_prompt_tokens, n_ctx)."""
    fields = _fields(body)
    return OverflowCounts(
        fields.get("n_prompt_tokens") or _first(_COUNTED, message),
        fields.get("n_ctx") or _first(_HELD, message),
    )


def _first(patterns: tuple[re.Pattern[str], ...], message: str) -> int | None:
    found = next((match for pattern in patterns if (match := pattern.search(message))), None)
    return int(re.sub(r"\D", "", found.group(1))) if found else None


def _fields(body: bytes) -> dict[str, int]:
    """The whole numbers of an error object, wherever in it they stand."""
    try:
        value: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    numbers: dict[str, int] = {}
    for _ in range(4):
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = _parsed(value)
        if not isinstance(value, dict):
            break
        numbers |= {
            name: number for name, number in value.items() if isinstance(number, int) and number > 0
        }
        value = value.get("error")
    return numbers


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
