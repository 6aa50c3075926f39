"""Detects text that is useless for recall: base64, hex, dumps, minified code, logs and tables of
numbers (pure, linear)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

LEAST_CHARS = 200
"""Noise comes in blocks: a single key or hash in a note may be searched for."""
LEAST_LINES = 4
"""Of a log, a dump or a table of numbers; fewer are quoted for their words."""
DENSE_CHARS, DENSE_SPACES = 200, 0.08
"""A line of this length with fewer spaces is not prose: English has one in six characters, German
one in eight. (Not applied to scripts without spaces.)"""
BEGINNING_CHARS = 120
"""What is kept of a log, a dump or a table."""
HEAD_CHARS, TAIL_CHARS = 48_000, 16_000
"""What is read of a text: more chunks than are indexed of a run."""
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{1,40}-----\s*")
_TOKEN = re.compile(r"\S+")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{2,8}:?|[0-9a-fA-F]{16}:?")
_STAMP = re.compile(
    r"\W{0,12}(?:[A-Za-z@_]{1,12}\W{1,4})?"
    r"(?:\d{4}[-/]\d\d[-/]\d\d[T ]|\d\d:\d\d:\d\d|\d\d?/[A-Za-z]{3}/\d{4}|[A-Z][a-z]{2}"
    r" {1,2}\d{1,2} \d\d:\d\d"
    r"|\d{1,3}(?:\.\d{1,3}){3}\b|\d{10,13}\b|\d+\.\d{3,6}\])"
    r"|\W{0,2}(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL)\b"
)
_LEVEL = re.compile(
    r"\b(?:trace|debug|info|notice|warn|warning|error|fatal|critical)\b|\b(?:GET|POST|PUT|DELETE|HEAD)"
    r" /|\[\d+\]:",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9a-fA-F]*\d[0-9a-fA-F]*")
_WORD = re.compile(r"[^\W\d_]{2,}")
_FEW_WORDS = 4


def strip_noise(text: str) -> str:
    """The text without noise; logs, dumps and tables keep their beginning. Reads the head and the
    tail of a long text."""
    return "\n".join(_kept(head_and_tail(text)))


def is_noise(text: str) -> bool:
    """Whether a text is noise and hardly anything else."""
    blocks = list(_blocks(head_and_tail(text)))
    words = (
        word
        for kind, lines in blocks
        if not kind
        for line in lines
        for word in _WORD.finditer(line)
    )
    return (
        any(kind for kind, _ in blocks)
        and sum(1 for _, _ in zip(words, range(_FEW_WORDS), strict=False)) < _FEW_WORDS
    )


def head_and_tail(text: str) -> str:
    """The head and the tail of a long text."""
    return (
        text
        if len(text) <= HEAD_CHARS + TAIL_CHARS
        else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    )


def _kept(text: str) -> Iterator[str]:
    for kind, lines in _blocks(text):
        if not kind:
            yield from lines
        elif kind == "lines":
            yield f"{lines[0][:BEGINNING_CHARS]} …"


def _blocks(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Consecutive lines with their kind of noise: blob, lines, or none."""
    judged = [(_kind(line), line) for line in text.split("\n")]
    for kind, group in groupby(judged, key=lambda each: each[0]):
        lines = [line for _, line in group]
        yield (_as_noise(kind, lines), lines)


def _as_noise(kind: str, lines: Sequence[str]) -> str:
    """The kind of noise of a block of similar lines."""
    if not kind or sum(map(len, lines)) < LEAST_CHARS:
        return ""
    if kind == "blob":
        return "blob"
    return "lines" if len(lines) >= LEAST_LINES and (kind == "numbers" or _is_log(lines)) else ""


def _kind(line: str) -> str:
    """The kind of a line: blob, numbers, stamped, or none."""
    size = len(line) - line.count(" ")
    if sum(map(len, _blobs(line))) >= 0.6 * size > 0 or _ARMOUR.fullmatch(line[:60]):
        return "blob"
    if (
        len(line) >= DENSE_CHARS
        and line.isascii()
        and line.count(" ") + line.count("\t") < DENSE_SPACES * len(line)
    ):
        return "blob"
    if _is_numbers(line):
        return "numbers"
    return "stamped" if _STAMP.match(line) else ""


def _blobs(line: str) -> list[str]:
    """Runs of base64 or hex characters that include digits."""
    return [run for run in _BLOB.findall(line) if any(map(str.isdigit, run)) and not run.isdigit()]


def _is_numbers(line: str) -> bool:
    """Whether a line is part of a dump or a table: most of it is numbers."""
    tokens = _TOKEN.findall(line[:1_000].replace(",", " ").replace(";", " ").replace("|", " "))
    return len(tokens) >= 4 and sum(
        bool(_HEX.fullmatch(token)) or token[-1].isdigit() for token in tokens
    ) >= 0.7 * len(tokens)


def _is_log(lines: Sequence[str]) -> bool:
    """Lines with timestamps are a log if they repeat or have levels; conversations do neither."""
    shapes = {_NUMBER.sub("0", line[:200]) for line in lines}
    levels = sum(bool(_LEVEL.search(line[:200])) for line in lines)
    return len(shapes) <= len(lines) / 2 or levels >= len(lines) / 2
