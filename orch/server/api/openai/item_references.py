"""Input items that a client names by their ids alone: those of stored answers, read from the
journal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from orch.server.api.field_path import field_error
from orch.server.api.handler import client_name, service_of
from orch.server.api.openai.responses_output import stored_items
from orch.server.api.openai.stored_conversation import (
    MAX_STORED_CHARS,
    MAX_STORED_MESSAGES,
    REDACTED_WARNING,
)
from orch.server.api.openai.stored_responses import is_kept
from orch.storage.history import Row
from orch.storage.responses import find_answers

Item = dict[str, Any]
_ID = re.compile(r"(msg|fc|rs)_([0-9a-f]{1,64})_[0-9]{1,9}")
"""The ids that `responses_output` gives: of a message, a call or a reasoning, and of its run."""


async def resolve_references(
    request: Request, given: str | list[Item]
) -> tuple[str | list[Item], tuple[str, ...]]:
    """The input with the items that it refers to, and warnings about what they lack.

    Vercel's AI SDK sends every earlier answer as a reference. One that is unknown stays as it is.
    Raises OrchError (`bad_input`) for more than a conversation may have.
    """
    references = [] if isinstance(given, str) else [match for each in given if (match := _of(each))]
    if isinstance(given, str) or not references:
        return given, ()
    _check_limit("items", len(references), MAX_STORED_MESSAGES)
    runs, client = {match[2] for match in references if match[1] != "rs"}, client_name(request)
    rows = list[Row]()
    if runs and is_kept(request):
        rows = await service_of(request).read_history(
            lambda history: find_answers(history.database, runs, client)
        )
    known = {item["id"]: item for row in rows for item in _items(row)}
    _check_limit("characters", _chars(references, known), MAX_STORED_CHARS)
    warnings = (REDACTED_WARNING,) if any(row["redacted"] for row in rows) else ()
    return [_resolved(each, known) for each in given], warnings


def _check_limit(what: str, found: int, limit: int) -> None:
    if found > limit:
        message = f"refers to {found:,} {what}, more than {limit:,}: send a shorter one"
        raise field_error("input", message)


def _chars(references: Sequence[re.Match[str]], known: Mapping[str, Item]) -> int:
    """The characters of all items: one may be referred to many times."""
    sizes = {name: len(str(item)) for name, item in known.items()}
    return sum(sizes.get(match[0], 0) for match in references)


def _of(item: Item) -> re.Match[str] | None:
    is_reference = item.get("type") == "item_reference"
    return _ID.fullmatch(str(item.get("id"))) if is_reference else None


def _resolved(item: Item, known: Mapping[str, Item]) -> Item:
    match = _of(item)
    if match is None:
        return item
    # a model's earlier reasoning is not sent to it
    return {"type": "reasoning"} if match[1] == "rs" else known.get(match[0], item)


def _items(row: Row) -> list[Item]:
    return stored_items(row["run_id"], row["answer"] or "", row["response"], is_cut=False)
