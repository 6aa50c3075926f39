"""Tells a sentence about a marker from an answer or a thought behind it, by what follows the marker
(pure)."""

from __future__ import annotations

import re

LOOKAHEAD = 24
"""Characters behind a marker that show whether a sentence goes on."""
MAX_MENTION_CHARS = 80
"""Of a pair of markers that a sentence mentions, with what stands between them."""
NO_ANSWER = "\"'`)],.;:!?|»”’"
"""What no answer begins with directly after a marker; a text about markers goes on so."""
_NO_THOUGHT = "`)],;:|»”’…"
_SIGNS = "-–—=→:;|…("
_QUOTES = "\"'"


def goes_on(after: str, *, is_last: bool = False) -> bool | None:
    """Whether a sentence goes on behind a marker: with a punctuation mark, or with a blank and a
    word in lower case on the same line. None while too little has come; `is_last` says that no more
    will."""
    if not after:
        return False if is_last else None
    if after[0] in NO_ANSWER or after[0] == "…":
        return True
    head = after[:LOOKAHEAD]
    rest = head.lstrip(" \t")
    if len(rest) == len(head):
        return False
    if not rest:
        return False if is_last or len(head) == LOOKAHEAD else None
    return rest[0] in _SIGNS or (rest[0].isalpha() and not rest[0].isupper())


def goes_on_unquoted(after: str) -> bool:
    """The same for a text that is whole, whose answer may begin with a quotation mark."""
    return after[:1] not in _QUOTES and bool(goes_on(after, is_last=True))


def begins_thought(
    after: str, closes: tuple[str, ...], *, after_blank: bool, is_last: bool
) -> bool | None:
    """Whether an opening marker that follows a thought begins another one, by the text after it;
    None while too little has come. A sentence about the marker goes on behind it, or behind its
    closing one. `after_blank`: the first thought began with a blank, so that this one may."""
    head = after[:MAX_MENTION_CHARS]
    if not head:
        return True if is_last else None
    if head[0] in _NO_THOUGHT:
        return False
    if head[0] in " \t" and not after_blank:
        mentions = goes_on(head, is_last=is_last)
        if mentions is not False:
            return None if mentions is None else False
    line, line_end, _ = head.partition("\n")
    if match := re.search("|".join(map(re.escape, closes)), line, re.IGNORECASE):
        mentions = goes_on(after[match.end() :], is_last=is_last)
        return None if mentions is None else not mentions
    return True if line_end or is_last or len(head) == MAX_MENTION_CHARS else None
