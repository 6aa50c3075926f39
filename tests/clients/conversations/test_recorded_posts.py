"""Recorded conversations hold what tells them apart, and no word of their authors."""

from __future__ import annotations

import json

import pytest

from orch.types import Message
from tests.clients.conversations.recorded_posts import (
    OPENINGS,
    Shaper,
    another_id,
    filled,
    is_kept,
    texts_of,
)
from tests.clients.conversations.replay import NAMES, RECORDED, read
from tests.clients.scene import Post

MOST_BYTES = 60_000
ANSWER = "A mutex is a lock that one thread holds at a time. (7)"
PROSE = "Do what the user says, and nothing else."
AGENTS = ("claude", "codex", "opencode", "qwen", "continue", "aider")
QUESTION = OPENINGS[0][0]


def post(*messages: Message, tools: int = 1) -> Post:
    body = {"model": "auto", "messages": list(messages), "tools": [{}] * tools}
    headers = {"x-session-id": "ses_Ab12", "authorization": "Bearer secret"}
    return Post("/v1/chat/completions", headers, body)


ASKED: Message = {
    "role": "user",
    "content": f'<system-reminder>{PROSE}</system-reminder>\n"{QUESTION}"',
}
CALL = {"name": "write", "arguments": '{"a": "b"}'}
CALLS = [{"id": f"call_{'0' * 18}_0", "function": CALL}]
ANSWERED: Message = {"role": "assistant", "content": f"\n{ANSWER}\n\n", "tool_calls": CALLS}


def test_texts_become_their_length_and_a_number_and_the_tests_own_stay() -> None:
    said: Message = {"role": "user", "content": PROSE}
    posts = [post(ASKED), post(ASKED, tools=0), post(ASKED, ANSWERED, said)]
    first, beside, last = Shaper().conversation(posts)
    assert (first["answer"], first["calls"]) == ("7", [f"{'0' * 18}_0"])
    assert [each["beside"] for each in (first, beside, last)] == [False, True, False]
    messages = filled(last["body"])["messages"]
    assert messages[0]["content"].endswith(f'</system-reminder>\n"{QUESTION}"')
    assert messages[0]["content"].startswith("<system-reminder>0 lorem")
    assert messages[1]["content"] == f"\n{ANSWER}\n\n"
    assert messages[2]["content"] in messages[0]["content"]  # the same text, the same number
    assert len(messages[2]["content"]) == len(PROSE)
    assert PROSE not in json.dumps(last)
    assert last["headers"].keys() == {"x-session-id"}


@pytest.mark.parametrize("text", ["ses_dd400fAB", "9b2c7f10-3d4e-4f5a-8b6c-7d8e9f0a1b2c"])
def test_an_id_becomes_another_of_the_same_form(text: str) -> None:
    other = another_id(text)
    assert other == another_id(text) != text
    assert [each.isdigit() or each.isalpha() for each in other] == [
        each.isdigit() or each.isalpha() for each in text
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_short_and_holds_no_prose(name: str) -> None:
    path = RECORDED / f"{name}.jsonl"
    assert path.stat().st_size < MOST_BYTES
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    texts = [text for line in lines for text in texts_of(line["body"])]
    assert [text for text in texts if not is_kept(text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_has_every_turn_of_every_conversation(name: str) -> None:
    requests = read(name)
    for number, questions in enumerate(OPENINGS):
        sent = [json.dumps(each.body) for each in requests if each.conversation == number]
        assert len(sent) >= len(questions)
        assert all(question in sent[-1] for question in questions)


def test_the_agents_are_recorded_with_a_call_of_a_tool() -> None:
    calling = {name for name in NAMES if any(each.calls for each in read(name))}
    assert set(AGENTS) - {"aider"} <= calling
    assert set(AGENTS) <= set(NAMES)
