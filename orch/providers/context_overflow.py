"""Recognizes a context overflow error by its words, and extracts its token counts: those of the
prompt and of the context (pure)."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_NUMBER = r"(\d[\d,.']{0,20}\d|\d)"
_PROMPT_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"request \({_NUMBER} tokens\)",  # llama.cpp, Ollama
        rf"\({_NUMBER} (?:in|of) (?:the messages|your prompt|text input)",
        # (vLLM, OpenAI, OpenRouter: without the tokens they add for the answer)
        rf"{_NUMBER} tokens from the input messages",  # SGLang
        rf"passed {_NUMBER} input tokens",  # vLLM
        rf"prompt \((?:total )?length {_NUMBER}\)",  # vLLM
        rf"input token count \({_NUMBER}\)",  # Google
        rf"{_NUMBER} tokens > \d",  # Anthropic
        rf"input \({_NUMBER} tokens\)",  # SGLang
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
        rf"context length (?:of|is) only {_NUMBER} tokens",
        rf"maximum (?:context|model) length of {_NUMBER}",  # SGLang, vLLM
        rf"context length \({_NUMBER} tokens\)",  # SGLang
        rf"\(context length {_NUMBER}\)",  # vLLM
        rf"{_NUMBER} maximum context length",  # Mistral
        rf"tokens allowed \({_NUMBER}\)",  # Google
        rf"tokens > {_NUMBER} maximum",  # Anthropic
        rf"must be <= {_NUMBER}",
        rf"context window: {_NUMBER}",
    )
)

_OVERFLOW = tuple(
    re.compile(pattern)
    for pattern in (
        # llama.cpp, Ollama, OpenAI, llama-cpp-python, Anthropic: … exceeds the context …
        r"exceed[^.]{0,60}\bcontext|\bcontext[^.]{0,60}exceed",
        r"maximum (context|prompt|model) length",  # OpenAI, vLLM, Mistral; xAI
        r"(longer|greater|larger|more) than[^.]{0,40}(context|max_seq_len|model length)",  # SGLang
        r"max_seq_len",  # ExLlama, TabbyAPI
        r"context the overflows|context overflow|context length (of|is) only|reached context len",
        # (LM Studio, sic)
        r"context window: ?\d|fit into the (model|context)",  # MLX; vLLM
        r"inputs`? tokens[^.]{0,40}must be|inputs`? must have (less|fewer)",  # TGI
        r"reduce (the length of )?(the |your )?(input |prompt)?(messages|prompt)\b",  # Groq, vLLM
        # Anthropic, Bedrock, MLX: the prompt is too long, not a string or an image in it
        r"\b(prompts?|inputs?|input length|conversation|messages)\b[^.:\[]{0,40}\btoo (long|large)",
        r"too many (input |prompt )?tokens(?! per)",  # Cohere
        r"token count[^.]{0,40}exceed|input tokens exceed|model token limit",  # Google; Kimi
        r"max_tokens must be at least 1, got -\d",  # vLLM: the prompt alone is too long
    )
)
_OTHER_LIMITS = re.compile(
    r"budget|deadline|per (minute|min|day|hour)|rate limit|quota"
    r"|\b(image|audio|file|video|string|url)\b[^.]{0,40}(too (long|large)|exceed)"
)
"""Words of errors about something else that is exceeded. Go's "context deadline exceeded" is a
timeout."""


class OverflowCounts(NamedTuple):
    """Tokens of the prompt and of the context; None if the server does not report them."""

    prompt_tokens: int | None = None
    context_tokens: int | None = None


def is_overflow(text: str) -> bool:
    """Whether a message in lower case says that the prompt does not fit the context."""
    if _OTHER_LIMITS.search(text):
        return False
    return any(pattern.search(text) for pattern in _OVERFLOW)


def parse_overflow(message: str, error: Any = b"") -> OverflowCounts:
    """Reads the counts from the JSON fields of an error, which is a body or an object of a stream
    (llama.cpp: n_prompt_tokens, n_ctx), else from its message."""
    fields = _integer_fields(error)
    return OverflowCounts(
        fields.get("n_prompt_tokens") or _first(_PROMPT_PATTERNS, message),
        fields.get("n_ctx") or _first(_CONTEXT_PATTERNS, message),
    )


def _first(patterns: tuple[re.Pattern[str], ...], message: str) -> int | None:
    matches = (match for pattern in patterns if (match := pattern.search(message)))
    first = next(matches, None)
    return int(re.sub(r"\D", "", first.group(1))) if first else None


def _integer_fields(value: Any) -> dict[str, int]:
    """The positive integers of an error object, at any depth."""
    if isinstance(value, bytes):
        value = _parse_json(value)
    numbers: dict[str, int] = {}
    for _ in range(4):
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = _parse_json(value)
        if not isinstance(value, dict):
            break
        numbers |= {
            name: number
            for name, number in value.items()
            if type(number) is int and number > 0  # not a boolean
        }
        value = value.get("error")
    return numbers


def _parse_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
