"""The person's question, without what clients put into the user's messages."""

from __future__ import annotations

from typing import Any

import pytest

from orch.text.prompt import Task, text_to_classify
from orch.text.question import (
    CLIENT_ENDINGS,
    CLIENT_TAGS,
    CLIENT_TEXTS,
    has_other_parts,
    own_text,
    question_of,
)
from orch.text.question import without_client_texts as without
from orch.types import Message

REMINDER = "<system-reminder>\nThe list of tasks is empty.\n</system-reminder>"
ENVIRONMENT = "<environment_context>\n  <cwd>/w</cwd>\n</environment_context>"
AGENTS = "# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\nBe brief.\n</INSTRUCTIONS>"
QUESTION = "Why does the test fail?"


def user(content: Any) -> Message:
    return {"role": "user", "content": content}


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "read"}}]}
RESULT = {"role": "tool", "content": "def f(): ..."}


@pytest.mark.parametrize("tag", CLIENT_TAGS)
def test_a_clients_text_is_taken_out_at_both_ends(tag: str) -> None:
    block = f"<{tag}>\nx\n</{tag}>"
    assert without(f"{block}\n\n{block}{QUESTION}\n\n{block}\n") == QUESTION
    assert without(f"<{tag} id='1'>x</{tag}>{QUESTION}") == QUESTION
    assert without(block) == ""


@pytest.mark.parametrize("text", [AGENTS, "[Request interrupted by user for tool use]"])
def test_other_texts_of_clients_are_taken_out(text: str) -> None:
    assert without(text) == ""
    assert without(f"{text}\n{QUESTION}") in (QUESTION, f"{text}\n{QUESTION}".partition("\n")[2])


@pytest.mark.parametrize("ending", CLIENT_ENDINGS)
def test_an_ending_of_a_client_is_cut_off(ending: str) -> None:
    assert without(f"{QUESTION}{ending} in this form:\n\npath\n```\n...\n```") == QUESTION
    assert without(f"{ending}{'x' * 20_000}") == f"{ending}{'x' * 20_000}"
    assert without(f"Tell me:{ending[1:]}") == f"Tell me:{ending[1:]}"


def test_what_open_webui_found_in_documents_is_not_the_question() -> None:
    template = f"{CLIENT_TEXTS[2][0]}, with citations.\n<context>\n# a.md\n</context>\n\n"
    assert without(template + QUESTION) == QUESTION
    assert without(f"### Task:\n{QUESTION}") == f"### Task:\n{QUESTION}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        QUESTION,
        f"What does {REMINDER} mean?",
        "<system-reminder> is a tag of whom?",
        "Why is </system-reminder>",
        "<b>bold</b>",
        "# AGENTS.md instructions for me, please",
        "[Request] a < b > c",
        "> quoted\n",
    ],
)
def test_a_persons_text_stays_as_it_is(text: str) -> None:
    assert without(text) == text


def test_the_question_of_a_step_is_that_of_its_turn() -> None:
    turn = [user(ENVIRONMENT), user(QUESTION), CALL, RESULT]
    for steps in (turn[:2], turn, [*turn, user(REMINDER)], [*turn, user([part(REMINDER)])]):
        assert question_of(steps) == QUESTION
    later = [*turn, {"role": "assistant", "content": "Because."}, user([part("And now?")])]
    assert question_of(later) == "And now?"


def test_parts_of_a_message_are_read_one_by_one() -> None:
    message = user([part(REMINDER), part(QUESTION), part(AGENTS), part("Look again.")])
    assert own_text(message) == f"{QUESTION}\nLook again."


def test_an_image_alone_is_a_question_without_words() -> None:
    image = user([{"type": "image_url", "image_url": {"url": "data:,"}}])
    assert has_other_parts(image)
    assert has_other_parts(user("x") | {"images": ["QUJD"]})
    assert not has_other_parts(user([part("x")]))
    assert question_of([user(QUESTION), image]) == ""


@pytest.mark.parametrize("content", [None, 7, [], [None, 1, {"type": "text"}], {"a": 1}])
def test_content_of_any_form_is_no_error(content: Any) -> None:
    assert question_of([{"role": "user", "content": content}]) in ("", "7", "{'a': 1}")


def test_where_no_person_wrote_the_clients_text_is_classified() -> None:
    assert text_to_classify(Task(text="", messages=(user(REMINDER),))) == REMINDER
    steps = (user(QUESTION), CALL, RESULT, user(REMINDER))
    assert text_to_classify(Task(text="", messages=steps)) == QUESTION


def test_a_text_of_many_tags_is_read_in_few_steps() -> None:
    block = f"<{CLIENT_TAGS[0]}></{CLIENT_TAGS[0]}>"
    assert without(block * 200_000).startswith(block)
