"""The ids that clients give their conversations, and the names of sessions."""

from __future__ import annotations

import re

import pytest

from orch.server.conversations.client_ids import (
    CLIENT_HEADERS,
    MAX_ID_CHARS,
    ClientId,
    find_client_id,
    session_name,
)
from orch.text.redact import Redactor

UUID = "9b2c7f10-3d4e-4f5a-8b6c-7d8e9f0a1b2c"


@pytest.mark.parametrize("name", CLIENT_HEADERS)
def test_each_header_is_read(name: bytes) -> None:
    assert find_client_id([(b"host", b"x"), (name, b"s1")]) == ClientId(name.decode(), "s1")


def test_the_first_of_several_counts_whatever_their_order() -> None:
    headers = [(name, name[-4:]) for name in CLIENT_HEADERS]
    for given in (headers, headers[::-1]):
        assert find_client_id(given, UUID).kind == "x-orch-session"
    assert find_client_id(headers[1:], UUID).kind == "x-session-affinity"


@pytest.mark.parametrize(
    "value", [b"", b"   ", b"x" * (MAX_ID_CHARS + 1), b"local:abc", b"temporary:abc"]
)
def test_what_is_no_id_leaves_the_word_to_the_next_one(value: bytes) -> None:
    assert find_client_id([(b"x-session-id", value)]) == ClientId()
    found = find_client_id([(b"x-session-id", value), (b"session-id", b"s1")])
    assert found == ClientId("session-id", "s1")


@pytest.mark.parametrize("key", [UUID, "ses_dd400fadfffemK5yCMMz", f"user:{UUID}:1"])
def test_a_cache_key_that_looks_like_an_id_is_one(key: str) -> None:
    assert find_client_id([], key) == ClientId("prompt_cache_key", key)


@pytest.mark.parametrize("key", ["support-bot", "v1", "code review for the backend team"])
def test_a_cache_key_that_many_conversations_may_have_is_shared(key: str) -> None:
    assert find_client_id([], key) == ClientId(shared=key)


@pytest.mark.parametrize("key", [None, "", 7, ["a"], {"a": 1}, True, "x" * (MAX_ID_CHARS + 1)])
def test_any_other_cache_key_is_none(key: object) -> None:
    assert find_client_id([], key) == ClientId()


@pytest.mark.parametrize("text", ["s1", UUID, "ses_dd400fad:1", "work in progress"])
def test_a_session_has_the_name_that_its_client_gave_it_behind_that_of_its_key(text: str) -> None:
    found = find_client_id([(b"x-orch-session", text.encode())])
    assert (session_name("", found), session_name("laptop", found)) == (text, f"laptop/{text}")


@pytest.mark.parametrize(
    "value",
    [b"a\x1b[31m", b"\x00\xff\xfe\n", "año".encode(), b"'; DROP TABLE runs; --", b"x" * 201],
)
def test_an_odd_id_stands_in_no_name(value: bytes) -> None:
    name = session_name("laptop", find_client_id([(b"x-orch-session", value)]))
    assert re.fullmatch("api-[0-9a-f]{20}", name)
    assert Redactor({}).redact_name(name) == name
    assert name != session_name("phone", find_client_id([(b"x-orch-session", value)]))


def test_another_client_or_id_is_another_session() -> None:
    ids = [ClientId("session-id", "1"), ClientId("session-id", "2"), ClientId("session-id", "ñ")]
    names = {session_name(client, each) for client in ("", "laptop", "phone") for each in ids}
    assert len(names) == 9
