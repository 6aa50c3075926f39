"""OpenAI's older completions over orch: a prompt is asked as a chat of one message."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.server.api.handler import Answer, Held, Stream, answered, as_json, guarded, read
from orch.server.api.openai.chat import SAMPLING, envelope, event, finish, sampling, usage
from orch.server.api.openai.responses_input import NO_LOGPROBS, bad
from orch.server.api.openai.schemas import Completion
from orch.server.api.request_task import Wishes, task_for
from orch.types import RunResult

READ = ("model", "prompt", "suffix", "echo", "stream", "stream_options", "n")


@guarded(envelope)
async def completions(request: Request) -> Response:
    """`POST /v1/completions`."""
    body = await read(request, Completion)
    given = body.model_dump(exclude_unset=True, exclude_none=True)
    if given.get("logprobs", False) is not False:
        raise bad("logprobs", NO_LOGPROBS)
    wishes = Wishes(
        model=body.model,
        messages=[{"role": "user", "content": body.prompt[0]}],
        options=sampling(body.options, given),
        extra={
            name: value
            for name, value in given.items()
            if name not in SAMPLING and name not in READ
        },
    )
    asked = body.stream_options is not None and body.stream_options.include_usage

    async def respond(answer: Answer, held: Held) -> Response:
        if body.stream:
            return Stream(
                _events(answer, asked),
                answer.headers,
                "text/event-stream; charset=utf-8",
                held.kept(),
            )
        result = await answer.result()
        whole = {
            **_head(answer, result.decision.model_id),
            "choices": [_choice(result.response.content, finish(result))],
        }
        return as_json({**whole, "usage": usage(result.response.usage)}, answer.headers)

    return await answered(
        request,
        task_for(request, wishes),
        "continue" if body.stream else "restart",
        "openai",
        respond,
    )


def _head(answer: Answer, model: str) -> dict[str, Any]:
    return {
        "id": f"cmpl-{answer.run_id}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
    }


def _choice(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}


async def _events(answer: Answer, asked: bool) -> AsyncGenerator[bytes]:
    """The run as a stream. A run that fails ends with an error and without `[DONE]`."""
    head = _head(answer, answer.model)
    try:
        async for chunk in answer.chunks():
            if chunk["type"] == "content":
                yield event({**head, "choices": [_choice(chunk["chunk"])]})
            elif chunk["type"] == "done":
                result: RunResult = chunk["result"]
                yield event({**head, "choices": [_choice("", finish(result))]})
                if asked:
                    yield event({**head, "choices": [], "usage": usage(result.response.usage)})
                yield b"data: [DONE]\n\n"
    except OrchError as error:
        yield event({**head, "choices": [_choice("", "error")], **envelope(error)})
