"""Request bodies of orch's own API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orch.server.api.openai.schemas import ChatMessageBase
from orch.types import TaskType

Text = Annotated[str, Field(max_length=32_000_000)]


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AttachmentInput(_StrictModel):
    """A text, or an image in base64, attached to the task."""

    name: str = ""
    text: Text = ""
    image: Text = ""


class TaskRequest(_StrictModel):
    """A task: the parameters of the library's `execute_streaming`."""

    text: Text = ""
    system_prompt: Text | None = None
    context: list[Text] = Field([], max_length=1_000)
    messages: list[ChatMessageBase] = Field([], max_length=4_096)
    attachments: list[AttachmentInput] = Field([], max_length=1_000)
    options: dict[str, Any] = {}
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    model: str | None = None
    task_type: str | None = Field(None, description=f"One of {', '.join(TaskType)}.")
    profile: str = "balanced"
    dial: float | None = None
    session: str | None = Field(None, max_length=300)
    fresh: bool = False
    loaded: bool = Field(False, description="Only what is loaded, where that can take the task.")
    fallback: bool | None = None
    timeout_s: float | None = Field(None, gt=0)
    store_memory: bool | None = None
    retrieve_context: bool | None = None


class RunRequest(TaskRequest):
    """`POST /orch/run`."""

    on_partial: Literal["continue", "restart", "stop"] = "continue"
    carry_on: bool = False
    face: Literal["server", "cli", "page", "mcp"] = "server"


class RateRequest(_StrictModel):
    """`POST /orch/rate`."""

    run_id: str = Field(min_length=1, max_length=300)
    word: Literal["", "good", "bad"] = ""
    better: str = ""
    task_type: str = ""


class EndRunRequest(_StrictModel):
    """`POST /orch/runs/{run_id}/end`."""

    code: Literal["interrupted", "terminated", "hung_up"] = "interrupted"


class LoadRequest(_StrictModel):
    """`POST /orch/models/load` and `/orch/models/unload`."""

    model: str = Field(min_length=1, max_length=300)


class MemoryArguments(BaseModel):
    """`POST /orch/memory/{name}`: the operation's arguments, validated there."""

    model_config = ConfigDict(extra="allow")
