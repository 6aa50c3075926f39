"""Request bodies of OpenAI's API: the fields that orch reads; all others are kept unchanged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic_core import PydanticCustomError

MAX_MESSAGES = 4_096
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]


def _number(value: Any) -> Any:
    """Anything but a boolean, which would count as 1 or 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("number", "must be a number, not a boolean")
    return value


TokenLimit = Annotated[int, Field(gt=-(2**31), lt=2**31), BeforeValidator(_number)]
"""The most tokens of an answer; 0 and less set no limit, as at Ollama and LM Studio."""


def _texts(value: Any) -> list[str]:
    """One text or several, as a list. Token ids are rejected with a clear error, which a union of
    types would not give."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise PydanticCustomError(
            "texts",
            "orch accepts texts here, not tokens: token ids differ between models",
        )
    return texts


def _prompt(value: Any) -> list[str]:
    """A single prompt."""
    texts = _texts(value)
    if len(texts) != 1:
        raise PydanticCustomError(
            "one", "orch accepts one prompt at a time, not {count}", {"count": len(texts)}
        )
    return texts


def _format(value: dict[str, Any]) -> dict[str, Any]:
    """Checks that an answer can be validated against the format."""
    if value.get("type") not in ("text", "json_object", "json_schema"):
        raise PydanticCustomError("format", "type must be text, json_object or json_schema")
    if value["type"] == "json_schema" and not (
        isinstance(value.get("json_schema"), dict)
        and isinstance(value["json_schema"].get("schema"), dict)
    ):
        raise PydanticCustomError("schema", "json_schema must be an object that contains a schema")
    return value


def _not_echoed(value: Any) -> Any:
    """Accepts an empty value, which Ollama's own clients send."""
    if value:
        raise PydanticCustomError(
            "echo",
            "orch returns what a model writes, without the prompt before it: leave this out,"
            " or use the model's own server",
        )
    return value


Texts = Annotated[list[str], BeforeValidator(_texts, json_schema_input_type=str | list[str])]
Prompt = Annotated[list[str], BeforeValidator(_prompt, json_schema_input_type=str | list[str])]
NoEcho = Annotated[
    Any, BeforeValidator(_not_echoed, json_schema_input_type=Literal["", False] | None)
]
OllamaOptions = Annotated[
    dict[str, Any] | None,
    Field(
        description=(
            "Ollama's options, such as num_ctx; where a field here says the same, that counts."
        )
    ),
]


class PassthroughModel(BaseModel):
    """A body whose unknown fields are passed to the model unchanged."""

    model_config = ConfigDict(extra="allow", strict=False)


class ToolCallInput(PassthroughModel):
    """A tool call in a message."""

    id: str | None = None
    function: dict[str, Any] | None = None


class ChatMessageBase(PassthroughModel):
    """A message of any role; its content is a text or a list of parts."""

    content: str | list[dict[str, Any]] | None = None
    images: list[str] | None = None
    tool_calls: list[ToolCallInput] | None = None
    tool_call_id: str | None = None


class ChatMessage(ChatMessageBase):
    """One message."""

    role: Role


class StreamOptions(PassthroughModel):
    """Options of a stream."""

    include_usage: StrictBool = False


class ChatCompletionRequest(PassthroughModel):
    """`POST /v1/chat/completions`."""

    model: str = Field(
        "auto",
        min_length=1,
        max_length=300,
        description="auto, auto:TYPE, auto:speed, auto:quality, or any model.",
    )
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    stop: str | list[str] | None = None
    seed: Seed | None = None
    n: Literal[1] | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=1_024)
    response_format: Annotated[dict[str, Any], AfterValidator(_format)] | None = None
    reasoning_effort: str | None = None
    options: OllamaOptions = None


class CompletionRequest(PassthroughModel):
    """`POST /v1/completions`: one prompt."""

    model: str = Field("auto", min_length=1, max_length=300, description="As for chat completions.")
    prompt: Prompt
    suffix: str | None = None
    echo: NoEcho = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenLimit | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    stop: str | list[str] | None = None
    seed: Seed | None = None
    n: Literal[1] | None = None
    options: OllamaOptions = None


class EmbeddingsRequest(PassthroughModel):
    """`POST /v1/embeddings`: one text or several."""

    model: str = Field(
        "auto", min_length=1, max_length=300, description="auto is orch's own embedder."
    )
    input: Texts
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None


class ResponsesRequest(PassthroughModel):
    """`POST /v1/responses`."""

    model: str = Field("auto", min_length=1, max_length=300, description="As for chat completions.")
    input: str | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_MESSAGES)]
    instructions: str | None = None
    stream: StrictBool | None = None
    max_output_tokens: TokenLimit | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    tools: list[dict[str, Any]] | None = Field(None, max_length=1_024)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: StrictBool | None = None
    reasoning: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    options: OllamaOptions = None
    previous_response_id: str | None = Field(
        None, max_length=200, description="The stored response whose conversation this continues."
    )
    store: StrictBool | None = Field(
        None,
        description="False keeps no response for previous_response_id; the journal has the run.",
    )
