"""Limits on everything read from a provider: body, stream, line, answer, list and error sizes, so
that memory use stays flat.

The bounds are far above what servers send: OpenRouter lists 500 models in 1.5 MB, and the largest
context holds some 40 MB of text.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Protocol

from orch.errors import BackendError
from orch.text.lines import is_name, one_line
from orch.types import Delta

MOST_JSON_BYTES = 8_000_000
MOST_ERROR_BYTES = 1_000_000
MOST_STREAM_BYTES = 1_000_000_000
VECTOR_BYTES = 400_000
"""Of one embedding, beside MOST_JSON_BYTES: 16,000 numbers of 25 characters."""
MOST_MODELS = 5_000
MOST_ANSWER_CHARS = 40_000_000
PIECE_CHARS = 8
"""What a piece counts as beside its characters: Python keeps each as an object."""
CALL_CHARS = 1_000
"""What a tool call, or what is told beside a token, counts as."""
MOST_SAID_CHARS = 500
"""Of a message of an error."""
MOST_WORD_CHARS = 200
"""Of a word of a GGUF's metadata."""
MOST_WORDS = 100
"""Of a list of them."""


class _Body(Protocol):
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


async def beginning(reply: _Body, most: int) -> tuple[bytes, bool]:
    """So many bytes of a body, and whether they are all of it."""
    pieces, size = [], 0
    async for piece in reply.aiter_bytes():
        pieces.append(piece[: most - size])
        size += len(piece)
        if size > most:
            return b"".join(pieces), False
    return b"".join(pieces), True


async def whole(reply: _Body, most: int, what: str) -> bytes:
    """A body of at most so many bytes. Raises BackendError."""
    data, is_whole = await beginning(reply, most)
    if not is_whole:
        raise too_much(f"{what} of over {_size(most)}")
    return data


async def counted(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same pieces. Raises BackendError where a stream is longer than any answer."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST_STREAM_BYTES:
            raise too_much(f"a stream of over {_size(MOST_STREAM_BYTES)} for one answer")
        yield chunk


class AnswerSize:
    """Adds up an answer: text, thoughts and tool calls."""

    def __init__(self) -> None:
        self._chars = 0

    def add(self, delta: Delta) -> None:
        """Counts a piece. Raises BackendError where the answer is longer than any context."""
        self.add_chars(
            PIECE_CHARS
            + len(delta.content)
            + len(delta.thinking)
            + CALL_CHARS * (len(delta.logprobs) + len(delta.tool_calls))
        )

    def add_chars(self, count: int) -> None:
        """The same, for what is collected before it is told."""
        self._chars += count
        if self._chars > MOST_ANSWER_CHARS:
            raise too_much(
                f"an answer of over {MOST_ANSWER_CHARS:,} characters, longer than any context"
            )


def models_in(value: Any, *keys: str) -> list[dict[str, Any]]:
    """The entries of a list of models whose names, by whichever of `keys`, can be names.

    Raises TypeError for what is no list of objects, BackendError for too long a list.
    """
    entries = value or []
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise TypeError("no list of models")
    if len(entries) > MOST_MODELS:
        raise too_much(f"a list of over {MOST_MODELS:,} models")
    named = [(each, [each[key] for key in keys if each.get(key)]) for each in entries]
    return [each for each, names in named if names and all(map(is_name, names))]


def said(value: Any) -> str:
    """What an error says, on one line."""
    text = value if isinstance(value, str) else str(value)
    return one_line(text[: 4 * MOST_SAID_CHARS])[:MOST_SAID_CHARS]


def word(value: Any) -> str:
    """A word that a server tells of a model, which may be missing or of any type."""
    return one_line(value[:MOST_WORD_CHARS]) if isinstance(value, str) else ""


def words(value: Any) -> tuple[str, ...] | None:
    """A list of such words; None where there is no list."""
    return tuple(map(word, value[:MOST_WORDS])) if isinstance(value, list) else None


def too_much(what: str) -> BackendError:
    """The refusal of what passes a bound."""
    return BackendError("bad_response", f"the server sent {what}: it is not read on")


def _size(count: int) -> str:
    return f"{count / 1e9:g} GB" if count >= 1e9 else f"{count / 1e6:g} MB"
