"""Conversations of stateless clients: which requests belong together, and who answered last."""

from __future__ import annotations

from orch.server.stateless_conversations import (
    MAX_CONVERSATIONS,
    MAX_KEY_CHARS,
    ConversationAffinity,
    conversation_key,
)
from orch.types import Message, ModelKey

QUESTION: Message = {"role": "user", "content": "hi"}
LATER: list[Message] = [
    QUESTION,
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "and now?"},
]
MODEL = ModelKey("ollama", "llama")


def test_every_turn_of_a_conversation_has_the_same_key() -> None:
    assert conversation_key([QUESTION], "", "") == conversation_key(LATER, "", "")


def test_another_question_system_prompt_or_client_is_another_conversation() -> None:
    system: Message = {"role": "system", "content": "be brief"}
    keys = {
        conversation_key([QUESTION], "", ""),
        conversation_key([{"role": "user", "content": "ho"}], "", ""),
        conversation_key([system, QUESTION], "", ""),
        conversation_key([QUESTION], "laptop", ""),
        conversation_key([QUESTION, QUESTION], "", ""),
    }
    assert len(keys) == 5


def test_a_named_session_is_one_conversation_whatever_it_begins_with() -> None:
    assert conversation_key([QUESTION], "a", "trip") == conversation_key(LATER[2:], "a", "trip")
    assert conversation_key([QUESTION], "a", "trip") != conversation_key([QUESTION], "b", "trip")
    assert conversation_key([QUESTION], "a", "trip") != conversation_key([QUESTION], "a", "work")


def test_long_texts_are_told_apart_by_their_beginning_and_length() -> None:
    size = MAX_KEY_CHARS
    texts = ["a" * size * 2, "a" * (size * 2 + 1), "b" + "a" * (size * 2 - 1)]
    keys = {conversation_key([{"role": "user", "content": text}], "", "") for text in texts}
    assert len(keys) == 3
    same = [{"role": "user", "content": "a" * size + end} for end in "xy"]
    assert len({conversation_key([message], "", "") for message in same}) == 1


def test_half_a_character_is_no_error() -> None:
    assert conversation_key([{"role": "user", "content": "\ud800"}], "", "")


def test_the_model_that_answered_last_is_remembered() -> None:
    affinity, other = ConversationAffinity(), ModelKey("far", "llama")
    assert affinity.model_of("key") is None
    affinity.record("key", MODEL)
    affinity.record("key", other)
    assert affinity.model_of("key") == other


def test_the_conversation_that_was_answered_longest_ago_is_evicted() -> None:
    affinity = ConversationAffinity()
    for number in range(MAX_CONVERSATIONS):
        affinity.record(str(number), MODEL)
    affinity.record("0", MODEL)
    affinity.record("new", MODEL)
    assert [affinity.model_of(key) for key in ("0", "1", "2")] == [MODEL, None, MODEL]
