"""Finds vendor keys by their form: a literal prefix, or the vendor's name before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from orch.text.redact.lazy_pattern import lazy_bytes_pattern, lazy_pattern
from orch.text.redact.text_view import Span, TextView
from orch.text.redact.vendor_keys import KEY_FORMS, NAMED_KEYS

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
"""The beginning of a word, also after an escape in JSON text or in a URL."""
_RUNS = lazy_bytes_pattern(rb"a{14,}")
_VALUE = lazy_pattern(r"[=:>,|](?=\s{0,3}\\{0,8}[\"'`]{0,2} ?([\w=%/:.+-]{14,200})(?![\w=-]))")
_JWT_PARTS = (".ey", "eyJ", "ZXlK")
_DATA = lazy_pattern(r"[A-Za-z0-9+/=]+")
DATA_CHARS, DATA_END_CHARS = 4_096, 1_024
LONGEST_WORD = 26
_BEFORE_CHARS = 70
"""How far before a key the vendor's name may stand."""


def find_vendor_keys(view: TextView) -> Iterator[Span]:
    """The vendor keys in a text."""
    runs = " ".join(
        _without_data(view.text[match.start() : match.end()])
        for match in _RUNS.finditer(view.token_mask)
    )
    if not runs:
        return
    for number, (mark, _, literal, _, _) in enumerate(KEY_FORMS):
        if literal in runs and (mark != "jwt" or any(part in runs for part in _JWT_PARTS)):
            for match in _rule(number).finditer(view.text):
                # the first part of a JWT matches greedily, even if it is not one: its alphabet
                # contains the beginning of the next
                if (
                    "." in match.group() or literal == "ZXlK"
                    if mark == "jwt"
                    else looks_like_key_material(match.group()[len(literal) :])
                ):
                    yield match.start(), match.end(), mark
    yield from _find_named_keys(view)


def _without_data(run: str) -> str:
    """The ends of a long base64 run, such as an image: no key begins inside."""
    return (
        run[:DATA_END_CHARS] + " " + run[-DATA_END_CHARS:]
        if len(run) > DATA_CHARS and _DATA.fullmatch(run)
        else run
    )


@cache
def _rule(number: int) -> re.Pattern[str]:
    """Compiled on first use: most texts hold no vendor literal, and all patterns take 60 ms."""
    _, before, literal, after, _ = KEY_FORMS[number]
    return re.compile(_START + before + re.escape(literal) + after, re.ASCII)


def looks_like_key_material(body: str) -> bool:
    """Whether a text looks random, as keys do, rather than like hyphenated words."""
    if body.isupper() or sum(map(str.isdigit, body[:400])) >= 6:
        return True
    mixed = 0
    for part in re.split(r"[-_]", body[:400]):
        digits = sum(char.isdigit() for char in part)
        if (digits > 0 and len(part) >= 8) or _switches(part) >= 2 or len(part) >= LONGEST_WORD:
            return True
        mixed += 0 < digits < len(part)
    return mixed >= 2


def _switches(part: str) -> int:
    """How often a capital follows a lower-case letter."""
    return sum(one.islower() and two.isupper() for one, two in pairwise(part))


def _find_named_keys(view: TextView) -> Iterator[Span]:
    names = [(row[0].encode(), row) for row in NAMED_KEYS if row[0].encode() in view.lowered]
    if not names:
        return
    for match in _VALUE.finditer(view.text):
        line = view.lowered[max(0, match.start() - _BEFORE_CHARS) : match.start()].rpartition(
            b"\n"
        )[2]
        value = match.group(1)
        for name, (_, alphabet, least, most) in names:
            if (
                name in line
                and least <= len(value) <= most
                and re.fullmatch(f"{alphabet}+", value)
                and looks_like_key_material(value)
            ):
                yield match.start(1), match.end(1), "vendor_key"
                break
