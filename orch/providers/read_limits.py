"""Limits on everything read from a provider, so that memory use stays bounded: bodies, streams,
lines, answers, lists and error texts.

The limits are far above what servers send: OpenRouter lists 500 models in 1.5 MB, and the largest
context holds some 40 MB of text.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Protocol

from orch.errors import ProviderError
from orch.providers.chat import Delta
from orch.text.lines import is_valid_name, one_line

MAX_JSON_BYTES = 8_000_000
MAX_ERROR_BYTES = 1_000_000
MAX_STREAM_BYTES = 1_000_000_000
MAX_VECTOR_BYTES = 400_000
"""Of one embedding, in addition to MAX_JSON_BYTES: 16,000 numbers of 25 characters."""
MAX_MODELS = 5_000
MAX_ANSWER_CHARS = 40_000_000
DELTA_OVERHEAD_CHARS = 8
"""Counted for each delta in addition to its text, since Python keeps each as an object."""
TOOL_CALL_CHARS = 1_000
"""Counted for a tool call, and for one token's logprobs."""
MOST_COUNT = 1 << 50
"""Above, a size, a context or a number of parameters is an error of the server."""
MAX_MESSAGE_CHARS = 500
"""Of an error message."""
MAX_WORD_CHARS = 200
"""Of one word of a GGUF's metadata."""
MAX_WORDS = 100
"""Of a list of such words."""


class _Body(Protocol):
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


async def read_prefix(response: _Body, max_bytes: int) -> tuple[bytes, bool]:
    """Reads at most `max_bytes` of a body; also returns whether that is all of it."""
    chunks, size = [], 0
    async for chunk in response.aiter_bytes():
        chunks.append(chunk[: max_bytes - size])
        size += len(chunk)
        if size > max_bytes:
            return b"".join(chunks), False
    return b"".join(chunks), True


async def read_body(response: _Body, max_bytes: int, what: str) -> bytes:
    """Reads a whole body. Raises ProviderError if it is larger than `max_bytes`."""
    data, is_whole = await read_prefix(response, max_bytes)
    if not is_whole:
        raise limit_error(f"{what} of over {_format_size(max_bytes)}")
    return data


async def limit_stream(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yields the same chunks. Raises ProviderError after MAX_STREAM_BYTES."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_STREAM_BYTES:
            raise limit_error(f"a stream of over {_format_size(MAX_STREAM_BYTES)} for one answer")
        yield chunk


class AnswerSizeLimit:
    """Adds up the size of one answer: text, thinking and tool calls."""

    def __init__(self) -> None:
        self._chars = 0

    def add(self, delta: Delta) -> None:
        """Counts a delta. Raises ProviderError if the answer exceeds any context."""
        text = len(delta.content) + len(delta.thinking)
        objects = len(delta.logprobs) + len(delta.tool_calls)
        self.add_chars(DELTA_OVERHEAD_CHARS + text + TOOL_CALL_CHARS * objects)

    def add_chars(self, count: int) -> None:
        """Counts characters that are not part of a delta yet. Raises ProviderError."""
        self._chars += count
        if self._chars > MAX_ANSWER_CHARS:
            raise limit_error(
                f"an answer of over {MAX_ANSWER_CHARS:,} characters, longer than any context"
            )


def model_entries(value: Any, *keys: str) -> list[dict[str, Any]]:
    """Returns the entries of a list of models whose names, under any of `keys`, are valid; what is
    no object is left out.

    Raises TypeError unless `value` is a list in which something is an object, or an empty one;
    ProviderError if it is too long.
    """
    if not isinstance(value or [], list):
        raise TypeError("not a list of models")
    if len(value or []) > MAX_MODELS:
        raise limit_error(f"a list of over {MAX_MODELS:,} models")
    entries = [each for each in value or [] if isinstance(each, dict)]
    if value and not entries:
        raise TypeError("not a list of models")
    named = [(each, [each[key] for key in keys if each.get(key)]) for each in entries]
    return [each for each, names in named if names and all(map(is_valid_name, names))]


def error_line(value: Any) -> str:
    """The text of an error on one line, cut to MAX_MESSAGE_CHARS."""
    text = value if isinstance(value, str) else str(value)
    return one_line(text[: 4 * MAX_MESSAGE_CHARS])[:MAX_MESSAGE_CHARS]


def metadata_word(value: Any) -> str:
    """A word of a model's metadata on one line; empty if it is missing or not a string."""
    return one_line(value[:MAX_WORD_CHARS]) if isinstance(value, str) else ""


def metadata_words(value: Any) -> tuple[str, ...] | None:
    """A list of such words; None if it is not a list."""
    return tuple(map(metadata_word, value[:MAX_WORDS])) if isinstance(value, list) else None


def positive_int(value: Any) -> int | None:
    """A whole number from 1 to MOST_COUNT; None for anything else."""
    is_count = isinstance(value, int) and value is not True and 0 < value <= MOST_COUNT
    return value if is_count else None


def limit_error(what: str) -> ProviderError:
    """The error for a response that exceeds a limit."""
    return ProviderError("bad_response", f"the server sent {what}: the rest is not read")


def _format_size(count: int) -> str:
    return f"{count / 1e9:g} GB" if count >= 1e9 else f"{count / 1e6:g} MB"
