"""Sessions of clients: requests that belong together, the model of each, and bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.server.conversations import sessions as module
from orch.server.conversations.client_ids import ClientId
from orch.server.conversations.opening import MAX_MARKED
from orch.server.conversations.sessions import MAX_ALIKE, ClientSessions
from orch.types import Message, ModelKey

MODEL = ModelKey("ollama", "llama")
PREAMBLE: list[Message] = [
    {"role": "user", "content": "These are the files of the repository."},
    {"role": "assistant", "content": "Ok, I will not edit them before you ask me to."},
]


@dataclass
class Talk:
    """A conversation as a client without ids leads it."""

    sessions: ClientSessions
    messages: list[Message] = field(default_factory=list)
    client: str = ""
    system: str = ""
    names: list[str] = field(default_factory=list)

    def ask(self, text: str, answer: str, *call_ids: str) -> str:
        """One request and its answer; the name of its session."""
        self.messages.append({"role": "user", "content": text})
        return self.step(text, answer, *call_ids)

    def step(self, question: str, answer: str, *call_ids: str) -> str:
        sent = [{"role": "system", "content": self.system}, *self.messages]
        name = self.sessions.of_request(self.client, ClientId(), sent)
        self.sessions.record_answer(name, question, answer, call_ids)
        calls = [{"id": each, "function": {"name": "read"}} for each in call_ids]
        self.messages.append({"role": "assistant", "content": answer, "tool_calls": calls})
        self.messages += [{"role": "tool", "content": "7", "tool_call_id": id} for id in call_ids]
        self.names.append(name)
        return name


def test_a_conversation_keeps_its_session_while_the_instructions_change() -> None:
    talk = Talk(ClientSessions())
    for number in range(5):
        talk.system = f"It is day {number}."
        talk.ask(f"question {number}", f"answer {number}")
    assert len(set(talk.names)) == 1


def test_conversations_that_open_with_the_same_words_are_told_apart_by_their_answers() -> None:
    sessions = ClientSessions()
    talks = [Talk(sessions) for _ in range(4)]
    for number, talk in enumerate(talks):
        talk.ask("hi", f"Hello, guest {number}!")
    for talk in reversed(talks):
        talk.ask("Why is that so?", "Yes.")
        talk.ask("And now?", "No.")
    assert [len(set(talk.names)) for talk in talks] == [1] * 4
    assert len({talk.names[0] for talk in talks}) == 4


def test_conversations_that_are_equal_so_far_are_not_joined() -> None:
    sessions = ClientSessions()
    talks = [Talk(sessions) for _ in range(3)]
    for text in ("hi", "again"):
        for talk in talks:
            talk.ask(text, "Hello!")
    assert len({talk.names[1] for talk in talks}) == 3


def test_a_fixed_preamble_joins_nobody() -> None:
    sessions = ClientSessions()
    talks = [Talk(sessions, [*PREAMBLE]) for _ in range(3)]
    for number, talk in enumerate(talks):
        for text in ("Write a test.", "Why is that so?", "Thanks."):
            talk.ask(text, f"The answer to it, of conversation {number}.")
    assert [len(set(talk.names)) for talk in talks] == [1] * 3
    assert len({talk.names[0] for talk in talks}) == 3


def test_no_two_clients_share_a_session() -> None:
    sessions = ClientSessions()
    talks = [Talk(sessions, client=name) for name in ("laptop", "phone", "")]
    for text in ("hi", "again"):
        for talk in talks:
            talk.ask(text, "A long answer that is the same for all.")
    assert [len(set(talk.names)) for talk in talks] == [1] * 3
    assert len({talk.names[0] for talk in talks}) == 3
    found = ClientId("session-id", "s1")
    assert len({sessions.of_request(each, found, []) for each in ("laptop", "phone", "")}) == 3


def test_the_steps_of_parallel_agents_are_told_apart_by_their_calls() -> None:
    sessions = ClientSessions()
    talks = [Talk(sessions) for _ in range(2)]
    for number, talk in enumerate(talks):
        talk.ask("Fix the test.", "", f"call_01a22bfe69874dba6{number}_0")
    for talk in talks:
        talk.step("Fix the test.", "")
        talk.step("Fix the test.", "Done.")
    assert [len(set(talk.names)) for talk in talks] == [1, 1]
    assert talks[0].names[0] != talks[1].names[0]


def test_a_client_may_change_every_answer() -> None:
    sessions = ClientSessions()
    talk = Talk(sessions)
    for number in range(3):
        talk.ask(f"question {number}", f"answer {number}")
        talk.messages[-1] = {"role": "assistant", "content": f"Edited: {number}"}
    assert len(set(talk.names)) == 1


def test_an_edited_question_stays_in_its_conversation() -> None:
    sessions = ClientSessions()
    talk = Talk(sessions)
    talk.ask("hi", "Hello, how can I help you today?")
    for number in range(12):
        talk.messages = talk.messages[:2]
        talk.ask(f"Try {number}", "Yes.")
    assert len(set(talk.names)) == 1


def test_a_conversation_that_is_not_known_is_known_after_its_next_answer() -> None:
    talk = Talk(ClientSessions())
    talk.ask("hi", "Hello, how can I help you today?")
    talk.sessions = ClientSessions()  # as after a restart
    for text in ("one", "two", "three"):
        talk.ask(text, f"A longer answer to {text}, which nobody else gets.")
    assert len(set(talk.names[1:])) == 1


def test_a_shared_cache_key_tells_conversations_of_the_same_words_apart() -> None:
    sessions = ClientSessions()
    hi: list[Message] = [{"role": "user", "content": "hi"}]
    names = {sessions.of_request("", ClientId(shared=key), hi) for key in ("a", "b", "")}
    assert len(names) == 3


def test_the_model_that_answered_last_is_kept_also_with_an_id() -> None:
    sessions, other = ClientSessions(), ModelKey("far", "llama")
    name = sessions.of_request("", ClientId("session-id", "s1"), [])
    assert sessions.model_of(name) is None
    sessions.record_model(name, MODEL)
    sessions.record_model(name, other)
    sessions.record_answer(name, "hi", "Hello!", [])
    assert sessions.model_of(sessions.of_request("", ClientId("session-id", "s1"), [])) == other


def size(sessions: ClientSessions) -> tuple[int, int]:
    """Sessions, and entries of the index."""
    return len(sessions._sessions), sum(map(len, sessions._by_hash.values()))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 20)
    sessions = ClientSessions()
    for number in range(200):
        talk = Talk(sessions)
        for turn in range(12):
            talk.ask(f"question {turn} of {number}", f"A long answer, number {turn} of {number}.")
    kept, entries = size(sessions)
    assert kept == 20
    assert entries <= 20 * (module.MAX_HASHES + MAX_MARKED + 1)
    for _ in range(100):
        Talk(sessions).ask("hi", "Hello, how can I help you today?")
    assert max(map(len, sessions._by_hash.values())) <= MAX_ALIKE
    for number in range(30):
        sessions.of_request("", ClientId("session-id", str(number)), [])
    assert size(sessions) == (20, 0)


def test_the_session_that_was_used_longest_ago_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 3)
    sessions = ClientSessions()
    for name in ("a", "b", "c"):
        sessions.record_model(name, MODEL)
    sessions.record_model("a", MODEL)
    sessions.record_model("d", MODEL)
    assert [sessions.model_of(name) for name in "abcd"] == [MODEL, None, MODEL, MODEL]


TURNS = st.tuples(
    st.integers(0, 7),
    st.sampled_from(["hi", "Why?", "Go on."]),
    st.sampled_from(["text", "calls", "text and calls"]),
)


@given(
    st.lists(TURNS, max_size=60),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.lists(st.sampled_from(["", "laptop"]), min_size=8, max_size=8),
)
@settings(deadline=None)
def test_conversations_of_any_course_are_neither_joined_nor_cut(
    turns: list[tuple[int, str, str]], has_preamble: list[bool], clients: list[str]
) -> None:
    """Few questions, so that many are equal; the answers alone differ, as those of a model do."""
    sessions = ClientSessions()
    talks = [
        Talk(sessions, [*PREAMBLE] if preamble else [], client)
        for preamble, client in zip(has_preamble, clients, strict=True)
    ]
    for number, (which, question, kind) in enumerate(turns):
        talk, text = talks[which], f"Answer {number}." if "text" in kind else ""
        talk.system = f"It is {number} o'clock."
        talk.ask(question, text, *([f"call_{number:018x}_0"] if "calls" in kind else ()))
    used = [talk for talk in talks if talk.names]
    assert [len(set(talk.names)) for talk in used] == [1] * len(used)
    assert len({talk.names[0] for talk in used}) == len(used)
