"""What clients of Ollama's API send: the fields that orch reads; all others are kept as they
are."""

from __future__ import annotations

from typing import Any

from pydantic import Field, StrictBool

from orch.server.api.openai.schemas import MOST_MESSAGES, Call, Form, NotInChat, Role

Name = Field(
    "auto",
    min_length=1,
    max_length=300,
    description="auto, auto:TYPE, auto:speed, auto:quality, or any model.",
)


class Message(Form):
    """One message."""

    role: Role
    content: str | None = None
    images: list[str] | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None


class _Asking(Form):
    model: str = Name
    stream: StrictBool | None = None
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None


class Chat(_Asking):
    """`POST /api/chat`."""

    messages: list[Message] | None = Field(None, max_length=MOST_MESSAGES)
    tools: list[dict[str, Any]] | None = Field(None, max_length=1_024)


class Generate(_Asking):
    """`POST /api/generate`."""

    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None
    suffix: NotInChat = None
    template: NotInChat = None
    raw: NotInChat = None
    context: NotInChat = None


class Embed(Form):
    """`POST /api/embed`."""

    model: str = Name
    input: str | list[str]
    keep_alive: str | float | None = None


class EmbedOne(Form):
    """`POST /api/embeddings`, as it was before."""

    model: str = Name
    prompt: str


class Show(Form):
    """`POST /api/show`."""

    model: str = Field("", max_length=300)
    name: str = Field("", max_length=300)
