"""Clients' chores over a real socket: they disturb no running session, and nothing is kept of them
but a marked run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import CODER, LLAMA, ROOM
from tests.support.fake_llama_server import FakeLlamaServer, ServedModel
from tests.support.fake_ollama import FakeModel, FakeOllama, full_name
from tests.support.http_server import served

QUESTION = "How is the database restored?"
ANSWER = "Copy the dump back."
CALL = {"function": {"name": "look", "arguments": {}}}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
AGENT = {"x-orch-session": "agent"}


def chore(key: str) -> str:
    """A request as Open WebUI makes it of a chat."""
    return (
        f'### Task:\nSay it in short.\n### Output:\nJSON format: {{ "{key}": "…" }}\n'
        f"<chat_history>\nUSER: {QUESTION}\nASSISTANT: {ANSWER}\n</chat_history>"
    )


TITLE = chore("title")
CHORES = {"title": TITLE, "tags": chore("tags"), "follow_ups": chore("follow_ups")}


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """An Ollama with one agent's model, which is loaded, and a small one."""
    agent = FakeModel(CODER, reply=[ANSWER], capabilities=["completion", "tools"])
    with FakeOllama([agent, FakeModel(LLAMA, reply=["short"], size=1_000_000_000)]) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.fixture
def one_slot(ollama: FakeOllama, home: Path) -> Iterator[httpx.Client]:
    """The server in front of it: its models answer one request at a time."""
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(ROOM)
    provider = f"ollama: {{kind: ollama, base_url: {ollama.url}, parallel: 1}}"
    (home / "models.yaml").write_text(f"version: 1\nproviders: {{{provider}}}\n")
    with served() as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
def plain(url: str) -> Iterator[httpx.Client]:
    """The server with the usual slots."""
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def ask(client: httpx.Client, text: str, model: str = "auto", **headers: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return client.post("/v1/chat/completions", json=body, headers=headers)


def load(client: httpx.Client, *names: str) -> None:
    for name in names:
        assert ask(client, "Which day is it?", name).is_success


def runs(client: httpx.Client) -> list[dict[str, Any]]:
    """The runs, the first one first."""
    rows: list[dict[str, Any]] = client.get("/orch/runs").json()["runs"]
    return rows[::-1]


# ---------------------------------------------------------------- beside a running session


class Agent:
    """A session that calls a tool, and goes on when it has run."""

    def __init__(self, client: httpx.Client, ollama: FakeOllama) -> None:
        self._client, self._model = client, ollama.models[full_name(CODER)]
        self._messages: list[dict[str, Any]] = [{"role": "user", "content": "Restore it."}]

    def step(self, *, calls: bool) -> httpx.Response:
        self._model.tool_calls = [CALL] if calls else []
        body = {"model": CODER, "messages": self._messages, "tools": TOOLS}
        answer = self._client.post("/v1/chat/completions", json=body, headers=AGENT)
        message = answer.json()["choices"][0]["message"]
        self._messages.append(message)
        for call in message.get("tool_calls") or ():
            result = {"role": "tool", "tool_call_id": call["id"], "content": "ok"}
            self._messages.append(result)
        return answer


def test_open_webuis_chores_wait_for_the_end_of_an_agents_turn(
    one_slot: httpx.Client, ollama: FakeOllama
) -> None:
    ollama.remove(LLAMA)
    agent = Agent(one_slot, ollama)
    agent.step(calls=True)
    answers: dict[str, httpx.Response] = {}

    def request(name: str) -> None:
        answers[name] = ask(one_slot, CHORES[name])

    threads = [threading.Thread(target=request, args=(name,)) for name in CHORES]
    for thread in threads:
        thread.start()
    waiting = wait_until(one_slot, lambda queue: len(queue["waiting"]) == 3)
    assert {each["priority"] for each in waiting["waiting"]} == {"chore"}
    assert (len(ollama.asked(CODER)), answers) == (1, {})
    agent.step(calls=False)
    for thread in threads:
        thread.join(30)
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        CHORES, 200
    )
    texts = [request.body["messages"][-1]["content"] for request in ollama.asked(CODER)]
    assert texts[:2] == ["Restore it.", "ok"]
    assert sorted(texts[2:]) == sorted(CHORES.values())


def test_the_last_answer_of_a_helper_ends_no_turn_of_its_agent(
    one_slot: httpx.Client, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claude Code's have the agent's session."""
    monkeypatch.setattr("orch.routing.machine.admission.CHORE_TIMEOUT_S", 0.05)
    agent = Agent(one_slot, ollama)
    agent.step(calls=True)
    ollama.models[full_name(CODER)].tool_calls = []
    assert ask(one_slot, "Where is the dump?", CODER, **AGENT).is_success
    assert ask(one_slot, TITLE, CODER).status_code == 503
    agent.step(calls=False)
    assert ask(one_slot, TITLE, CODER).is_success


def wait_until(client: httpx.Client, condition: Any) -> dict[str, Any]:
    """The queue of the Ollama once it is as it should be."""
    for _ in range(600):
        queue = client.get("/orch/health").json()["queue"]["providers"]["ollama"]
        if condition(queue):
            return dict(queue)
        threading.Event().wait(0.05)
    raise AssertionError(queue)


BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": TITLE}]},
    "/v1/responses": {"input": TITLE},
    "/v1/messages": {"max_tokens": 99, "messages": [{"role": "user", "content": TITLE}]},
    "/api/chat": {"stream": False, "messages": [{"role": "user", "content": TITLE}]},
    "/api/generate": {"stream": False, "prompt": TITLE},
}


@pytest.mark.parametrize("path", BODIES)
def test_a_chore_that_waited_in_vain_gets_503_in_the_form_of_its_api(
    one_slot: httpx.Client, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("orch.routing.machine.admission.CHORE_TIMEOUT_S", 0.05)
    Agent(one_slot, ollama).step(calls=True)
    answer = one_slot.post(path, json={"model": CODER, **BODIES[path]})
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert "in the middle of a turn" in answer.text
    assert "send x-orch-chore: none" in answer.text
    assert "failed" not in answer.text
    kind = answer.json()
    if path == "/v1/messages":
        assert kind["error"]["type"] == "overloaded_error"
    elif path.startswith("/api/"):
        assert isinstance(kind["error"], str)
    else:
        assert kind["error"]["code"] == "turn_in_progress"
    assert [run["chore"] for run in runs(one_slot)] == [None, "title"]


def test_a_chore_goes_to_the_loaded_model_that_no_session_uses(
    plain: httpx.Client, ollama: FakeOllama
) -> None:
    load(plain, CODER, LLAMA)
    Agent(plain, ollama).step(calls=True)
    loads = ollama.loads
    answers = [ask(plain, text) for text in CHORES.values()]
    assert [answer.headers["x-orch-model"] for answer in answers] == [LLAMA] * 3
    assert [answer.headers["x-orch-chore"] for answer in answers] == list(CHORES)
    assert ollama.loads == loads


def test_a_chore_loads_no_second_model(plain: httpx.Client, ollama: FakeOllama) -> None:
    load(plain, CODER)
    assert ask(plain, TITLE).headers["x-orch-model"] == CODER
    assert ollama.loads == 1


def test_a_named_model_keeps_its_chore(plain: httpx.Client) -> None:
    load(plain, CODER)
    answer = ask(plain, TITLE, LLAMA)
    assert (answer.headers["x-orch-model"], answer.headers["x-orch-chore"]) == (LLAMA, "title")


def test_a_summary_of_the_conversation_stays_with_its_model(plain: httpx.Client) -> None:
    load(plain, CODER, LLAMA)
    headers = {"x-orch-session": "long"}
    first = {"role": "user", "content": "Sort a list in Python"}
    body = {"model": "auto:coding", "messages": [first]}
    answer = plain.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.headers["x-orch-model"] == CODER
    said = answer.json()["choices"][0]["message"]
    summary = "You are performing a CONTEXT CHECKPOINT COMPACTION. Say what is to be done."
    messages = [first, said, {"role": "user", "content": summary}]
    body = {"model": "auto", "messages": messages, "tools": TOOLS}
    answer = plain.post("/v1/chat/completions", json=body, headers=headers)
    assert (answer.headers["x-orch-model"], answer.headers["x-orch-chore"]) == (CODER, "summary")
    assert [run["remember"] for run in runs(plain)[-2:]] == [1, 0]


def test_a_chore_changes_no_sessions_model(plain: httpx.Client) -> None:
    load(plain, CODER, LLAMA)
    body = {"model": "auto:coding", "messages": [{"role": "user", "content": "Sort a list"}]}
    headers = {"x-orch-session": "s"}
    assert plain.post("/v1/chat/completions", json=body, headers=headers).is_success
    assert ask(plain, TITLE, **headers).headers["x-orch-model"] == LLAMA
    said = [{"role": "assistant", "content": "done"}, {"role": "user", "content": "and why?"}]
    body = {"model": "auto", "messages": [*body["messages"], *said]}
    answer = plain.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.headers["x-orch-model"] == CODER


# ---------------------------------------------------------------- what is kept of them


def test_memory_finds_the_question_alone(plain: httpx.Client) -> None:
    ask(plain, QUESTION)
    for text in CHORES.values():
        assert ask(plain, text).is_success
    found = plain.post("/orch/memory/search", json={"query": QUESTION}).json()
    assert [hit["task"] for hit in found["result"]["hits"]] == [QUESTION]
    assert [run["chore"] for run in runs(plain)] == [None, *CHORES]


def test_chores_count_as_runs_and_as_no_type_of_task(plain: httpx.Client) -> None:
    ask(plain, QUESTION)
    before = plain.get("/orch/stats").json()
    for text in CHORES.values():
        ask(plain, text)
    after = plain.get("/orch/stats").json()
    assert after["types"] == before["types"]
    assert after["chores"] == {"follow_ups": 1, "tags": 1, "title": 1}
    counts = [sum(each["runs"] for each in told["models"].values()) for told in (before, after)]
    assert counts == [1, 4]
    kept = {(run["task_type"], run["confidence"]) for run in runs(plain)[1:]}
    assert kept == {(None, None)}
    assert 'task_type="chore"' in plain.get("/metrics").text


def test_the_last_run_to_rate_is_a_persons_and_a_chore_is_not_rated(plain: httpx.Client) -> None:
    asked = ask(plain, QUESTION).headers["x-orch-run-id"]
    title = ask(plain, TITLE).headers["x-orch-run-id"]
    assert plain.get("/orch/runs/last").json()["run"]["run_id"] == asked
    refused = plain.post("/orch/rate", json={"run_id": title, "word": "good"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "usage")


# ---------------------------------------------------------------- the header


def test_the_header_names_a_chore_or_denies_one(plain: httpx.Client) -> None:
    named = ask(plain, "Which words tell it?", **{"x-orch-chore": "Keywords"})
    denied = ask(plain, TITLE, **{"x-orch-chore": "none"})
    assert named.headers["x-orch-chore"] == "keywords"
    assert "x-orch-chore" not in denied.headers
    assert [run["chore"] for run in runs(plain)] == ["keywords", None]
    assert [run["remember"] for run in runs(plain)] == [0, 1]


def test_a_header_that_is_no_name_is_refused(plain: httpx.Client) -> None:
    answer = ask(plain, QUESTION, **{"x-orch-chore": "two words"})
    assert answer.status_code == 400
    assert "x-orch-chore: title" in answer.text


def test_the_idle_one_of_two_llama_servers_takes_the_chores(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(ROOM)
    able = frozenset({"tools", "tool_calls"})
    models = [ServedModel(name, "loaded", num_ctx=8_192, caps=able) for name in "ab"]
    with (
        FakeLlamaServer(models[0], mode="single") as one,
        FakeLlamaServer(models[1], mode="single") as other,
    ):
        (home / "models.yaml").write_text(
            "version: 1\nunlisted: ignore\nproviders:\n"
            f"  one: {{kind: llama-server, base_url: '{one.url}'}}\n"
            f"  other: {{kind: llama-server, base_url: '{other.url}'}}\n"
            "models:\n  - {id: a, provider: one}\n  - {id: b, provider: other}\n"
        )
        with served() as url, httpx.Client(base_url=url, timeout=60) as client:
            one.models["a"].calls = "look"
            body = {"model": "a", "messages": [{"role": "user", "content": "Go"}], "tools": TOOLS}
            client.post("/v1/chat/completions", json=body, headers=AGENT).raise_for_status()
            answers = [ask(client, TITLE) for _ in range(2)]
    assert [answer.headers["x-orch-model"] for answer in answers] == ["b", "b"]
