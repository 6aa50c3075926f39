"""Options of a wrong type are the caller's fault: exit code 2, status 400, the option named."""

from __future__ import annotations

import subprocess

import httpx

from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.http_server import served
from tests.support.orch_command import orch


def assert_refused(done: subprocess.CompletedProcess[bytes], code: int, *said: str) -> None:
    """The exit code, and what stderr says."""
    stderr = done.stderr.decode()
    assert (done.returncode, done.stdout) == (code, b""), stderr
    assert all(each in stderr for each in said), stderr


def test_an_option_of_a_wrong_type_is_refused_before_a_server_is_asked(ollama: FakeOllama) -> None:
    assert_refused(orch("run", "-o", "temperature=warm", "hi"), 2, "temperature must be a number")
    assert_refused(
        orch("run", "-o", "seed=x", "-o", "stop=[1]", "hi"), 2, "seed must be", "stop must be"
    )
    assert ollama.requests == []


def test_an_option_that_a_server_refuses_is_the_caller_s_fault_too(ollama: FakeOllama) -> None:
    fault = Fault("status", status=500, message='option "top_k" must be of type integer', times=-1)
    for model in ollama.models.values():
        model.faults.append(fault)
    done = orch("run", "-m", LLAMA, "-o", "top_k=5", "hi")
    assert_refused(done, 2, 'option "top_k" must be of type integer', "correct that option")


def test_the_endpoint_says_400_for_an_option_of_a_wrong_type(ollama: FakeOllama) -> None:
    message = {"role": "user", "content": "hi"}
    with served() as url:
        native = {"model": "auto", "messages": [message], "options": {"num_ctx": "big"}}
        answers = [httpx.post(f"{url}/api/chat", json=native, trust_env=False, timeout=60)]
        openai = {"model": "auto", "messages": [message], "temperature": "warm"}
        answers.append(
            httpx.post(f"{url}/v1/chat/completions", json=openai, trust_env=False, timeout=60)
        )
    assert [answer.status_code for answer in answers] == [400, 400]
    assert "num_ctx must be a whole number" in answers[0].text
    assert "temperature" in answers[1].text
    assert ollama.chats() == []
