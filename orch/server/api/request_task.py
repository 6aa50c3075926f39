"""Builds a Task from a request of any API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from orch.errors import OrchError
from orch.server.api.announcement import without_announcements
from orch.server.api.handler import client_name, service_of
from orch.server.chores.recognition import Chore
from orch.server.chores.request_chore import as_chore, chore_of
from orch.server.conversations.client_ids import CACHE_KEY, find_client_id, session_name
from orch.server.conversations.opening import first_questions
from orch.text.prompt import Task
from orch.text.raw_prompt import RawPrompt
from orch.types import Message

CACHE_DENIED_WARNING = "x-orch-cache: only the account that runs this server gets cached answers"

UNKNOWN_CLIENT = "?"
"""In place of the client's name where the system does not tell whose a connection is: its sessions
are not the owner's. No key is called so."""


@dataclass(slots=True, kw_only=True)
class ChatParams:
    """The parameters of a chat request, independent of the API: `options` are sampling options,
    `extra` the fields that orch does not know."""

    model: str
    messages: list[Message]
    options: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    raw: RawPrompt | None = None
    """What the model continues as it is; the messages are then for reading alone."""
    warnings: tuple[str, ...] = ()
    """Warnings about parts of the request that were ignored."""
    cache_key: object = None
    """The body's `prompt_cache_key`, as sent; else that of `extra` counts."""
    session: str = ""
    """The session that the request continues by its own words, if no id of its client's says
    otherwise."""


def build_request_task(request: Request, params: ChatParams) -> Task:
    """The Task of a request. Raises OrchError for an unknown `auto:…`.

    Reads the client's id of the conversation (see `client_ids`) and the headers `x-orch-priority`
    (interactive, batch), `x-orch-timeout` (seconds to the first token), `x-orch-cache` (use) and
    `x-orch-chore` (a name, none).

    A cached answer is used only if the client asks for it or for a temperature of 0, since clients
    repeat a request to get another answer. Clients other than the owner get no cached answers and
    nothing recalled, and another account's tasks are not remembered. Nothing is recalled for a raw
    prompt, and it is not remembered.
    """
    service, client = service_of(request), client_name(request)
    params.messages = without_announcements(params.messages)
    choice = service.model_names.parse(params.model)
    chore = None if params.raw else chore_of(request, params.messages, params.tools, params.options)
    session, turn = _session(request, params, client, chore)
    peer, wants_cache = request.scope["state"]["who"], request.headers.get("x-orch-cache") == "use"
    is_cached = peer == "owner" and (params.options.get("temperature") == 0 or wants_cache)
    task = Task(
        text="",
        messages=tuple(params.messages),
        options=params.options,
        extra=params.extra,
        tools=params.tools,
        response_format=params.response_format,
        raw=params.raw if choice.model or not params.raw else params.raw.for_any_model(),
        allows_empty=True,
        shows_candidates=False,
        warnings=(
            *params.warnings,
            *((CACHE_DENIED_WARNING,) if wants_cache and not is_cached else ()),
        ),
        model=choice.model,
        requested_name=params.model if choice.model else None,
        task_type=choice.task_type,
        profile=choice.profile,
        loaded=choice.loaded,
        session=session,
        stay_with=service.sessions.model_of(session) if session else None,
        affinity=session or "",
        turn=turn,
        client=client,
        unknown_client=not client and peer != "owner",
        batch=request.headers.get("x-orch-priority", "").lower() == "batch",
        timeout_s=_seconds(request.headers.get("x-orch-timeout")),
        fresh=not is_cached,
        store_memory=False if peer == "stranger" or params.raw else None,
        retrieve_context=None if peer == "owner" and not params.raw else False,
    )
    return task if chore is None else as_chore(task, chore)


def _session(
    request: Request, params: ChatParams, client: str, chore: Chore | None
) -> tuple[str | None, str]:
    """The name of the request's session in the journal, and which conversation of it this is where
    the client's id names it: an agent's helpers have the agent's. A chore with a prompt of its own
    continues none: it has only what the client's id names."""
    if not client and request.scope["state"]["who"] != "owner":
        client = UNKNOWN_CLIENT
    cache_key = params.cache_key or params.extra.get(CACHE_KEY)
    found = find_client_id(request.scope["headers"], cache_key)
    if chore is not None and not chore.joins_session:
        return (session_name(client, found) if found.text else None), ""
    if params.session and not found.text:
        return params.session, ""
    session = service_of(request).sessions.of_request(client, found, params.messages)
    return session, first_questions(params.messages) if found.text else ""


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise OrchError(
            f"x-orch-timeout {text!r} is not a number of seconds",
            "such as x-orch-timeout: 60",
            code="bad_input",
        )
    return seconds
