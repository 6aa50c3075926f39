"""The Task of a request: its headers, its conversation, and what each kind of client gets."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from orch.errors import OrchError
from orch.server.api.request_task import CACHE_DENIED_WARNING, ChatParams, build_request_task
from orch.server.conversations.sessions import ClientSessions
from orch.server.http.rules import Rules
from orch.text.prompt import Task
from orch.text.requested_model import ModelNames
from orch.types import ModelKey, TaskType
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served
from tests.support.peers import Uids

OTHER = os.geteuid() + 1
QUESTION = {"role": "user", "content": "hi"}
NEXT_TURN = [QUESTION, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "?"}]


def task_of(
    params: ChatParams | None = None,
    *,
    who: str = "owner",
    client: str = "",
    sessions: ClientSessions | None = None,
    **headers: str,
) -> Task:
    service = SimpleNamespace(sessions=sessions or ClientSessions(), model_names=ModelNames())
    scope = {
        "type": "http",
        "headers": [(f"x-orch-{name}".encode(), text.encode()) for name, text in headers.items()],
        "state": {"who": who, "client": client},
        "app": SimpleNamespace(state=SimpleNamespace(service=service)),
    }
    return build_request_task(
        Request(scope), params or ChatParams(model="auto", messages=[QUESTION])
    )


def test_the_fields_of_a_request_become_those_of_its_task() -> None:
    fields: dict[str, Any] = {
        "messages": [QUESTION],
        "options": {"seed": 1},
        "extra": {"weird": 2},
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_object"},
        "warnings": ("ignored",),
    }
    task = task_of(ChatParams(model="auto:coding", **fields), client="laptop")
    assert (task.task_type, task.model, task.client) == (TaskType.CODING, None, "laptop")
    assert {name: getattr(task, name) for name in fields} == {**fields, "messages": (QUESTION,)}


def test_a_named_model_is_pinned() -> None:
    assert task_of(ChatParams(model="llama", messages=[QUESTION])).model == "llama"


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "86400"])
def test_a_timeout_that_is_not_a_number_of_seconds_is_rejected(seconds: str) -> None:
    with pytest.raises(OrchError, match="is not a number of seconds") as caught:
        task_of(timeout=seconds)
    assert caught.value.code == "bad_input"


@pytest.mark.parametrize(("value", "batch"), [("batch", True), ("Batch", True), ("urgent", False)])
def test_only_batch_is_a_priority_of_its_own(value: str, batch: bool) -> None:
    assert task_of(priority=value).batch is batch


def test_the_owner_gets_a_cached_answer_on_request_or_at_temperature_zero() -> None:
    at_zero = ChatParams(model="auto", messages=[QUESTION], options={"temperature": 0})
    assert task_of().fresh
    assert not task_of(cache="use").fresh
    assert not task_of(at_zero).fresh


@pytest.mark.parametrize("who", ["stranger", "unknown"])
def test_others_get_no_cached_answer_and_are_told_so(who: str) -> None:
    task = task_of(who=who, cache="use")
    assert (task.fresh, task.warnings) == (True, (CACHE_DENIED_WARNING,))
    assert task_of(cache="use").warnings == ()


@pytest.mark.parametrize(
    ("who", "store", "retrieve"),
    [("owner", None, None), ("unknown", None, False), ("stranger", False, False)],
)
def test_memory_is_for_the_owner(who: str, store: bool | None, retrieve: bool | None) -> None:
    task = task_of(who=who)
    assert (task.store_memory, task.retrieve_context) == (store, retrieve)


def test_a_later_turn_stays_with_the_model_that_answered_the_conversation() -> None:
    sessions, model = ClientSessions(), ModelKey("ollama", "llama")
    first = task_of(sessions=sessions)
    assert first.session is not None
    sessions.record_model(first.session, model)
    later = task_of(ChatParams(model="auto", messages=NEXT_TURN), sessions=sessions)
    assert (first.stay_with, later.stay_with) == (None, model)
    assert later.session == first.session
    again = task_of(sessions=sessions)
    assert again.stay_with is None
    assert again.session != first.session


def test_a_session_of_the_client_counts_before_a_response_that_is_continued() -> None:
    chained = ChatParams(model="auto", messages=NEXT_TURN, session="api-before")
    assert task_of(chained).session == "api-before"
    named = task_of(chained, session="trip").session
    assert named == task_of(session="trip").session != "api-before"
    assert task_of(session="trip", client="laptop").session != named


@pytest.mark.parametrize(
    ("who", "client", "is_unknown"),
    [("owner", "", False), ("unknown", "", True), ("stranger", "uid 7", False)],
)
def test_who_has_no_name_and_is_not_the_owner_is_unknown(
    who: str, client: str, is_unknown: bool
) -> None:
    assert task_of(who=who, client=client).unknown_client is is_unknown


def test_who_is_unknown_has_no_session_of_the_owner() -> None:
    sessions = ClientSessions()
    names = {
        task_of(sessions=sessions, who=who, client=client, session="trip").session
        for who, client in (("owner", ""), ("unknown", ""), ("stranger", "uid 7"))
    }
    assert len(names) == 3


def test_the_cache_key_of_the_body_is_an_id_wherever_it_stands() -> None:
    key = "9b2c7f10-3d4e-4f5a-8b6c-7d8e9f0a1b2c"
    in_extra = ChatParams(model="auto", messages=[QUESTION], extra={"prompt_cache_key": key})
    beside = ChatParams(model="auto", messages=NEXT_TURN, cache_key=key)
    assert task_of(in_extra).session == task_of(beside).session


BODY: dict[str, Any] = {
    "model": CODER,
    "temperature": 0,
    "messages": [{"role": "user", "content": "Write a Python function that sorts a list"}],
}


def test_another_account_gets_no_cached_answer_and_is_not_remembered(
    ollama: FakeOllama, home: Path
) -> None:
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text("version: 1\nmemory: {recall: true}\n")
    uids = Uids(os.geteuid())
    with served(Rules(uid_of=uids)) as url:
        for uid in (os.geteuid(), OTHER):
            uids.uid = uid
            reply = httpx.post(
                f"{url}/v1/chat/completions", json=BODY, headers={"x-orch-cache": "use"}
            )
            assert reply.status_code == 200
        assert "only%20the%20account" in reply.headers["x-orch-warning"]
        uids.uid = os.geteuid()
        theirs, own = httpx.get(f"{url}/orch/runs").json()["runs"]
    assert (own["client"], own["remember"], theirs["client"], theirs["remember"]) == (
        "",
        1,
        f"uid {OTHER}",
        0,
    )
    assert len(ollama.chats()) == 2


@pytest.mark.parametrize(
    ("uid", "asked"),
    [(os.geteuid(), 1), (OTHER, 2), (None, 2)],
    ids=["owner", "stranger", "unknown"],
)
def test_only_the_owner_gets_cached_answers(
    ollama: FakeOllama, uid: int | None, asked: int
) -> None:
    uids = Uids(os.geteuid())
    with served(Rules(uid_of=uids)) as url:
        httpx.post(f"{url}/v1/chat/completions", json=BODY)
        uids.uid = uid
        httpx.post(f"{url}/v1/chat/completions", json=BODY)
    assert len(ollama.chats()) == asked
