"""Takes JSON out of the Markdown code fence that a model puts around it, also with words before and
after the fence."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from orch.errors import ProviderError
from orch.execution.checks.json_schema import AnswerSchema

MAX_BLOCKS = 8
"""Fenced blocks of one answer that are compared: each may be checked in a process of its own."""
_OPENING = re.compile(r"(`{3,}|~{3,})[ \t]*([^\s`{\[\"]*)")
_NAMES = re.compile(r"|.*json.*", re.IGNORECASE)
"""Languages of a fence that may hold JSON: none, json, jsonc, application/json."""
_WRAPPED = "the answer wraps its JSON in a code fence, and"
_DECODER = json.JSONDecoder()


class Block(NamedTuple):
    """A fenced block. `text`: its JSON as the model wrote it; empty where it is none."""

    text: str
    value: object = None


def fenced_blocks(text: str) -> list[Block]:
    """The fenced blocks that are JSON by their language, or have none. The last one may lack its
    end: some servers stop at it."""
    blocks: list[Block] = []
    opening = _OPENING.search(text)
    while opening and len(blocks) < MAX_BLOCKS:
        block, end = _read_block(text, opening)
        if block is not None:
            blocks.append(block)
        opening = _OPENING.search(text, end)
    return blocks


def _read_block(text: str, opening: re.Match[str]) -> tuple[Block | None, int]:
    """The block, if it may be JSON, and where the text after it begins. The decoder finds its end:
    a fence inside a string of the JSON is none."""
    fence = opening[1]
    start = opening.end()
    while start < len(text) and text[start].isspace():
        start += 1
    if _NAMES.fullmatch(opening[2]):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            pass
        else:
            rest = text[end:].lstrip()
            if not rest or rest.startswith(fence):
                return Block(text[start:end], value), len(text) - len(rest) + len(fence)
    # a fence in a later line of code, or of words, ends no block
    ends = re.compile(rf"[^\n]*?{re.escape(fence)}"), re.compile(rf"(?m:^)[ \t]*{re.escape(fence)}")
    closing = ends[0].match(text, opening.end()) or ends[1].search(text, opening.end())
    after = closing.end() if closing else len(text)
    return (Block("") if _NAMES.fullmatch(opening[2]) else None), after


async def choose_json(blocks: Sequence[Block], schema: AnswerSchema | None) -> str:
    """The JSON of the one block that meets the schema. Raises ProviderError (`invalid_json`,
    `schema_mismatch`) where none does, or where several do that differ."""
    readable = [block for block in blocks if block.text]
    if not readable:
        raise ProviderError("invalid_json", f"{_WRAPPED} what is in the fence is not valid JSON")
    violations = [await schema.violation(each.text) if schema else "" for each in readable]
    fitting = [each for each, bad in zip(readable, violations, strict=True) if not bad]
    if not fitting:
        raise ProviderError("schema_mismatch", f"{_WRAPPED} breaks the schema: {violations[0]}")
    if any(each.value != fitting[0].value for each in fitting):
        raise ProviderError(
            "invalid_json",
            f"{_WRAPPED} {len(fitting)} fences hold JSON that fits, but differ",
        )
    return fitting[0].text
