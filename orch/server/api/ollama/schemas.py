"""Request bodies of Ollama's API: the fields that orch reads; all others are kept unchanged."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StrictBool, model_validator

from orch.server.api.openai.schemas import (
    MAX_MESSAGES,
    PassthroughModel,
    ToolCallInput,
)

MAX_CONTEXT_TOKENS = 2_000_000
"""Of a `context`, more than any model's window."""

ModelName = Field(
    "auto",
    min_length=1,
    max_length=300,
    description="auto, auto:TYPE, auto:speed, auto:quality, or any model.",
)


class _AnyCase(PassthroughModel):
    """A body or message whose fields are read without regard to case, as Ollama reads them: what
    passed as unknown here, it would take."""

    @model_validator(mode="before")
    @classmethod
    def _fold_names(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name.casefold(): value for name, value in body.items()}


class OllamaMessage(_AnyCase):
    """One message."""

    role: Annotated[str, Field(min_length=1, max_length=100)]
    """Any, as in Ollama; what a strict template does not know is sent as the user's."""
    content: str | None = None
    images: list[str] | None = None
    tool_calls: list[ToolCallInput] | None = None
    tool_call_id: str | None = None


class _AnswerRequest(_AnyCase):
    model: str = ModelName
    stream: StrictBool | None = None
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None


class OllamaChatRequest(_AnswerRequest):
    """`POST /api/chat`."""

    messages: list[OllamaMessage] | None = Field(None, max_length=MAX_MESSAGES)
    tools: list[dict[str, Any]] | None = Field(None, max_length=1_024)


class GenerateRequest(_AnswerRequest):
    """`POST /api/generate`."""

    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None
    suffix: str | None = None
    template: str | None = None
    raw: StrictBool | None = None
    context: list[int] | None = Field(None, max_length=MAX_CONTEXT_TOKENS)


class EmbedRequest(_AnyCase):
    """`POST /api/embed`."""

    model: str = ModelName
    input: str | list[str]
    dimensions: int | None = None
    keep_alive: str | float | None = None


class LegacyEmbeddingsRequest(_AnyCase):
    """`POST /api/embeddings`, the predecessor of `/api/embed`."""

    model: str = ModelName
    prompt: str = ""
    keep_alive: str | float | None = None


class ShowRequest(_AnyCase):
    """`POST /api/show`."""

    model: str = Field("", max_length=300)
    name: str = Field("", max_length=300)
    verbose: bool = False


class _TransferRequest(_AnyCase):
    model: str = Field("", max_length=300, description="A model, or PROVIDER/MODEL.")
    name: str = Field("", max_length=300)
    stream: StrictBool | None = None


class PullRequest(_TransferRequest):
    """`POST /api/pull`."""

    insecure: StrictBool = False


class PushRequest(_TransferRequest):
    """`POST /api/push`."""


class CreateRequest(_TransferRequest):
    """`POST /api/create`."""

    source: str | None = Field(None, max_length=300, alias="from")
    remote_host: str | None = Field(None, max_length=300)


class CopyRequest(_AnyCase):
    """`POST /api/copy`."""

    source: str = Field(min_length=1, max_length=300)
    destination: str = Field(min_length=1, max_length=300)


class DeleteRequest(_AnyCase):
    """`DELETE /api/delete`."""

    model: str = Field("", max_length=300)
    name: str = Field("", max_length=300)
