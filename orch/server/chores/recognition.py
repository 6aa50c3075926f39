"""Recognises a chore by the messages of a request and a list of rules (pure).

Reads only the beginnings and the ends of a few messages, and compares them with fixed words: the
work does not grow with the conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from orch.types import Message

HEAD_CHARS, TAIL_CHARS = 2_000, 1_000
"""Of a text, what is read of its beginning and of its end."""
SYSTEM_MESSAGES, MAX_PARTS = 4, 8
"""Messages at the beginning among which are those of the system; texts that are read of one message
at its beginning, and as many at its end."""
_SYSTEM = ("system", "developer")


class Chore(NamedTuple):
    """What a client asks for by itself. See the head of chore_rules.yaml."""

    name: str
    joins_session: bool = False
    """Whether its prompt is that of its client's session and one message more."""
    in_turn: bool = False
    """Whether the client goes on only when it has the answer."""


class Words(NamedTuple):
    """The words that tell a text: it begins with one of `starts`, has all of `has`, ends with one
    of `ends`; an empty condition matches every text."""

    starts: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


class Rule(NamedTuple):
    """One rule of chore_rules.yaml. `system` and `user` are None where the rule does not look
    there."""

    client: str
    chore: Chore
    system: Words | None
    user: Words | None
    alone: bool
    tools: bool
    max_tokens: int | None
    source: str


class Rules:
    """The rules of one file, in its order, and the words by which nearly every request is told to
    be none of them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        system = [rule.system for rule in rules if rule.system]
        user = [rule.user for rule in rules if rule.user and not rule.system]
        self._system_starts = tuple(start for words in system for start in words.starts)
        self._system_has = tuple(words.has[0] for words in system if not words.starts)
        self._user_starts = tuple(start for words in user for start in words.starts)

    def recognise(
        self, messages: Sequence[Message], has_tools: bool, max_tokens: int | None
    ) -> Chore | None:
        """The chore that these messages ask for; None for a person's question."""
        system = [each for each in messages[:SYSTEM_MESSAGES] if each.get("role") in _SYSTEM]
        last = messages[-1] if messages else {}
        if last.get("role") in _SYSTEM:  # some clients put their instruction behind everything
            system.append(last)
            last = messages[-2] if len(messages) > 1 else {}
        # behind a step of its own, or a begun answer, the words of the system count
        user = last if last.get("role") == "user" else {}
        if not (self._may_be_of_user(user) or any(map(self._may_be_of_system, system))):
            return None
        excerpts = _excerpt(system), _excerpt([user])
        for rule in self.rules:
            if _allows(rule, messages, has_tools, max_tokens or 0) and _matches(rule, *excerpts):
                return rule.chore
        return None

    def _may_be_of_user(self, message: Message) -> bool:
        content = message.get("content")
        if isinstance(content, str):
            return content[:HEAD_CHARS].lstrip().startswith(self._user_starts)
        return any(head.startswith(self._user_starts) for head in _excerpt([message]).heads)

    def _may_be_of_system(self, message: Message) -> bool:
        content = message.get("content")
        heads = [content[:HEAD_CHARS]] if isinstance(content, str) else _excerpt([message]).heads
        for head in heads:
            if head.lstrip().startswith(self._system_starts):
                return True
            if any(map(head.__contains__, self._system_has)):
                return True
        return False


class Excerpt(NamedTuple):
    """What is read of some messages: the beginnings and the ends of their texts."""

    heads: tuple[str, ...]
    tails: tuple[str, ...]


def _excerpt(messages: Iterable[Message]) -> Excerpt:
    texts = [text for message in messages for text in _texts(message.get("content"))]
    return Excerpt(
        tuple(text[:HEAD_CHARS].lstrip() for text in texts),
        tuple(text[-TAIL_CHARS:].rstrip() for text in texts),
    )


def _texts(content: Any) -> list[str]:
    """The texts of a message's content, which is one or a list of parts."""
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    parts = (*content[:MAX_PARTS], *content[MAX_PARTS:][-MAX_PARTS:])
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return [text for text in texts if isinstance(text, str)]


def _allows(rule: Rule, messages: Sequence[Message], has_tools: bool, max_tokens: int) -> bool:
    """Whether the rule is one for a request of this form."""
    if has_tools and not rule.tools:
        return False
    if rule.max_tokens is not None and not 0 < max_tokens <= rule.max_tokens:
        return False
    return not rule.alone or all(each.get("role") != "assistant" for each in messages)


def _matches(rule: Rule, system: Excerpt, user: Excerpt) -> bool:
    """Whether all of the rule's words are there."""
    return all(
        words is None or _has(words, excerpt)
        for words, excerpt in ((rule.system, system), (rule.user, user))
    )


def _has(words: Words, excerpt: Excerpt) -> bool:
    if words.starts and not any(head.startswith(words.starts) for head in excerpt.heads):
        return False
    if words.ends and not any(tail.endswith(words.ends) for tail in excerpt.tails):
        return False
    texts = (*excerpt.heads, *excerpt.tails)
    return all(any(word in text for text in texts) for word in words.has)
