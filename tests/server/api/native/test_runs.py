"""`/orch/run`, `/orch/route` and the end of a run by its id."""

from __future__ import annotations

import json

import httpx

from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama

TASK = {"text": "Write a Python function that sorts a list"}


def test_a_run_is_streamed_as_events_or_as_lines(url: str) -> None:
    events = httpx.post(f"{url}/orch/run", json=TASK)
    lines = httpx.post(f"{url}/orch/run", json=TASK, headers={"accept": "application/x-ndjson"})
    assert events.headers["content-type"].startswith("text/event-stream")
    assert lines.headers["content-type"] == "application/x-ndjson"
    as_events = [json.loads(part.removeprefix("data: ")) for part in events.text.split("\n\n")[:-1]]
    as_lines = [json.loads(line) for line in lines.text.splitlines()]
    for chunks in (as_events, as_lines):
        assert (chunks[0]["type"], chunks[-1]["type"]) == ("metadata", "done")
    assert lines.headers["x-orch-model"] == CODER


def test_a_route_is_a_decision_and_runs_no_model(url: str, ollama: FakeOllama) -> None:
    response = httpx.post(f"{url}/orch/route", json=TASK)
    assert (response.json()["model"], response.headers["x-orch-task-type"]) == (CODER, "coding")
    assert not ollama.chats()


def test_orchs_own_api_shows_every_candidate_of_a_named_model(url: str) -> None:
    lines = httpx.post(
        f"{url}/orch/run",
        json={**TASK, "model": CODER},
        headers={"accept": "application/x-ndjson"},
    ).text.splitlines()
    candidates = json.loads(lines[-1])["result"]["decision"]["candidates"]
    assert {CODER, LLAMA} <= {each["model_id"] for each in candidates}


def test_a_session_is_continued(url: str, ollama: FakeOllama) -> None:
    for fields in ({"text": "my name is Ada"}, {"text": "what is my name?", "carry_on": True}):
        body = {"model": LLAMA, **fields} | ({} if "carry_on" in fields else {"session": "s"})
        assert httpx.post(f"{url}/orch/run", json=body).status_code == 200
    assert ollama.chats()[-1].body["messages"][0]["content"] == "my name is Ada"


def test_a_run_is_ended_by_its_id(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 1_000, 0.02
    accept = {"accept": "application/x-ndjson"}
    body = {**TASK, "model": CODER}
    with httpx.stream("POST", f"{url}/orch/run", json=body, headers=accept) as response:
        lines = response.iter_lines()
        next(lines)
        run = f"{url}/orch/runs/{response.headers['x-orch-run-id']}"
        assert httpx.post(f"{run}/end", json={"code": "interrupted"}).json()["ok"]
        last = json.loads(list(lines)[-1])
    assert (last["type"], last["error"]["code"]) == ("error", "interrupted")
    assert httpx.post(f"{url}/orch/runs/nope/end").json()["error"]["code"] == "not_found"
