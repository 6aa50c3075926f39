"""What a client gives a tool: checked by its schema, turned into the fields of a task."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import OrchError
from orch.mcp.arguments import check_arguments, note_arguments, search_arguments, task_fields


@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("ask", {}, "'task' is a required property"),
        ("ask", {"task": ""}, "task: is empty"),
        ("ask", {"task": "x" * 1_000_001}, "task: is over 1,000,000 characters long"),
        ("ask", {"task": ["x"]}, "task: must be of the type string"),
        ("ask", {"task": "x", "type": "cooking"}, "type: must be one of coding, reasoning"),
        ("ask", {"task": "x", "max_tokens": 0}, "max_tokens: must be at least 1"),
        ("ask", {"task": "x", "max_tokens": 2_000_000}, "must be at most 1,000,000"),
        ("ask", {"task": "x", "path": "/etc/passwd"}, "'path' was unexpected"),
        ("ask", {"task": "x", "context": [{"text": "a"}] * 101}, "context: has more than 100"),
        ("ask", {"task": "x", "context": [{"name": "a"}]}, "context.0: 'text' is a required"),
        ("models", {"all": True}, "'all' was unexpected"),
        ("memory_search", {"query": "a", "limit": 51}, "limit: must be at most 50"),
    ],
)
def test_a_fault_names_the_field_and_what_is_allowed(
    name: str, arguments: dict[str, Any], fault: str
) -> None:
    with pytest.raises(OrchError) as caught:
        check_arguments(name, arguments)
    assert fault in caught.value.message
    assert caught.value.hint.startswith(f"{name} takes: ")
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("arguments", [{"text": "a \ud800"}, {"text": "a", "title": "\udc00"}])
def test_half_a_character_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(OrchError, match="half a character"):
        check_arguments("memory_add", arguments)


def test_a_list_that_is_too_long_is_not_read() -> None:
    class Unread(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("a million of faults would hold the server for minutes")

    with pytest.raises(OrchError, match="more than 100 items"):
        check_arguments("ask", {"task": "x", "context": Unread([1] * 101)})


def test_a_task_has_the_fields_that_were_given() -> None:
    given = {
        "task": "sum it up",
        "system": "be brief",
        "context": [{"name": "a.txt", "text": "A"}, {"text": "B"}],
        "model": "small",
        "type": "writing",
        "profile": "speed",
        "session": "trip",
        "max_tokens": 7,
    }
    check_arguments("ask", given)
    assert task_fields(given) == {
        "text": "sum it up",
        "system_prompt": "be brief",
        "attachments": [{"name": "a.txt", "text": "A"}, {"name": "", "text": "B"}],
        "model": "small",
        "task_type": "writing",
        "profile": "speed",
        "session": "trip",
        "options": {"max_tokens": 7},
    }
    assert task_fields({"task": "hi"}) == {"text": "hi"}


def test_whole_numbers_may_have_a_point() -> None:
    asked, sought = {"task": "x", "max_tokens": 5.0}, {"query": "a", "limit": 3.0}
    check_arguments("ask", asked)
    check_arguments("memory_search", sought)
    options = task_fields(asked)["options"]
    assert repr((options, search_arguments(sought)["k"])) == "({'max_tokens': 5}, 3)"


def test_a_task_of_blanks_is_none() -> None:
    with pytest.raises(OrchError, match="task: is empty"):
        task_fields({"task": " \n"})


def test_memory_gets_the_arguments_of_its_operations() -> None:
    assert search_arguments({"query": "a", "limit": 3, "type": "coding"}) == {
        "query": "a",
        "k": 3,
        "kind": "coding",
    }
    assert search_arguments({"query": "a"})["k"] == 5
    note = {"texts": [{"title": None, "text": "b"}], "session": ""}
    assert note_arguments({"text": "b"}) == note
