"""Chores are told from what people ask, by a few words at fixed places, in bounded work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.server.chores.recognition import HEAD_CHARS, Chore, Rules
from orch.server.chores.rule_list import shipped_rules
from tests.evals.chores import PERSON, found_in, load_cases
from tests.support.untimed import untimed

CASES = list(load_cases())
TITLE = (
    '### Task:\nFind a heading.\nJSON: { "title": "…" }\n<chat_history>\nUSER: hi\n</chat_history>'
)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def recognised(*messages: Any, tools: bool = False, max_tokens: int | None = None) -> str:
    found = shipped_rules().recognise(messages, tools, max_tokens)
    return found.name if found else ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['client']} {case['chore']}")
def test_each_case_is_told(case: dict[str, Any]) -> None:
    assert found_in(shipped_rules(), case) == case["chore"]


def test_every_rule_has_a_case_that_no_other_rule_tells() -> None:
    rules = shipped_rules().rules
    chores = [case for case in CASES if case["client"] != PERSON]
    for left_out in rules:
        others = Rules([rule for rule in rules if rule is not left_out])
        assert any(found_in(others, case) != case["chore"] for case in chores), left_out.source


def test_an_open_webui_prompt_with_a_question_behind_it_is_a_persons() -> None:
    assert recognised(user(TITLE)) == "title"
    assert recognised(user(f"{TITLE}\n")) == "title"
    assert recognised(user(f"{TITLE}\nWhy does this fail with small models?")) == ""
    assert recognised(user(f"What does this do?\n{TITLE}")) == ""
    assert recognised(user("hi"), {"role": "assistant", "content": "hello"}, user(TITLE)) == ""


def test_an_agents_step_with_tools_is_none() -> None:
    assert recognised(user(TITLE), tools=True) == ""
    asked = {"role": "assistant", "content": "", "tool_calls": []}
    assert recognised(user(TITLE), asked, {"role": "tool", "content": "ok"}) == ""


def test_the_part_of_a_message_counts() -> None:
    parts = [{"type": "image_url"}, {"type": "text", "text": TITLE}, "odd", {"text": 3}]
    assert recognised(user(parts)) == "title"
    many = [{"type": "text", "text": "x"}] * 1_000
    assert recognised(user([*many, {"type": "text", "text": TITLE}])) == "title"


def test_what_stands_deep_in_a_long_text_is_not_read() -> None:
    long = "x " * HEAD_CHARS
    assert recognised({"role": "system", "content": f"{long}{SYSTEM_TITLE}"}, user("hi")) == ""
    assert recognised({"role": "system", "content": f"{SYSTEM_TITLE}{long}"}, user("hi")) == "title"


SYSTEM_TITLE = "You are a title generator. You output ONLY a thread title. "


@pytest.mark.parametrize(("limit", "name"), [(None, ""), (16, "short"), (17, ""), (0, "")])
def test_a_rule_may_ask_for_a_small_limit(limit: int | None, name: str) -> None:
    rule = next(rule for rule in shipped_rules().rules if rule.chore.name == "emoji")
    rules = Rules([rule._replace(chore=Chore("short"), max_tokens=16)])
    text = "Your task is to reflect the speaker's likely facial expression.\nMessage: ```hi```"
    found = rules.recognise([user(text)], False, limit)
    assert (found.name if found else "") == name


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "type", "role", "content"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@untimed
@given(st.lists(st.dictionaries(st.sampled_from(["role", "content"]), ANY, max_size=2), max_size=6))
def test_any_json_is_no_chore_and_no_error(messages: list[dict[str, Any]]) -> None:
    assert shipped_rules().recognise(messages, False, None) is None
