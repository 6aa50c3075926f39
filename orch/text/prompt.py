"""The task, and the messages that a model receives for it: texts in fences of their own (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul, sub
from types import MappingProxyType
from typing import Any, NamedTuple

from orch.text.lines import one_line
from orch.text.question import question_of
from orch.text.raw_prompt import RawPrompt
from orch.types import Message, ModelKey, Need, TaskType

TOKENS_PER_MESSAGE, TOKENS_PER_IMAGE = 5, 800
_KINDS = {
    "a": ((97, 122),), "A": ((65, 90),), "0": ((48, 57),), " ": ((32, 32),), "n": ((9, 13),),
    ".": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "l": ((0xC3, 0xCD),), "c": ((0xD0, 0xD3),), "r": ((0xD8, 0xDB),), "i": ((0xE0, 0xE1),),
    "s": ((0xE2, 0xE2),), "k": ((0xE3, 0xE3),), "H": ((0xEA, 0xED),), "e": ((0xF0, 0xFF),),
}  # fmt: skip
"""Kinds of characters by their first byte in UTF-8: Latin letters with accents, Cyrillic, Arabic,
scripts of India and its east, symbols, kana, Hangul, emoji.

The others are "?": Han, Greek, Hebrew, Armenian, fullwidth forms.
"""
_KIND_OF = bytes(
    next(
        (
            ord(kind)
            for kind, spans in _KINDS.items()
            if any(low <= byte <= high for low, high in spans)
        ),
        63,
    )
    for byte in range(256)
)
_CONTINUATION = bytes(range(0x80, 0xC0))
_TOKENS_OF_KIND = {
    b"a": 0.08, b"A": 0.28, b"0": 1.05, b".": 0.55, b"n": 0.6, b"l": 1.9, b"c": 0.45,
    b"r": 0.55, b"i": 1.3, b"s": 1.8, b"k": 0.6, b"H": 0.9, b"e": 3.0, b"?": 1.0,
    b" a": 0.75, b" A": 0.75, b"na": 0.75, b"nA": 0.75, b".a": 0.75, b".A": 0.75,
    b"aA": 1.5, b"a0": 0.45, b"A0": 0.45, b"0a": 0.45, b"0A": 0.45, b"0.": 0.4, b" 0": 0.7,
    b"n ": 1.6, b"  ": 0.016,
}  # fmt: skip
"""Tokens of a character, and what a pair adds: the beginning of a word, camelCase and base64, hex,
the point or blank of a number, an indent.

Fitted by hand to the counts of eight vocabularies (Llama 3, Qwen 2, Mistral's Tekken and v1,
DeepSeek V3, gpt-oss, Command R, SmolLM2) over 194 samples of 60 kinds (2026-11-29): prose and
dialogues, 33 languages, code, CSV, JSON, hex, base64, logs, emoji. The target is the third highest
of the eight; prose, code, numbers, JSON, CJK and Cyrillic meet it within 20 %. Most vocabularies
use a token for each digit; Llama 3 and gpt-oss use one for three. No token has more than a few
hundred blanks.
"""
_PARTS = (
    (b" a", b" A", b"na", b"nA", b".a", b".A"),  # beginnings of words
    (b"a", b"A", b"aA"),  # letters
    (b"0",),  # digits
    (b"a0", b"A0", b"0a", b"0A", b"0.", b" 0"),  # beginnings and ends of numbers
    (b".",),  # marks
    (b"n", b"n ", b"  "),  # line breaks and indents
    (b"l",),  # letters with accents
    (b"c", b"r", b"i", b"s", b"k", b"H", b"e", b"?"),  # other scripts and symbols
)
"""The kinds that vocabularies treat alike: what a model's server counted corrects each part of an
estimate."""
_COUNTED = tuple(kind for kinds in _PARTS for kind in kinds)
_WEIGHTS = tuple(_TOKENS_OF_KIND[kind] for kind in _COUNTED)
_NO_PARTS = (0.0,) * len(_PARTS)
_ENDS = tuple(accumulate(map(len, _PARTS)))
"""Behind which of _COUNTED each part ends."""
_TOKENS_OF_BYTES = {
    b"\xe1\xba": -0.6,
    b"\xe1\xbb": -0.6,
    b"\xe2\x80": -0.8,
    b"\xe2\x94": -1.4,
    b"\xe2\x95": -1.4,
}
"""Corrections within a first byte: Vietnamese, dashes and quotes, box drawing (whose lines take one
token for several)."""
LONG_TASK_CHARS = 20_000
"""A longer task is processed off the event loop, and first checked against the context of every
model."""
MOST_READ, _PIECES = 1_000_000, 20
"""Characters that are read, which takes about 40 ms: 10 MB would take ten times as long, only to be
refused."""


class Attachment(NamedTuple):
    """A text or an image (base64) beside the instruction. `name` is empty for piped text."""

    name: str
    text: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One request, in the form that every face passes on."""

    text: str
    system_prompt: str | None = None
    context: tuple[str, ...] = ()
    history: tuple[Message, ...] = ()
    messages: tuple[Message, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of a request that orch does not know: they are passed to the provider unchanged."""
    raw: RawPrompt | None = None
    """What the model continues in place of the messages, which are then for reading alone."""
    model: str | None = None
    requested_name: str | None = None
    """The name by which a client requested the model: its response repeats it."""
    task_type: TaskType | None = None
    profile: str = "balanced"
    dial: float | None = None
    session: str | None = None
    alternative_to: str | None = None
    """The run to which this asks for another answer; the conversation goes on without it."""
    stay_with: ModelKey | None = None
    """The model that answered this conversation before: kept unless another is clearly better."""
    affinity: str = ""
    """A key shared by the requests of one conversation, if it is not a session of orch."""
    turn: str = ""
    """Which conversation of its session it belongs to, where these have one id of the client."""
    client: str = ""
    unknown_client: bool = False
    stored_response: dict[str, Any] | None = None
    """What the journal keeps of the answer so that the client may refer to it by its id."""
    chore: str = ""
    """What a client asks for by itself, such as a title; empty for what a person asks."""
    chore_waits: bool = False
    chore_joins: bool = False
    """Of a chore: whether people go first; whether its prompt is that of its session and more."""
    batch: bool = False
    """Whether it may wait behind interactive tasks."""
    loaded: bool = False
    """Whether only loaded models may answer, if one can."""
    shows_candidates: bool = True
    """Whether the decision tells of every model, also where only the named one may answer."""
    allows_empty: bool = False
    """Whether an answer that the caller's own limit of tokens cut before its first word is
    returned as is, as model servers do, where no other model is left to be called."""
    warnings: tuple[str, ...] = ()
    """What was dropped from the request before it became a task."""
    fresh: bool = False
    fallback: bool | None = None
    timeout_s: float | None = None
    store_memory: bool | None = None
    retrieve_context: bool | None = None

    @property
    def may_fall_back(self) -> bool:
        """Whether other models may take over: by default for a model that orch chose."""
        return self.model is None if self.fallback is None else self.fallback

    @property
    def max_tokens(self) -> int | None:
        """The requested maximum of answer tokens."""
        for name in ("max_tokens", "max_completion_tokens", "num_predict"):
            value = self.options.get(name)
            if isinstance(value, int) and value > 0:
                return int(value)
        return None


class PreparedTask(NamedTuple):
    """A task and what is derived from it, once: such as what it requires of a model."""

    task: Task
    text: str
    messages: list[Message]
    need: Need
    counts: Mapping[ModelKey, int] = MappingProxyType({})
    """Tokens of the prompt as the servers of some models counted them before it was sent."""
    chain: Any = None
    """Its `PromptChain`, where it is known what servers hold of earlier prompts."""

    @property
    def own_messages(self) -> list[Message]:
        """The messages without the session's earlier turns."""
        start = 1 if self.task.system_prompt else 0
        return [*self.messages[:start], *self.messages[start + len(self.task.history) :]]


def prepare_task(task: Task) -> PreparedTask:
    """Derives everything that routing, the cache and the call of a model need of a task."""
    messages = build_messages(task)
    return PreparedTask(task, text_to_classify(task), messages, estimate_need(task, messages))


def text_size(task: Task) -> int:
    """Characters of the task's texts and images. Cheap: nothing is copied."""
    parts = [task.text, task.system_prompt or "", *task.context]
    for each in task.attachments:
        parts += (each.text, each.image)
    return sum(map(len, parts)) + sum(map(_size, (*task.history, *task.messages)))


def _size(value: Any) -> int:
    """Characters of every text in a JSON value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum([len(each) if type(each) is str else _size(each) for each in value.values()])
    return sum(map(_size, value)) if isinstance(value, (list, tuple)) else 0


def build_messages(task: Task) -> list[Message]:
    """System prompt, earlier turns, the caller's messages, then the instruction with its context
    and attachments."""
    messages: list[Message] = (
        [{"role": "system", "content": task.system_prompt}] if task.system_prompt else []
    )
    messages += (*task.history, *task.messages)
    text = "\n\n".join(
        part
        for part in (task.text, _context(task.context), *map(_fenced, task.attachments))
        if part
    )
    images = [attachment.image for attachment in task.attachments if attachment.image]
    if text or images:
        messages.append({"role": "user", "content": text, **({"images": images} if images else {})})
    return messages


def _context(context: Sequence[str]) -> str:
    """In a fence, too: context is data."""
    return fenced_block("Context", "\n".join(f"- {item}" for item in context)) if context else ""


def _fenced(attachment: Attachment) -> str:
    """In a fence, so that it can't be taken for the instruction."""
    if attachment.image:
        return ""
    return fenced_block(f"File {attachment.name}" if attachment.name else "Input", attachment.text)


def fenced_block(title: str, text: str) -> str:
    """A text under a title of one line, between two fences that it does not contain."""
    # searching a literal is ten times as fast as counting; matching one at a time lets other
    # threads run
    longest = max((len(run.group()) for run in re.finditer("```+", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{one_line(title)}:\n{fence}\n{text.rstrip(chr(10))}\n{fence}"


def text_to_classify(task: Task) -> str:
    """The instruction; for a conversation the person's last question."""
    if task.text.strip():
        return task.text
    if question := question_of(task.messages):
        return question
    turns = [message for message in task.messages if message.get("role") == "user"]
    texts = [message_text(turns[-1])] if turns else [each.text for each in task.attachments]
    return "\n".join(texts)


def message_text(message: Message) -> str:
    """A message's text, whether it is a string or OpenAI's list of parts."""
    content = message.get("content") or ""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content)


def estimate_need(task: Task, messages: Sequence[Message]) -> Need:
    """What a model must offer to take the task."""
    capabilities = {"completion"}
    if any(map(_images, messages)):
        capabilities.add("vision")
    if task.tools:
        capabilities.add("tools")
    if task.raw is not None and task.model is None:
        capabilities.add("insert")
    num_ctx = task.options.get("num_ctx")
    behind_gap = task.raw.suffix if task.raw else ""
    texts = [*_counted_texts(messages), str(task.tools) if task.tools else "", behind_gap]
    parts = [token_parts(text) if text else _NO_PARTS for text in texts]
    fixed = _fixed_tokens(messages)
    return Need(
        prompt_tokens=fixed + sum(math.ceil(sum(each)) for each in parts),
        max_tokens=task.max_tokens,
        capabilities=frozenset(capabilities),
        num_ctx=num_ctx if isinstance(num_ctx, int) and num_ctx > 0 else None,
        token_parts=(*map(sum, zip(*parts, strict=True)), fixed),
        begins=not any(message.get("role") in ("assistant", "tool") for message in messages),
    )


def _images(message: Message) -> int:
    content = message.get("content")
    parts = (
        [part for part in content if isinstance(part, dict) and part.get("type") == "image_url"]
        if isinstance(content, list)
        else []
    )
    return len(parts) + len(message.get("images") or ())


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Estimated tokens of a conversation."""
    return _fixed_tokens(messages) + sum(map(estimate_text_tokens, _counted_texts(messages)))


def _fixed_tokens(messages: Sequence[Message]) -> int:
    """Tokens of what is no text: the marks between messages, and images."""
    return TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_IMAGE * sum(map(_images, messages))


def _counted_texts(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield message_text(message)
        if calls := message.get("tool_calls"):
            yield str(calls)


def estimate_text_tokens(text: str) -> int:
    """Estimated tokens of a text, by the kinds of its characters; a very long text is sampled."""
    return math.ceil(sum(token_parts(text)))


def token_parts(text: str) -> tuple[float, ...]:
    """The estimate of a text by the parts in _PARTS."""
    if not text:
        return _NO_PARTS
    if len(text) <= MOST_READ:
        return _parts(text)
    step, size = len(text) // _PIECES, MOST_READ // _PIECES
    read = "".join(text[begin : begin + size] for begin in range(0, len(text), step))
    return tuple(part * len(text) / len(read) for part in _parts(read))


def _parts(text: str) -> tuple[float, ...]:
    data = text.encode("utf-8", "replace")
    count = (b" " + data.translate(_KIND_OF, _CONTINUATION)).count
    sums = (0.0, *accumulate(map(mul, _WEIGHTS, map(count, _COUNTED))))
    ends = [sums[end] for end in _ENDS]
    *parts, others = map(sub, ends, (0.0, *ends))
    if not text.isascii():
        others += sum(weight * data.count(some) for some, weight in _TOKENS_OF_BYTES.items())
    return (*parts, others)
