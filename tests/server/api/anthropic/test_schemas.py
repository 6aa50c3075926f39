"""Request bodies of Anthropic's API: whatever a client sends is taken or refused by name."""

from __future__ import annotations

from typing import Any

import pydantic
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import OrchError
from orch.server.api.anthropic.messages import message_params
from orch.server.api.anthropic.schemas import MessagesRequest
from orch.server.api.anthropic.tools import parse_tools

KINDS = (
    *("text", "image", "document", "search_result", "tool_use", "tool_result", "tool_reference"),
    *("thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result", "video"),
)
FIELDS = (
    *("text", "source", "content", "id", "name", "input", "tool_use_id", "is_error", "thinking"),
    *("data", "media_type", "title", "tool_name"),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=6,
)
TYPES = st.sampled_from((*KINDS, "base64", "url", "content", "object")) | VALUES
BLOCKS: Any = st.dictionaries(st.sampled_from(FIELDS), VALUES).flatmap(
    lambda fields: TYPES.map(lambda kind: {**fields, "type": kind})
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(("user", "assistant", "system")),
            "content": st.text(max_size=9) | st.lists(BLOCKS, max_size=4),
        }
    ),
    min_size=1,
    max_size=3,
)
TOOLS = st.fixed_dictionaries(
    {},
    optional={"name": VALUES, "type": VALUES, "description": VALUES, "input_schema": VALUES},
)
CHOICES = st.fixed_dictionaries(
    {"type": st.sampled_from(("auto", "any", "none", "tool")) | VALUES}, optional={"name": VALUES}
)


@given(
    st.fixed_dictionaries(
        {"messages": MESSAGES},
        optional={
            "system": st.lists(BLOCKS, max_size=2),
            "tools": st.lists(TOOLS, max_size=3),
            "tool_choice": CHOICES,
            "thinking": st.fixed_dictionaries({"type": VALUES, "budget_tokens": VALUES}),
            "output_config": st.fixed_dictionaries({"format": VALUES}),
        },
    )
)
def test_whatever_is_sent_is_taken_or_refused_by_name(body: dict[str, Any]) -> None:
    refusal, params = None, None
    try:
        request = MessagesRequest.model_validate(body)
        params = message_params(request, parse_tools(request.tools or (), request.tool_choice))
    except pydantic.ValidationError:
        return
    except OrchError as error:
        refusal = error
    if refusal is not None:
        assert refusal.code == "bad_input"
        assert refusal.message.partition(":")[0].split(".")[0] in body
    if params is not None:
        roles = {message["role"] for message in params.messages}
        assert roles <= {"system", "user", "assistant", "tool"}
        assert all(isinstance(message["content"], str | list) for message in params.messages)
