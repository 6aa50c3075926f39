"""Separates thinking from a whole answer whose opening marker stood in the prompt, so that the text
has the closing one alone: DeepSeek-R1, QwQ, Qwen 3 Thinking, GLM, Command A (pure).

Only for text that nobody has seen yet. A text that speaks of a marker is left as it is: where the
marker stands in code or quotes, in the middle of a sentence, or after its opening one.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from orch.providers.streams.harmony import split_without_head
from orch.providers.streams.prose import NO_ANSWER
from orch.providers.streams.thinking_markers import MARKERS

_OPENS_OF = {
    close: [open_.strip() for open_, others in MARKERS.items() if close in others]
    for closes in MARKERS.values()
    for close in closes
}
_CLOSE = re.compile("|".join(map(re.escape, _OPENS_OF)), re.IGNORECASE)
_SENTENCE_ENDS = ".!?…:;)\"'”。！？*"
_FENCE = "```"
_MOST_MARKERS = 20


class Separated(NamedTuple):
    """The parts of an answer."""

    content: str
    thinking: str
    tool_calls: list[dict[str, Any]]


def separate(text: str, *, has_calls: bool = False) -> Separated | None:
    """The parts of a whole answer; None where it is nothing but an answer. `has_calls`: the server
    sent tool calls beside it, so that it may be a thought alone."""
    if parts := split_without_head(text):
        return Separated(*parts)
    matches = list(zip(_CLOSE.finditer(text), range(_MOST_MARKERS), strict=False))
    if not matches or _is_json(text):
        return None
    for match, _ in matches:
        if _closes_thought(text, match, has_calls=has_calls):
            return Separated(text[match.end() :].lstrip(), text[: match.start()], [])
    return None


def _closes_thought(text: str, match: re.Match[str], *, has_calls: bool) -> bool:
    before, after = text[: match.start()], text[match.end() :]
    line, answer = before.rpartition("\n")[2], after.lstrip()
    if _is_opened(before, match[0]) or _is_code(before, line):
        return False
    if not answer:
        return has_calls or (bool(before.strip()) and not line.strip())
    if after[0] in NO_ANSWER:
        return False
    return not _is_in_sentence(line, after)


def _is_opened(before: str, close: str) -> bool:
    lower = before.lower()
    return any(open_.rstrip(">") in lower for open_ in _OPENS_OF[close.lower()])


def _is_code(before: str, line: str) -> bool:
    return before.count(_FENCE) % 2 == 1 or line.count("`") % 2 == 1


def _is_in_sentence(line: str, after: str) -> bool:
    """Whether words go on after a blank on the line of the marker: a sentence around it, or an item
    of a list that explains it."""
    if not line or line[-1] not in " \t" or after[0] not in " \t":
        return False
    words = line.strip()
    return bool(words) and (len(words) <= 3 or words[-1] not in _SENTENCE_ENDS)


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
