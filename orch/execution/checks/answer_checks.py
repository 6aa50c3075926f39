"""Checks a finished answer: an empty answer, broken JSON, a schema that is not followed and an
exceeded context make the attempt a failed one."""

from __future__ import annotations

import json
from typing import NamedTuple

from orch.errors import ProviderError
from orch.execution.checks.json_schema import AnswerSchema
from orch.providers.chat import ChatRequest, Completion


class FinishedAnswer(NamedTuple):
    """What a model sent, complete. `limit` is how many tokens the caller wants at most."""

    request: ChatRequest
    completion: Completion | None
    text: str
    thinking: str
    has_tool_calls: bool
    limit: int | None = None
    may_be_empty: bool = False
    """Whether the caller's own limit may leave no room for an answer."""

    @property
    def reached_token_limit(self) -> bool:
        """Whether it ended at a limit, whoever set it."""
        return self.completion is not None and self.completion.finish_reason == "length"

    @property
    def cut(self) -> bool:
        """Whether it ended at a limit that the caller did not set: the room in the context, the
        limit in models.yaml, or one of the server."""
        if self.completion is None or not self.reached_token_limit:
            return False
        counted = self.completion.completion_tokens
        if self.limit is None or self.limit != self.request.max_tokens:
            return True
        return counted is not None and counted < self.limit

    @property
    def cut_by_caller(self) -> bool:
        """Whether it ended at the caller's own limit."""
        return self.reached_token_limit and not self.cut

    @property
    def must_be_json(self) -> bool:
        """Whether JSON was requested. JSON cut at the caller's own limit is returned as is."""
        if not wants_json(self.request) or self.has_tool_calls:
            return False
        return not self.cut_by_caller


def wants_json(request: ChatRequest) -> bool:
    """Whether the request asks for JSON, with or without a schema."""
    requested = request.response_format
    return requested is not None and requested.get("type") != "text"


async def check_answer(
    answer: FinishedAnswer, schema: AnswerSchema | None, *, can_unwrap: bool = False
) -> str:
    """The text to give. Raises ProviderError (`empty`, `invalid_json`, `schema_mismatch`) for a
    failed answer. With `can_unwrap`, JSON in a code fence is taken out of it."""
    _check_not_empty(answer)
    if not answer.must_be_json:
        return answer.text
    if not _is_json(answer.text):
        return await _unwrapped(answer.text, schema, can_unwrap=can_unwrap)
    if schema is not None and (violation := await schema.violation(answer.text)):
        raise ProviderError("schema_mismatch", f"the answer breaks the schema: {violation}")
    return answer.text


async def _unwrapped(text: str, schema: AnswerSchema | None, *, can_unwrap: bool) -> str:
    from orch.execution.checks.fenced_json import choose_json, fenced_blocks  # few answers need it

    blocks = fenced_blocks(text)
    if blocks and can_unwrap:
        return await choose_json(blocks, schema)
    fence = ": it is in a code fence, after text that was already shown" if blocks else ""
    raise ProviderError("invalid_json", f"the answer is not the JSON that was requested{fence}")


def _check_not_empty(answer: FinishedAnswer) -> None:
    if answer.text or answer.has_tool_calls or (answer.may_be_empty and answer.cut_by_caller):
        return
    if answer.request.raw is not None:
        return  # nothing may be missing in a gap
    only_thoughts = " (it only thought)" if answer.thinking else ""
    cut = ", cut at its token limit" if answer.reached_token_limit else ""
    raise ProviderError("empty", f"the answer was empty{only_thoughts}{cut}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def exceeded_context(request: ChatRequest, completion: Completion | None) -> str:
    """How prompt and answer together exceeded the context, as a phrase; empty where they did not.

    The server then dropped a part of them while it generated, without an error.
    """
    if completion is None or request.num_ctx is None:
        return ""
    prompt, answer = completion.prompt_tokens or 0, completion.completion_tokens or 0
    if prompt + answer <= request.num_ctx:
        return ""
    return (
        f"{prompt:,} tokens of prompt and {answer:,} of answer in a context of"
        f" {request.num_ctx:,}: the server dropped a part of them while it answered"
    )
