"""A prompt as a chain of hashes, one for each message and all before it, by which prompts that
begin alike are found (pure)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from marshal import dumps
from typing import NamedTuple

from orch.text.prompt import PreparedTask, message_text
from orch.types import Message

_FORM = 2
"""The version of marshal whose bytes depend on the value alone: later ones mark what is shared."""
MAX_CHAIN = 20_000
"""Messages of the longest conversation that has a chain; each takes sixteen bytes."""


class PromptChain(NamedTuple):
    """A prompt up to each of its messages: the hash of tools and messages so far, and their size in
    bytes. The first link is that of the tools alone.

    The hashes are Python's own, which differ from process to process: nobody outside can make two
    prompts with the same ones.
    """

    hashes: array[int]
    sizes: array[int]

    @property
    def size(self) -> int:
        """Bytes of the whole prompt."""
        return self.sizes[-1]

    def without_last(self) -> PromptChain:
        """The chain up to the message before the last one."""
        return PromptChain(self.hashes[:-1], self.sizes[:-1])


def prompt_chain(prepared: PreparedTask) -> PromptChain | None:
    """The chain of a task's prompt; None for a raw prompt, and for what is no JSON. Those of
    different clients have nothing in common: none may learn what another one asks."""
    task = prepared.task
    if task.raw is not None or not 0 < len(prepared.messages) < MAX_CHAIN:
        return None
    try:
        tools = dumps(task.tools, _FORM)
        link, size = (
            hash((task.client, task.unknown_client, tools)),
            len(tools) if task.tools else 0,
        )
        hashes, sizes = array("q", [link]), array("q", [size])
        for message in prepared.messages:
            data = dumps(message, _FORM)
            link, size = hash((link, data)), size + len(data)
            hashes.append(link)
            sizes.append(size)
    except ValueError:  # too deep, or an object of a program's own
        return None
    return PromptChain(hashes, sizes)


def common_links(one: PromptChain, other: PromptChain) -> int:
    """How many links two chains share, by bisection: a link that is the same has the same ones
    before it."""
    ours, theirs = one.hashes, other.hashes
    low, high = 0, min(len(ours), len(theirs))
    if high and ours[high - 1] == theirs[high - 1]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if ours[middle - 1] == theirs[middle - 1]:
            low = middle
        else:
            high = middle - 1
    return low


def answer_hash(text: str, calls: int) -> int:
    """The hash of an answer as the next prompt may repeat it: its text without blanks at its ends,
    and the number of its tool calls. 0 for an empty one."""
    text = text.strip()
    return hash((text, calls)) if text or calls else 0


def repeated_answer(messages: Sequence[Message], place: int) -> int:
    """The hash of the answer that a prompt repeats as its message number `place`; 0 if that is no
    answer."""
    message = messages[place] if place < len(messages) else {}
    if message.get("role") != "assistant":
        return 0
    calls = message.get("tool_calls")
    return answer_hash(message_text(message), len(calls) if isinstance(calls, list) else 0)
