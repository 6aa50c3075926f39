"""Responses that a client refers to by their ids: read from the journal, and made unknown there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.server.api.field_path import field_error
from orch.server.api.handler import (
    client_name,
    json_response,
    service_of,
    with_error_envelope,
)
from orch.server.api.native.request_checks import number_parameter
from orch.server.api.openai.chat import openai_error
from orch.server.api.openai.response_fields import (
    bounded,
    end_fields,
    initial_response,
    responses_usage,
)
from orch.server.api.openai.responses_output import stored_items
from orch.server.api.openai.schemas import ResponsesRequest
from orch.server.api.openai.stored_conversation import (
    NOTHING_BEFORE,
    StoredConversation,
    conversation_of,
    input_items,
)
from orch.storage.history import History, Row
from orch.storage.responses import drop_response, find_response
from orch.types import Usage

ID_PREFIX = "resp_"
"""Before the id of the run, which is the response's."""
DEFAULT_ITEMS, MAX_ITEMS = 20, 100
"""Input items in a list, as in OpenAI's API."""


def fields_to_store(
    request: Request, body: ResponsesRequest, members: Mapping[str, tuple[str, str]]
) -> dict[str, Any] | None:
    """What the journal keeps of a response so that its client may refer to it; None if nothing is
    kept. `members` as in `FunctionTools`."""
    if body.store is False or _why_nothing_is_kept(request):
        return None
    return {
        "previous_response_id": body.previous_response_id,
        "metadata": bounded(body.metadata, {}),
        "namespaced": bounded(list(dict.fromkeys(members.values())), []),
    }


async def previous_conversation(request: Request, response_id: str | None) -> StoredConversation:
    """The conversation up to a stored response. Raises OrchError for an unknown one."""
    if not response_id:
        return NOTHING_BEFORE
    if reason := _why_nothing_is_kept(request):
        raise field_error("previous_response_id", reason)
    client, name = client_name(request), _run_id(response_id)

    def read(history: History) -> StoredConversation | None:
        row = find_response(history.database, name, client)
        return conversation_of(row) if row else None

    conversation = await service_of(request).read_history(read)
    if conversation is None:
        raise OrchError(
            f"there is no stored response {response_id!r}",
            "send the whole conversation as input",
            code="previous_response_not_found",
            param="previous_response_id",
        )
    return conversation


def is_kept(request: Request) -> bool:
    """Whether the client of this request may refer to what was stored for it."""
    return not _why_nothing_is_kept(request)


def _why_nothing_is_kept(request: Request) -> str:
    """Why no response is stored for the client of this request; empty if it is."""
    mode = service_of(request).orchestrator.runtime.journal.mode
    if mode != "full":
        return (
            f"the journal keeps no texts (journal.mode is {mode}), so that no response is stored:"
            " send the whole conversation as input, or set journal: {mode: full} in routing.yaml"
        )
    if request.scope["state"]["who"] == "unknown":
        return (
            "the system does not tell whose this connection is, so that no response is stored for"
            " it: send the whole conversation as input, or set a key (orch serve --api-key)"
        )
    return ""


def _run_id(response_id: str) -> str:
    return response_id.removeprefix(ID_PREFIX) if response_id.startswith(ID_PREFIX) else ""


# ---------------------------------------------------------------- the endpoints


@with_error_envelope(openai_error)
async def get_response(request: Request) -> Response:
    """`GET /v1/responses/{response_id}`: a stored response, without its reasoning."""
    if request.query_params.get("stream", "false").lower() != "false":
        raise field_error("stream", "a stored response is not streamed: leave it out")
    return json_response(_stored_response(await _stored_row(request)))


@with_error_envelope(openai_error)
async def delete_response(request: Request) -> Response:
    """`DELETE /v1/responses/{response_id}`: makes a stored response unknown; the run stays in the
    journal."""
    row = await _stored_row(request)
    service = service_of(request)
    database = service.orchestrator.runtime.journal.database
    await service.wiring.offload(drop_response, database, row["run_id"])
    body = {"id": f"{ID_PREFIX}{row['run_id']}", "object": "response", "deleted": True}
    return json_response(body)


@with_error_envelope(openai_error)
async def list_input_items(request: Request) -> Response:
    """`GET /v1/responses/{response_id}/input_items`: the whole conversation before a stored
    response; newest first unless `order` is `asc`."""
    row = await _stored_row(request)
    items = input_items(row["run_id"], row["messages"] or [])
    return json_response(_page(items, request))


async def _stored_row(request: Request) -> Row:
    """The run of the response in the path. Raises OrchError if this client has none of that id."""
    response_id = str(request.path_params["response_id"])
    client, name = client_name(request), _run_id(response_id)
    row: Row | None = None
    if not _why_nothing_is_kept(request):
        row = await service_of(request).read_history(
            lambda history: find_response(history.database, name, client)
        )
    if row is None:
        message = f"there is no stored response {response_id[:200]!r}"
        raise OrchError(message, code="not_found", param="response_id")
    return row


def _stored_response(row: Row) -> dict[str, Any]:
    """The response object from its row."""
    stored, at = row["response"], int(row["at"])
    is_cut = stored.get("finish_reason") == "length"
    known = {name: stored.get(name) for name in ("metadata", "previous_response_id")}
    body = ResponsesRequest.model_validate({"input": "", **known})
    usage = responses_usage(Usage(row["prompt_tokens"] or 0, row["completion_tokens"] or 0))
    return {
        **initial_response(body, row["run_id"], row["model"] or "", is_stored=True, created_at=at),
        **end_fields(at + int(row["total_s"] or 0), usage, is_cut=is_cut),
        "output": stored_items(row["run_id"], row["answer"] or "", stored, is_cut=is_cut),
    }


def _page(items: list[dict[str, Any]], request: Request) -> dict[str, Any]:
    """The part of a list that the query asks for. Raises OrchError (`bad_input`)."""
    query = request.query_params
    limit = min(max(int(number_parameter(request, "limit", DEFAULT_ITEMS)), 1), MAX_ITEMS)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise field_error("order", "is neither asc nor desc")
    ordered = items if order == "asc" else items[::-1]
    ids = [item["id"] for item in ordered]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    page = ordered[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + len(page) < len(ordered),
    }
