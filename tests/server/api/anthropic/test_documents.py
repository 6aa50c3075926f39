"""Documents that are no text, in a conversation that goes on."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import anthropic
import httpx
import pytest

from orch.server.api.anthropic.documents import LEFT_OUT, MAX_NAME_CHARS, replace_documents
from orch.server.api.anthropic.schemas import MessageInput
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama

PDF: dict[str, Any] = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
}
NOTE = "[The document (application/pdf) was left out: only its text could be read here.]"
QUESTION = {"type": "text", "text": "What is it?"}


def result(*content: Any) -> dict[str, Any]:
    """A tool's result."""
    return {"type": "tool_result", "tool_use_id": "c1", "content": list(content)}


def replaced(*turns: tuple[str, Any]) -> tuple[list[Any], tuple[str, ...]]:
    """What is left of each turn, and the warnings."""
    messages = [MessageInput(role=role, content=content) for role, content in turns]  # type: ignore[arg-type]
    found, warnings = replace_documents(messages)
    return [each.content for each in found], warnings


@pytest.mark.parametrize(
    ("turns", "index"),
    [
        ([("user", [QUESTION, PDF]), ("assistant", "A form"), ("user", "Why?")], 0),
        ([("user", [result(), PDF])], 0),
        ([("user", "hi"), ("assistant", "ho"), ("user", [result(QUESTION), PDF])], 2),
    ],
)
def test_a_document_of_an_earlier_turn_or_of_a_tool_is_a_line_of_text(
    turns: list[tuple[str, Any]], index: int
) -> None:
    contents, warnings = replaced(*turns)
    assert contents[index][1] == {"type": "text", "text": NOTE}
    assert warnings == (LEFT_OUT,)


def test_a_document_within_a_result_is_a_line_of_text() -> None:
    contents, warnings = replaced(("user", [result(QUESTION, PDF)]))
    assert contents[0][0]["content"] == [QUESTION, {"type": "text", "text": NOTE}]
    assert warnings == (LEFT_OUT,)


@pytest.mark.parametrize(
    "turns",
    [
        [("user", [PDF, QUESTION])],
        [("user", [PDF, QUESTION]), ("assistant", "It is ")],
        [("user", [{"type": "document", "source": {"type": "text", "data": "x"}}]), ("user", "?")],
        [("user", [{"type": "document"}, {"type": "document", "source": 5}]), ("user", "?")],
        [("assistant", [PDF]), ("user", "?")],
    ],
)
def test_the_question_and_what_is_text_or_malformed_stay(turns: list[tuple[str, Any]]) -> None:
    assert replaced(*turns) == ([content for _, content in turns], ())


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({**PDF, "title": "The\nform"}, "'The form' (application/pdf)"),
        ({**PDF, "title": "x" * 9_999}, f"'{'x' * MAX_NAME_CHARS}' (application/pdf)"),
        ({**PDF, "source": {"type": "url", "url": "https://example.com"}}, "(from a URL)"),
        ({**PDF, "title": 5, "source": {"type": "file", "file_id": "f"}}, "(a stored file)"),
    ],
)
def test_the_line_names_the_document(document: Any, named: str) -> None:
    contents, _ = replaced(("user", [document]), ("user", "?"))
    assert contents[0][0]["text"].startswith(f"[The document {named} was left out")


def test_a_conversation_that_read_a_pdf_goes_on(
    claude: anthropic.Anthropic, url: str, ollama: FakeOllama
) -> None:
    turns: Any = [{"role": "user", "content": [PDF, QUESTION]}]
    with pytest.raises(anthropic.BadRequestError, match="send its text"):
        claude.messages.create(model=CODER, max_tokens=9, messages=turns)
    turns += [{"role": "assistant", "content": "I see"}, {"role": "user", "content": "Go on"}]
    body = {"model": CODER, "max_tokens": 9, "messages": turns}
    response = httpx.post(f"{url}/v1/messages", json=body, timeout=30)
    assert response.status_code == 200
    assert unquote(response.headers["x-orch-warning"]) == LEFT_OUT
    assert ollama.chats()[-1].body["messages"][0]["content"] == f"{NOTE}\n\nWhat is it?"
