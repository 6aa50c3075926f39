"""Conversations of real clients: none is cut in two, no two are joined, and each turn has one
question and one entry of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.clients.conversations.recorded_posts import OPENINGS
from tests.clients.conversations.replay import (
    NAMES,
    Request,
    Session,
    interleaved,
    questions,
    read,
    replay,
    verdict,
    without_ids,
)
from tests.support.fake_ollama import FakeModel, FakeOllama

GIVES_IDS = ("claude", "codex", "opencode")


@pytest.fixture
def agent(ollama: FakeOllama) -> FakeModel:
    """The only model, with room for an agent's instructions."""
    for name in [*ollama.models]:
        ollama.remove(name)
    model = FakeModel("agent:8b", capabilities=["completion", "tools"], context_length=131_072)
    ollama.add(model)
    return model


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
@pytest.mark.parametrize("ids", [True, False], ids=["own ids", "without ids"])
@pytest.mark.parametrize("name", NAMES)
def test_no_two_conversations_are_joined_and_none_is_cut(
    name: str, ids: bool, at_once: bool, agent: FakeModel, url: str
) -> None:
    requests = read(name) if ids else without_ids(read(name))
    requests = interleaved(requests) if at_once else requests
    sessions = replay(url, agent, requests)
    assert verdict(sessions)[1:] == (len(OPENINGS), 0, 0)
    asked = list(questions((each for each in requests if not each.beside), OPENINGS))
    main = [each for each in sessions if not each.request.beside]
    for question, each in zip(asked, main, strict=True):
        assert each.task.strip('"\n').startswith(question)
        assert each.remember is not bool(each.request.calls)


@pytest.mark.parametrize("name", GIVES_IDS)
def test_the_ids_of_a_client_are_recorded(name: str) -> None:
    ids = {each.conversation: {*each.headers.values()} for each in read(name)}
    assert all(ids.values())
    assert not set.intersection(*ids.values())


def session(conversation: int, name: str, *, beside: bool = False) -> Session:
    request = Request(conversation, beside, "", {}, {}, 0, ())
    return Session(request, name, "", True)


def test_the_verdict_finds_what_is_joined_and_what_is_cut() -> None:
    right = [session(0, "a"), session(1, "b"), session(0, "a"), session(0, "c", beside=True)]
    assert verdict(right) == (4, 2, 0, 0)
    assert verdict([*right, session(0, "d")]) == (5, 2, 0, 1)
    assert verdict([*right, session(1, "a")]) == (5, 2, 1, 1)
    assert verdict([*right, session(1, "a", beside=True)]) == (5, 2, 1, 0)


def test_conversations_are_interleaved_and_bare_of_ids() -> None:
    one = Request(0, False, "/", {"session-id": "1"}, {"prompt_cache_key": "k", "a": 1}, 1, ())
    requests = [one, one, replace(one, conversation=1)]
    assert [each.conversation for each in interleaved(requests)] == [0, 1, 0]
    (bare, *_) = without_ids(requests)
    assert (bare.headers, bare.body) == ({}, {"a": 1})
