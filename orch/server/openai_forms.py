"""What clients of OpenAI's API send: the fields that orch reads; all others are kept as they are."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

MOST_MESSAGES = 4_096
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
Count = Annotated[int, Field(ge=1)]


class Form(BaseModel):
    """A body whose unknown fields go to the model untouched."""

    model_config = ConfigDict(extra="allow", strict=False)


class Message(Form):
    """One message; its content is a text or a list of parts."""

    role: Role
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class StreamOptions(Form):
    """What a stream is to hold."""

    include_usage: StrictBool = False


class Chat(Form):
    """`POST /v1/chat/completions`."""

    model: str = Field("auto", min_length=1, max_length=300, description="auto, auto:TYPE, auto:speed, auto:quality, or any model.")
    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Literal[1] | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=1_024)
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None


class Completion(Form):
    """`POST /v1/completions`: one prompt, as a text."""

    model: str = Field("auto", min_length=1, max_length=300, description="As for chat completions.")
    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Literal[1] | None = None


class Embeddings(Form):
    """`POST /v1/embeddings`: one text or several."""

    model: str = Field("auto", min_length=1, max_length=300, description="auto is orch's own embedder.")
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Count | None = None
