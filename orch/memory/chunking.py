"""Splits texts into chunks for the index: along headings, paragraphs and sentences, inside a word
only if unavoidable (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch.memory.noise import strip_noise

CHUNK_CHARS = 1_000
"""About 250 tokens: the embedder reads at most 512, and a chunk should have one topic."""
MAX_CHUNKS = 16
"""Per run; the rest of a very long answer is not indexed. Notes are split when they are added, and
have no limit."""
HEAD_ASKED, TAIL_ASKED = 600, 400
"""Of a query: each of its words is looked up, and embedding it takes half a second of a core at
1,000 characters."""
_BREAKS = (r"\n(?=#{1,6} )", r"\n\s*\n", r"\n", r"(?<=[.!?;:])\s+", r"\s+")
"""Headings, paragraphs, lines, sentences, words: the first that makes the chunks small enough is
used."""


def split_text(text: str, most_chars: int = CHUNK_CHARS) -> list[str]:
    """The text in chunks of at most `most_chars`, in order; small neighbours are joined. Empty for
    blank text."""
    return list(_joined(_cut(text.strip(), most_chars, 0), most_chars))


def _cut(text: str, most: int, level: int) -> Iterator[str]:
    if len(text) <= most:
        if text.strip():
            yield text.strip()
        return
    if level == len(_BREAKS):
        yield from (text[begin : begin + most] for begin in range(0, len(text), most))
        return
    for part in re.split(_BREAKS[level], text):
        yield from _cut(part, most, level + 1)


def _joined(parts: Iterator[str], most: int) -> Iterator[str]:
    """Joins neighbours while they fit; a heading starts a new chunk."""
    held = ""
    for part in parts:
        if held and (len(held) + len(part) + 2 > most or part.startswith("#")):
            yield held
            held = part
        else:
            held = f"{held}\n\n{part}" if held else part
    if held:
        yield held


def note_chunks(text: str) -> list[str]:
    """The chunks of a note, without noise."""
    return split_text(strip_noise(text))


def run_chunks(task: str, answer: str) -> list[str]:
    """The chunks of a run, without noise. The question precedes the beginning of its answer, since
    either may contain the words that are searched."""
    task, answer = strip_noise(task), strip_noise(answer)
    head = split_text(task)
    first = head[0] if head else ""
    joined = split_text(f"{first}\n\n{answer}" if len(first) < CHUNK_CHARS // 2 else first)
    rest = [] if len(first) < CHUNK_CHARS // 2 else split_text(answer)
    return [*joined, *head[1:], *rest][:MAX_CHUNKS]


def search_text(question: str) -> str:
    """The text to search for: of a long query the beginning and the end, where people say what they
    want."""
    text = strip_noise(question).strip()
    return (
        text
        if len(text) <= HEAD_ASKED + TAIL_ASKED
        else f"{text[:HEAD_ASKED]}\n{text[-TAIL_ASKED:]}"
    )
