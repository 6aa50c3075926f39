"""Prompts as chains: those that begin alike share their first links, and no others do."""

from __future__ import annotations

from typing import Any

from orch.text.prompt import Task, prepare_task
from orch.text.prompt_chain import (
    MAX_CHAIN,
    PromptChain,
    answer_hash,
    common_links,
    prompt_chain,
    repeated_answer,
)
from orch.text.raw_prompt import RawPrompt

SYSTEM = {"role": "system", "content": "Be brief."}
FIRST = {"role": "user", "content": "What is a mutex?"}
ANSWER = {"role": "assistant", "content": "A lock."}
SECOND = {"role": "user", "content": "And a semaphore?"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def chain(*messages: dict[str, Any], **fields: Any) -> PromptChain:
    made = prompt_chain(prepare_task(Task(text="", messages=messages, **fields)))
    assert made is not None
    return made


def test_a_turn_shares_all_links_of_the_turn_before() -> None:
    one, two = chain(SYSTEM, FIRST), chain(SYSTEM, FIRST, ANSWER, SECOND)
    assert (common_links(one, two), common_links(two, one)) == (3, 3)
    assert two.hashes[:3] == one.hashes
    assert list(two.sizes) == sorted(two.sizes)
    assert two.size > one.size == two.sizes[2]


def test_what_follows_another_beginning_shares_nothing() -> None:
    whole = chain(SYSTEM, FIRST, ANSWER, SECOND)
    other = {**SYSTEM, "content": "Be long."}
    assert common_links(whole, chain(other, FIRST, ANSWER, SECOND)) == 1
    assert common_links(whole, chain(SYSTEM, FIRST, ANSWER, SECOND, tools=[TOOL])) == 0
    assert common_links(whole, chain(SYSTEM, FIRST, SECOND)) == 3


def test_the_order_of_keys_counts_as_templates_write_them_in_order() -> None:
    turned = {"content": FIRST["content"], "role": "user"}
    assert common_links(chain(FIRST), chain(turned)) == 1


def test_clients_share_no_link() -> None:
    assert common_links(chain(SYSTEM, FIRST), chain(SYSTEM, FIRST, client="other")) == 0


def test_who_is_unknown_shares_no_link_with_the_owner() -> None:
    stranger = chain(SYSTEM, FIRST, unknown_client=True)
    assert common_links(chain(SYSTEM, FIRST), stranger) == 0


def test_every_number_of_common_links_is_found() -> None:
    messages = [{"role": "user", "content": str(number)} for number in range(40)]
    whole = chain(*messages)
    for place in range(len(messages)):
        changed = [*messages[:place], {"role": "user", "content": "other"}, *messages[place + 1 :]]
        assert common_links(whole, chain(*changed)) == place + 1


def test_the_last_link_can_be_left_out() -> None:
    assert chain(SYSTEM, FIRST).without_last() == chain(SYSTEM)


def test_what_has_no_chain() -> None:
    deep: Any = []
    for _ in range(3_000):
        deep = [deep]
    tasks = (
        Task(text=""),
        Task(text="", messages=(FIRST,), raw=RawPrompt("x")),
        Task(text="", messages=({"role": "user", "content": deep},)),
        Task(text="", messages=({"role": "user", "content": object()},)),
        Task(text="", messages=(FIRST,) * MAX_CHAIN),
    )
    prepared = [prepare_task(task) for task in tasks[:2]]
    prepared += [
        prepared[0]._replace(task=task, messages=list(task.messages)) for task in tasks[2:]
    ]
    assert [prompt_chain(each) for each in prepared] == [None] * len(tasks)


def test_an_answer_is_known_again_by_its_text_and_calls() -> None:
    call = {"function": {"name": "look", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        FIRST,
        ANSWER,
        {**ANSWER, "tool_calls": [call]},
        {"role": "assistant"},
    ]
    assert repeated_answer(messages, 1) == answer_hash(" A lock.\n", 0) != 0
    assert repeated_answer(messages, 2) == answer_hash("A lock.", 1) != answer_hash("A lock.", 0)
    assert [repeated_answer(messages, place) for place in (0, 3, 4)] == [0, 0, 0]
    assert answer_hash(" ", 0) == 0
