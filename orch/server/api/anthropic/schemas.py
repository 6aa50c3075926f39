"""Request bodies of Anthropic's API: the fields that orch reads; all others are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from orch.server.api.openai.schemas import MAX_MESSAGES, TokenLimit

Block = dict[str, Any]
MAX_TOOLS = 1_024


class RequestPart(BaseModel):
    """A part of a body whose unknown fields are dropped: Anthropic's own settings mean nothing to
    other models."""

    model_config = ConfigDict(extra="ignore", strict=False)


class MessageInput(RequestPart):
    """One message. A system message may stand anywhere in the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class CountTokensRequest(RequestPart):
    """`POST /v1/messages/count_tokens`: the parts of a message request that are the prompt."""

    model: str = Field(
        "auto",
        min_length=1,
        max_length=300,
        description="auto, auto:TYPE, auto:speed, auto:quality, or any model.",
    )
    messages: list[MessageInput] = Field(min_length=1, max_length=MAX_MESSAGES)
    system: str | list[Block] | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=MAX_TOOLS)
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None


class MessagesRequest(CountTokensRequest):
    """`POST /v1/messages`."""

    max_tokens: Annotated[TokenLimit, Field(ge=-1)] | None = Field(
        None, description="A cap; without it, or with 0 or -1, the model's own limit counts."
    )
    stream: StrictBool | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    stop_sequences: list[str] | None = Field(None, max_length=1_024)
