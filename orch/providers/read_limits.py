"""Limits on everything read from a provider: body, stream, line, answer, list and error sizes, so
that memory use stays flat.

The bounds are far above what servers send: OpenRouter lists 500 models in 1.5 MB, and the largest
context holds some 40 MB of text.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Protocol

from orch.errors import ProviderError
from orch.text.lines import is_valid_name, one_line
from orch.types import Delta

MAX_JSON_BYTES = 8_000_000
MAX_ERROR_BYTES = 1_000_000
MAX_STREAM_BYTES = 1_000_000_000
MAX_VECTOR_BYTES = 400_000
"""Of one embedding, beside MOST_JSON_BYTES: 16,000 numbers of 25 characters."""
MAX_MODELS = 5_000
MAX_ANSWER_CHARS = 40_000_000
DELTA_OVERHEAD_CHARS = 8
"""What a piece counts as beside its characters: Python keeps each as an object."""
TOOL_CALL_CHARS = 1_000
"""What a tool call, or what is told beside a token, counts as."""
MAX_MESSAGE_CHARS = 500
"""Of a message of an error."""
MAX_WORD_CHARS = 200
"""Of a word of a GGUF's metadata."""
MAX_WORDS = 100
"""Of a list of them."""


class _Body(Protocol):
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


async def read_prefix(reply: _Body, most: int) -> tuple[bytes, bool]:
    """So many bytes of a body, and whether they are all of it."""
    pieces, size = [], 0
    async for piece in reply.aiter_bytes():
        pieces.append(piece[: most - size])
        size += len(piece)
        if size > most:
            return b"".join(pieces), False
    return b"".join(pieces), True


async def read_body(reply: _Body, most: int, what: str) -> bytes:
    """A body of at most so many bytes. Raises BackendError."""
    data, is_whole = await read_prefix(reply, most)
    if not is_whole:
        raise limit_error(f"{what} of over {_size(most)}")
    return data


async def limit_stream(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same pieces. Raises BackendError where a stream is longer than any answer."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_STREAM_BYTES:
            raise limit_error(f"a stream of over {_size(MAX_STREAM_BYTES)} for one answer")
        yield chunk


class AnswerSizeLimit:
    """Adds up an answer: text, thoughts and tool calls."""

    def __init__(self) -> None:
        self._chars = 0

    def add(self, delta: Delta) -> None:
        """Counts a piece. Raises BackendError where the answer is longer than any context."""
        self.add_chars(
            DELTA_OVERHEAD_CHARS
            + len(delta.content)
            + len(delta.thinking)
            + TOOL_CALL_CHARS * (len(delta.logprobs) + len(delta.tool_calls))
        )

    def add_chars(self, count: int) -> None:
        """The same, for what is collected before it is told."""
        self._chars += count
        if self._chars > MAX_ANSWER_CHARS:
            raise limit_error(
                f"an answer of over {MAX_ANSWER_CHARS:,} characters, longer than any context"
            )


def model_entries(value: Any, *keys: str) -> list[dict[str, Any]]:
    """The entries of a list of models whose names, by whichever of `keys`, can be names.

    Raises TypeError for what is no list of objects, BackendError for too long a list.
    """
    entries = value or []
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise TypeError("no list of models")
    if len(entries) > MAX_MODELS:
        raise limit_error(f"a list of over {MAX_MODELS:,} models")
    named = [(each, [each[key] for key in keys if each.get(key)]) for each in entries]
    return [each for each, names in named if names and all(map(is_valid_name, names))]


def error_line(value: Any) -> str:
    """What an error says, on one line."""
    text = value if isinstance(value, str) else str(value)
    return one_line(text[: 4 * MAX_MESSAGE_CHARS])[:MAX_MESSAGE_CHARS]


def metadata_word(value: Any) -> str:
    """A word that a server tells of a model, which may be missing or of any type."""
    return one_line(value[:MAX_WORD_CHARS]) if isinstance(value, str) else ""


def metadata_words(value: Any) -> tuple[str, ...] | None:
    """A list of such words; None where there is no list."""
    return tuple(map(metadata_word, value[:MAX_WORDS])) if isinstance(value, list) else None


def limit_error(what: str) -> ProviderError:
    """The refusal of what passes a bound."""
    return ProviderError("bad_response", f"the server sent {what}: it is not read on")


def _size(count: int) -> str:
    return f"{count / 1e9:g} GB" if count >= 1e9 else f"{count / 1e6:g} MB"
