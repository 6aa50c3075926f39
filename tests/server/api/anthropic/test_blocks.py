"""Blocks of a conversation as messages of chat completions."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import OrchError
from orch.server.api.anthropic.blocks import to_conversation
from orch.server.api.anthropic.schemas import MessageInput
from orch.types import Message

RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "3"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
URL = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
AS_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
BILLING = "x-anthropic-billing-header: cc_version=2.1; cch=1a2b;"


def text(words: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": words}


def converted(*turns: tuple[str, Any], system: Any = None) -> list[Message]:
    """The messages of a conversation."""
    messages = [MessageInput(role=role, content=content) for role, content in turns]  # type: ignore[arg-type]
    return to_conversation(system, messages).messages


@pytest.mark.parametrize(
    ("system", "content"),
    [
        ("Be brief", "Be brief"),
        ([text("Be"), text("brief")], "Be\n\nbrief"),
        (f"{BILLING}\nBe brief", "Be brief"),
        ([text(BILLING), text("Be brief")], "Be brief"),
        ([text(f"{BILLING}\n\nBe brief")], "Be brief"),
    ],
)
def test_a_system_prompt_is_one_text_without_the_billing_line(system: Any, content: str) -> None:
    found = converted(("user", "hi"), system=system)
    assert found == [{"role": "system", "content": content}, {"role": "user", "content": "hi"}]


@pytest.mark.parametrize("system", [None, "", [], BILLING, [text(BILLING)]])
def test_an_empty_system_prompt_is_no_message(system: Any) -> None:
    assert [message["role"] for message in converted(("user", "hi"), system=system)] == ["user"]


def test_a_billing_line_elsewhere_is_the_users_own() -> None:
    assert converted(("user", BILLING))[0]["content"] == BILLING


def test_a_system_message_may_stand_within_the_conversation() -> None:
    found = converted(("user", "hi"), ("system", [text("now in French")]), ("user", "go on"))
    assert found[1] == {"role": "system", "content": "now in French"}


def test_an_answer_keeps_its_thoughts_and_calls() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hmm", "signature": "x"},
        {"type": "redacted_thinking", "data": "y"},
        text("I add"),
        {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}},
    ]
    function = {"name": "add", "arguments": {"a": 1}}
    assert converted(("assistant", blocks)) == [
        {
            "role": "assistant",
            "content": "I add",
            "reasoning_content": "hmm",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        }
    ]


def test_results_come_before_what_the_user_says() -> None:
    found = converted(("user", [RESULT, text("and now?")]))
    assert found == [
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        {"role": "user", "content": "and now?"},
    ]


REMINDER = "<system-reminder>\nbe brief\n</system-reminder>"


@pytest.mark.parametrize(
    ("blocks", "roles"),
    [
        ([text(REMINDER), text("What is it?")], ["system", "user"]),
        ([RESULT, text(REMINDER)], ["tool", "system"]),
        ([RESULT, text(REMINDER), text("What is it?")], ["tool", "system", "user"]),
        ([text(REMINDER)], ["user"]),
    ],
)
def test_a_reminder_of_the_client_is_not_the_users_question(
    blocks: list[dict[str, Any]], roles: list[str]
) -> None:
    found = converted(("user", blocks))
    assert [message["role"] for message in found] == roles
    if len(blocks) > 1 and roles[-1] == "user":
        assert found[-1]["content"] == "What is it?"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ""),
        ([text("a"), text("b")], "a\n\nb"),
        ([text("a"), IMAGE], [text("a"), AS_PART]),
        ([{"type": "tool_reference", "tool_name": "add"}], "The tool add."),
    ],
)
def test_a_result_is_a_text_or_has_images(content: Any, expected: Any) -> None:
    assert converted(("user", [{**RESULT, "content": content}]))[0]["content"] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("no such file", "Error: no such file"),
        ("Error: gone", "Error: gone"),
        ([IMAGE], [text("Error:"), AS_PART]),
    ],
)
def test_a_result_that_is_an_error_says_so(content: Any, expected: Any) -> None:
    (message,) = converted(("user", [{**RESULT, "content": content, "is_error": True}]))
    assert message["content"] == expected


@pytest.mark.parametrize(
    "document",
    [
        {"type": "document", "source": {"type": "text", "data": "the text"}, "title": "Notes"},
        {
            "type": "document",
            "source": {"type": "content", "content": [text("the text")]},
            "title": "Notes",
        },
        {"type": "search_result", "source": "x", "title": "Notes", "content": [text("the text")]},
    ],
)
def test_a_document_is_its_text_in_a_fence(document: Any) -> None:
    assert converted(("user", [document]))[0]["content"] == ("Document Notes:\n```\nthe text\n```")


@pytest.mark.parametrize(
    ("block", "place", "says"),
    [
        (URL, "content.0.source.type", "send the image as base64"),
        ({"type": "image"}, "content.0.source", "must be an object"),
        (
            {"type": "document", "source": {"type": "base64", "data": "x"}},
            "content.0.source.type",
            "send its text",
        ),
        ({"type": "text"}, "content.0.text", "must be a text"),
        ({"type": "video"}, "content.0.type", "'video' is not supported"),
        ({"type": "tool_result"}, "content.0.tool_use_id", "must be a text"),
        ({**RESULT, "content": 3}, "content.0.content", "must be a text or a list"),
        ({**RESULT, "content": [URL]}, "content.0.content.0.source.type", "base64"),
    ],
)
def test_what_cannot_be_handed_on_is_refused_by_name(block: Any, place: str, says: str) -> None:
    with pytest.raises(OrchError, match=says) as caught:
        converted(("user", [block]))
    assert caught.value.code == "bad_input"
    assert caught.value.message.startswith(f"messages.0.{place}:")


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "tool_use", "name": "add", "input": {}}, "id"),
        ({"type": "tool_use", "id": "c", "input": {}}, "name"),
        ({"type": "tool_use", "id": "c", "name": "add", "input": "x"}, "input"),
        ({"type": "video"}, "type"),
    ],
)
def test_a_damaged_answer_is_refused_by_name(block: Any, place: str) -> None:
    with pytest.raises(OrchError, match=rf"^messages\.0\.content\.0\.{place}:"):
        converted(("assistant", [block]))


def test_what_anthropics_servers_did_is_left_out_with_a_warning() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        text("found"),
    ]
    found = to_conversation(None, [MessageInput(role="assistant", content=blocks)])
    assert found.messages == [{"role": "assistant", "content": "found"}]
    assert [warning.split()[4] for warning in found.warnings] == [
        "server_tool_use",
        "web_search_tool_result",
    ]
