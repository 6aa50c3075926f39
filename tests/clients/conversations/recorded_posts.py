"""The shape of a client's conversations: what tells one from another is kept, every text of its
author's is written anew (pure).

Kept are the texts that the tests put to the client and its model, and the few words by which orch
tells a client's own texts. Every other text becomes its length and a number, the same for the same
text; an id becomes another one of the same form.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import string
from collections.abc import Iterator, Sequence
from typing import Any

from orch.server.conversations.client_ids import CLIENT_HEADERS
from orch.text.question import CLIENT_TAGS, CLIENT_TEXTS
from tests.clients.scene import ANSWER, Post

OPENINGS = (
    ("What is a mutex?", "Write the file made.txt.", "Why is that so?"),
    ("How does a hash table grow?", "Write the file made.txt.", "Why is that so?"),
    ("What is a mutex?", "Name three sorts of lock."),
)
"""The questions of three conversations: the last begins as the first does."""
QUESTIONS = tuple(dict.fromkeys(itertools.chain.from_iterable(OPENINGS)))
CHATS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat")
_ANSWER = re.compile(re.escape("".join(ANSWER)) + r" \((\d+)\)")
_CALL_ID = re.compile(r"\b(?:call|toolu)_([0-9a-f]{18}_\d+)\b")
_KEPT = re.compile(
    "("
    + "|".join(
        [
            *map(re.escape, QUESTIONS),
            _ANSWER.pattern.replace("(\\d+)", r"\d+"),
            *(rf"</?{tag}>" for tag in CLIENT_TAGS),
            *(re.escape(each) for pair in CLIENT_TEXTS for each in pair if len(each) > 1),
        ]
    )
    + ")"
)
_ENDS = string.whitespace + '"'
_FACTS = frozenset("type role model id call_id tool_call_id tool_use_id name".split())
_LEFT_OUT = frozenset(("cache_control", "images", "annotations", "logprobs", "status"))
_BODY = ("model", "messages", "input", "system", "instructions", "max_tokens")

Json = dict[str, Any]


class Shaper:
    """Writes the posts of one client anew."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def conversation(self, posts: Sequence[Post]) -> list[Json]:
        """The posts of a conversation. Of an answer is told what the next post has more than this
        one: the number of its text, and the ids of its calls. A request beside the conversation,
        such as for a title, is told by its tools."""
        chats = [post for post in posts if post.path in CHATS]
        most = max((len(post.body.get("tools") or ()) for post in chats), default=0)
        shapes = [self._post(post, most) for post in chats]
        through = [
            (shape, str(post.body))
            for shape, post in zip(shapes, chats, strict=True)
            if not shape["beside"]
        ]
        for (shape, sent), (_, later) in itertools.pairwise(through):
            shape["answer"] = (_new(_ANSWER, sent, later) or [""])[-1]
            if calls := _new(_CALL_ID, sent, later):
                shape["calls"] = calls
        return shapes

    def _post(self, post: Post, most: int) -> Json:
        body = {name: self._shape(post.body[name], name) for name in _BODY if name in post.body}
        if key := post.body.get("prompt_cache_key"):
            body["prompt_cache_key"] = another_id(key)
        kept = {name.decode() for name in CLIENT_HEADERS}
        headers = {name: another_id(post.headers[name]) for name in kept & post.headers.keys()}
        beside = len(post.body.get("tools") or ()) < most
        return {"path": post.path, "headers": headers, "beside": beside, "body": body}

    def _shape(self, value: Any, key: str) -> Any:
        match value:
            case dict():
                return {
                    name: self._shape(each, name)
                    for name, each in value.items()
                    if name not in _LEFT_OUT
                }
            case list():
                return [self._shape(each, key) for each in value]
            case str() if key in _FACTS:
                return value
            case str() if key == "arguments":
                return "{}"
            case str():
                return self._text(value)
        return value

    def _text(self, text: str) -> Any:
        """A text as its parts: those that are kept, and a length and a number for the others."""
        if not text:
            return text
        parts: list[Any] = []
        for other, kept in itertools.zip_longest(*_halves(_KEPT.split(text)), fillvalue=""):
            parts += self._others(other)
            parts += [kept] if kept else []
        return {"parts": parts}

    def _others(self, text: str) -> list[Any]:
        """A text between those that are kept; blanks and quotes at its ends stay."""
        begin, end = len(text) - len(text.lstrip(_ENDS)), len(text.rstrip(_ENDS))
        core = [self._other(text[begin:end])] if begin < end else []
        around = (text[:begin], text[max(begin, end) :])
        return [each for each in (around[0], *core, around[1]) if each]

    def _other(self, text: str) -> Json:
        number = self._numbers.setdefault(text, len(self._numbers))
        return {"length": len(text), "number": number, "lines": "\n" in text.strip()}


def _new(pattern: re.Pattern[str], sent: str, later: str) -> list[str]:
    """What a later request has that this one had not, in order."""
    before = set(pattern.findall(sent))
    return [each for each in dict.fromkeys(pattern.findall(later)) if each not in before]


def _halves(parts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The parts of a split: those between, and those that were found."""
    return parts[::2], parts[1::2]


def another_id(text: str) -> str:
    """An id of the same form: letters and digits by the hash of the whole."""
    digits = itertools.cycle(hashlib.sha256(text.encode()).digest())
    return "".join(_another_character(each, next(digits)) for each in text)


def _another_character(character: str, number: int) -> str:
    for kind in (string.digits, "abcdef", string.ascii_lowercase, string.ascii_uppercase):
        if character in kind:
            return kind[number % len(kind)]
    return character


# ---------------------------------------------------------------- filled


def filled(shape: Any) -> Any:
    """A value of that shape: the same text for the same number."""
    match shape:
        case {"parts": list() as parts}:
            return "".join(map(_filled_part, parts))
        case dict():
            return {name: filled(each) for name, each in shape.items()}
        case list():
            return [filled(each) for each in shape]
    return shape


def _filled_part(part: str | Json) -> str:
    if isinstance(part, str):
        return part
    length, words = part["length"], f"{part['number']} lorem ipsum dolor sit amet "
    text = (words * (length // len(words) + 1))[:length]
    return f"{text[: length // 2]}\n{text[length // 2 + 1 :]}" if part["lines"] else text


def texts_of(shape: Any) -> Iterator[str]:
    """Every text that a shape keeps, names of fields and ids apart."""
    match shape:
        case {"parts": list() as parts}:
            yield from (part for part in parts if isinstance(part, str))
        case dict():
            for name, each in shape.items():
                if name not in _FACTS and name not in ("headers", "path", "prompt_cache_key"):
                    yield from texts_of(each)
        case list():
            for each in shape:
                yield from texts_of(each)
        case str():
            yield shape


def is_kept(text: str) -> bool:
    """Whether a text is one that a shape may keep."""
    return bool(_KEPT.fullmatch(text)) or text in ("", "{}") or not text.strip(_ENDS)
