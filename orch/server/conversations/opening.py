"""What tells conversations without an id apart: hashes of their first questions, and marks of the
answers in them (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from orch.text.prompt import message_text
from orch.text.question import has_other_parts, own_text
from orch.types import Message

MAX_HASHED_CHARS = 20_000
"""Of each text: texts of equal length that agree so far are the same."""
MAX_HASHED_MESSAGES = 50
"""Of the user's, before the second turn of the assistant."""
MAX_MARKED = 6
"""Answers that are marked: the first two, and the last four; and calls of one answer."""
LEAST_STRONG_CHARS = 24
"""An answer with fewer characters, such as "Yes.", is given in many conversations."""
LEAST_STRONG_ID_CHARS = 8
_FIRST_ANSWERS = 2


class Mark(NamedTuple):
    """A hash of an answer and of the question before it. A strong one is not met by chance in
    another conversation."""

    value: int
    is_strong: bool


class Opening(NamedTuple):
    """What of a request identifies its conversation. `first` is a hash of the user's messages
    before the first turn of the assistant, `second` of those before the second turn, None where
    there is no later question. A turn is everything between two messages of the user: the steps of
    an agent belong to one. Instructions do not count, so that a client may change them."""

    first: int
    second: int | None
    size: int
    """The messages other than instructions."""
    marks: tuple[Mark, ...]

    @property
    def is_new(self) -> bool:
        """Whether nobody has answered yet."""
        return not self.marks


def opening_of(messages: Sequence[Message], scope: str) -> Opening:
    """The opening of a request's conversation. `scope` names the client: the hashes of two clients
    are never equal."""
    spoken = [each for each in messages if each.get("role") not in ("system", "developer")]
    if spoken and spoken[-1].get("role") == "assistant" and not spoken[-1].get("tool_calls"):
        spoken.pop()  # the beginning of the answer
    blocks = list(islice(_user_blocks(spoken), 2))
    hashes = [_hash(scope, *texts) for texts in _joined(blocks)] or [_hash(scope)]
    second = hashes[1] if len(hashes) > 1 else None
    return Opening(hashes[0], second, len(spoken), tuple(_marks(spoken, scope)))


def first_questions(messages: Sequence[Message]) -> str:
    """A hash of what the user says before the first turn of the assistant: it tells apart the
    conversations of an agent and its helpers, which have one session."""
    block = next(_user_blocks(messages), [])
    return f"{_hash(*block):x}"


def _joined(blocks: list[list[str]]) -> Iterator[list[str]]:
    texts: list[str] = []
    for block in blocks:
        texts = [*texts, *block]
        yield texts[:MAX_HASHED_MESSAGES]


def _user_blocks(messages: Sequence[Message]) -> Iterator[list[str]]:
    """What the user says between two turns of the assistant, without what clients add."""
    block: list[str] = []
    for message in messages:
        if message.get("role") != "user":
            if block:
                yield block
                block = []
        elif len(block) < MAX_HASHED_MESSAGES and (
            (text := own_text(message)) or has_other_parts(message)
        ):
            block.append(text)
    if block:
        yield block


def _marks(messages: Sequence[Message], scope: str) -> Iterator[Mark]:
    """The marks of the first and the last answers."""
    places = [place for place, message in enumerate(messages) if message.get("role") == "assistant"]
    if len(places) > MAX_MARKED:
        places = places[:_FIRST_ANSWERS] + places[_FIRST_ANSWERS - MAX_MARKED :]
    question = ""
    for place, message in enumerate(messages):
        if message.get("role") == "user":
            question = own_text(message) or question
        elif place in places:
            calls = (message.get("tool_calls") or [])[:MAX_MARKED]
            ids = [str(call.get("id") or "") for call in calls]
            yield from answer_marks(scope, question, message_text(message), ids)


def answer_marks(scope: str, question: str, text: str, call_ids: Sequence[str]) -> Iterator[Mark]:
    """The marks of an answer: of its text, and of the ids of its tool calls, each with the first
    line of the question. Blanks do not count: clients cut some off."""
    line = question.lstrip()[:MAX_HASHED_CHARS].partition("\n")[0].strip()
    if words := "".join(text[:MAX_HASHED_CHARS].split()):
        yield Mark(_hash(scope, line, words), len(words) >= LEAST_STRONG_CHARS)
    for name in call_ids:
        rest = name.partition("_")[2] or name  # call_… and toolu_… name the same call
        yield Mark(_hash(scope, line, "", rest), len(rest) >= LEAST_STRONG_ID_CHARS)
    if not (words or any(call_ids)):
        yield Mark(_hash(scope, line), False)


def _hash(*texts: str) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for text in texts:
        head = f"{len(text)}\0{text[:MAX_HASHED_CHARS]}\0"
        digest.update(head.encode("utf-8", "replace"))
    return int.from_bytes(digest.digest())
