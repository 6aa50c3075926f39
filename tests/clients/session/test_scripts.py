"""The scripted model calls 20 tools in four questions, and knows where it is from any API's
body."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.session.scripts import (
    CLAUDE,
    CODEX,
    OPENCODE,
    QUESTIONS,
    STEPS,
    Calls,
    next_reply,
    project,
    results_of,
)


@pytest.mark.parametrize("calls", [CLAUDE, CODEX, OPENCODE], ids=["claude", "codex", "opencode"])
def test_a_session_of_four_questions_has_20_calls_and_four_answers(calls: Calls) -> None:
    results, texts = 0, []
    for _ in QUESTIONS:
        reply = next_reply(calls, results, after_result=False, folder="/w", number=1)
        while reply.tool:
            results += 1
            reply = next_reply(calls, results, after_result=True, folder="/w", number=1)
        texts.append(reply.text)
    assert results == len(QUESTIONS) * STEPS == 20
    assert len(set(texts)) == len(QUESTIONS)


def test_each_edit_finds_what_the_edits_before_it_left() -> None:
    text = project()["stock.py"]
    for question in range(len(QUESTIONS)):
        reply = next_reply(CLAUDE, question * STEPS + 1, after_result=True, folder="/w", number=1)
        assert reply.arguments["file_path"] == "/w/stock.py"
        assert text.count(reply.arguments["old_string"]) == 1
        text = text.replace(reply.arguments["old_string"], reply.arguments["new_string"])


RESULT_BLOCK = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
REMINDER = {"type": "text", "text": "<system-reminder>x</system-reminder>"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, (0, False)),
        ({"messages": [{"role": "user", "content": [RESULT_BLOCK, RESULT_BLOCK]}]}, (2, True)),
        ({"messages": [{"role": "user", "content": [RESULT_BLOCK, REMINDER]}]}, (1, True)),
        (
            {"messages": [{"role": "tool", "content": "x"}, {"role": "system", "content": "y"}]},
            (1, True),
        ),
        (
            {"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": "y"}]},
            (1, False),
        ),
        (
            {"input": [{"type": "function_call_output"}, {"type": "message", "role": "user"}]},
            (1, False),
        ),
        ({"input": [{"type": "function_call"}, {"type": "function_call_output"}]}, (1, True)),
        ({}, (0, False)),
    ],
)
def test_results_are_counted_in_every_api(body: Any, expected: tuple[int, bool]) -> None:
    assert results_of(body) == expected
