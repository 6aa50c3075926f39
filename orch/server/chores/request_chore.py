"""Finds out whether a request is a client's chore, and makes its task one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from orch.errors import OrchError
from orch.server.chores.recognition import Chore
from orch.server.chores.rule_list import shipped_rules
from orch.server.http.response_headers import CHORE
from orch.text.prompt import Task
from orch.types import Message

LIMITS = ("max_tokens", "max_completion_tokens", "num_predict")
"""The options that limit an answer."""
NO_CHORE = "none"
SUMMARY = "summary"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def chore_of(
    request: Request,
    messages: Sequence[Message],
    tools: Sequence[Any] | None,
    options: Mapping[str, Any],
) -> Chore | None:
    """The chore that a request asks for: as the header `x-orch-chore` says, else as its messages
    show. Raises OrchError (`bad_input`) for a header that is no name."""
    said = request.headers.get(CHORE)
    if said is not None:
        return _named(said.strip().lower())
    limits = (options.get(name) for name in LIMITS)
    limit = next((each for each in limits if isinstance(each, int)), None)
    return shipped_rules().recognise(messages, bool(tools), limit)


def _named(name: str) -> Chore | None:
    if name == NO_CHORE:
        return None
    if not _NAME.fullmatch(name):
        raise OrchError(
            f"{CHORE} {name[:40]!r} names no chore",
            f"such as {CHORE}: title; {CHORE}: {NO_CHORE} for a person's question",
            code="bad_input",
        )
    return Chore(name, joins_session=name == SUMMARY, in_turn=name == SUMMARY)


def as_chore(task: Task, chore: Chore) -> Task:
    """The task as a chore: nothing of it is remembered or recalled. Where its prompt is its own, it
    is no part of the client's session."""
    if not chore.joins_session:
        task = replace(task, stay_with=None, affinity="")
    return replace(
        task,
        chore=chore.name,
        chore_waits=not chore.in_turn,
        chore_joins=chore.joins_session,
        batch=task.batch and not chore.in_turn,
        store_memory=False,
        retrieve_context=False,
    )
