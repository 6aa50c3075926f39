"""What a server is thought to hold, and what it teaches by what it read."""

from __future__ import annotations

from typing import Any

from orch.routing.prompt_cache.held_prompts import (
    MAX_HELD,
    MAX_LINKS,
    REST_S,
    TURN_S,
    HeldPrompt,
    HeldPrompts,
    Match,
    NewPrompt,
)
from orch.routing.prompt_cache.slots import Worth
from orch.text.prompt import Task, prepare_task
from orch.text.prompt_chain import answer_hash, prompt_chain

LONG = "a long text of many words " * 40


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": f"{text} {LONG}"}


def prompt(name: str, *more: str, session: str = "", is_chore: bool = False) -> NewPrompt:
    """A conversation that begins with a system prompt of that name, then user and assistant in
    turns."""
    roles = ("user", "assistant") * len(more)
    messages = [message("system", name), *map(message, roles, more)]
    chain = prompt_chain(prepare_task(Task(text="", messages=tuple(messages))))
    assert chain is not None
    return NewPrompt(chain, messages, session, is_chore)


def held(new: NewPrompt, at: float = 0.0, answer: str = "", **fields: Any) -> HeldPrompt:
    known = answer_hash(f"{answer} {LONG}", 0) if answer else 0
    return HeldPrompt(new.chain, at, known, new.session, is_chore=new.is_chore, **fields)


def best(server: HeldPrompts, new: NewPrompt, *, trusted: bool = True) -> Match | None:
    return server.best(new, trusted=trusted)


def test_the_next_turn_finds_the_prompt_before_and_its_answer() -> None:
    server, first = HeldPrompts(), prompt("agent", "q1")
    server.add(held(first, answer="a1"), None)
    match = best(server, prompt("agent", "q1", "a1", "q2"))
    assert match is not None
    assert match.continues
    assert match.shared == prompt("agent", "q1", "a1").chain.size
    other = best(server, prompt("agent", "q1", "another answer", "q2"))
    assert other is not None
    assert (other.continues, other.shared) == (True, first.chain.size)


def test_another_conversation_shares_the_system_prompt_and_does_not_continue() -> None:
    server = HeldPrompts()
    server.add(held(prompt("agent", "q1")), None)
    match = best(server, prompt("agent", "other"))
    assert match is not None
    assert not match.continues
    assert match.shared == prompt("agent").chain.size
    assert best(server, prompt("other", "q1")) is None


def test_a_session_that_asks_otherwise_still_continues_its_own_prompt() -> None:
    server = HeldPrompts()
    server.add(held(prompt("agent", "q1", "a1", "q2", session="s")), None)
    edited = prompt("agent", "q1", "a1", "other", session="s")
    assert (match := best(server, edited)) is not None
    assert match.continues
    stranger = best(server, edited._replace(session="t"))
    assert stranger is not None
    assert not stranger.continues


def test_as_many_prompts_are_trusted_as_it_has_slots() -> None:
    server = HeldPrompts(2)
    for name in ("one", "two", "three"):
        server.add(held(prompt(name, "q")), None)
    found = [best(server, prompt(name, "q", "a", "q2")) for name in ("one", "two", "three")]
    assert [each is not None for each in found] == [False, True, True]
    assert best(server, prompt("one", "q", "a", "q2"), trusted=False) is not None


def test_the_continued_prompt_makes_room_for_its_continuation() -> None:
    server, first = HeldPrompts(), held(prompt("agent", "q1"))
    server.add(first, None)
    server.add(held(prompt("agent", "q1", "a1", "q2")), first)
    assert len(server.prompts) == 1


def test_no_more_than_some_prompts_are_kept() -> None:
    server = HeldPrompts()
    for number in range(MAX_HELD + 5):
        server.add(held(prompt(str(number), "q")), None)
    assert len(server.prompts) == MAX_HELD
    assert server.prompts[0].chain == prompt(str(MAX_HELD + 4), "q").chain


def test_long_conversations_leave_room_for_few_others() -> None:
    server, talk = HeldPrompts(), prompt("agent", *["q"] * 5_001)
    links = len(talk.chain.hashes)
    for _ in range(12):
        server.add(held(talk), None)
    assert len(server.prompts) == MAX_LINKS // links
    server.add(held(prompt("other", *["q"] * 19_000)), None)
    assert server.prompts[0].chain != talk.chain
    assert sum(len(each.chain.hashes) for each in server.prompts) <= MAX_LINKS


def test_a_server_that_reads_everything_again_holds_nothing() -> None:
    server, again = HeldPrompts(), prompt("agent", "q1", "a1", "q2")
    server.add(held(prompt("agent", "q1")), None)
    match = best(server, again)
    assert match is not None
    server.learn(match, 1.0)
    server.add(held(again), None)
    third = prompt("agent", "q1", "a1", "q2", "a2", "q3")
    assert best(server, third) is None
    match = best(server, third, trusted=False)
    assert match is not None
    server.learn(match, 0.2)  # it does keep prompts after all
    assert best(server, third) is not None


def test_a_server_that_keeps_more_than_its_slots_is_trusted_with_more() -> None:
    server = HeldPrompts(1)
    for name in ("one", "two", "three"):
        server.add(held(prompt(name, "q")), None)
    old = prompt("one", "q", "a", "q2")
    match = best(server, old, trusted=False)
    assert match is not None
    assert match.place == 2
    server.learn(match, 0.3)
    assert best(server, old) is not None


def test_another_conversation_that_is_read_whole_says_nothing_of_the_first_one() -> None:
    server, other = HeldPrompts(4), prompt("agent", "other", "a", "q")
    server.add(held(prompt("agent", "q1")), None)
    match = best(server, other)
    assert match is not None
    server.learn(match, 1.0)
    assert (server.depth, len(server.prompts)) == (4, 1)
    match = best(server, prompt("agent", "q1", "a1", "q2"))
    assert match is not None
    server.learn(match, 1.0)
    assert (server.depth, len(server.prompts)) == (0, 0)


def test_nothing_is_learned_where_nothing_is_told_or_little_was_held() -> None:
    server, again = HeldPrompts(), prompt("agent", "q1", "a1", "q2")
    server.add(held(prompt("agent", "q1")), None)
    match = best(server, again)
    assert match is not None
    server.learn(match, None)
    server.learn(match._replace(shared=100), 1.0)
    assert best(server, again) == match


def test_what_is_lost_with_a_prompt() -> None:
    question, talk = held(prompt("a", "q")), held(prompt("a", "q", "a", "q2"))
    assert (question.worth(1.0), talk.worth(1.0)) == (Worth.QUESTION, Worth.CONVERSATION)
    in_turn = question._replace(is_in_turn=True)
    assert (in_turn.worth(1.0), in_turn.worth(TURN_S + 1)) == (Worth.TURN, Worth.QUESTION)
    assert talk.worth(REST_S + 1) == Worth.NOTHING
    assert held(prompt("a", "q", "a", "q2", is_chore=True)).worth(1.0) == Worth.NOTHING


def test_idle_slots_tell_what_is_in_them() -> None:
    server = HeldPrompts(3)
    server.add(held(prompt("one", "q1"), 1.0, slot=0), None)
    server.add(held(prompt("two", "q1", "a1", "q2"), 2.0, slot=1), None)
    server.busy.add(1)
    new = prompt("one", "q1", "a1", "q2")
    first, empty = server.idle_slots(new, range(3), 3.0)
    assert (first.number, first.continues, first.used_at) == (0, True, 1.0)
    assert first.shared == prompt("one", "q1").chain.size == first.size
    assert (empty.number, empty.worth, empty.size) == (2, Worth.NOTHING, 0)
    server.empty(0)
    assert server.idle_slots(None, range(1), 3.0)[0].size == 0


def test_a_slot_holds_one_prompt() -> None:
    server = HeldPrompts(2)
    server.add(held(prompt("one", "q"), slot=0), None)
    server.add(held(prompt("two", "q"), slot=0), None)
    assert [each.slot for each in server.prompts] == [0, None]
