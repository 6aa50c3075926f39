"""Every fault of a model that the fake Ollama can play, with the code of the failed attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orch.execution.request import Prompt, build_chat_request
from orch.providers.chat import ChatRequest
from orch.routing.model_state import ModelState
from orch.text.prompt import Task
from orch.types import Need
from tests.conftest import CODER
from tests.support.fake_ollama import Fault

TASK = "Write a Python function that sorts a list"
FAULTS = [
    (Fault("status", status=500), "server_error"),
    (Fault("status", status=429, retry_after="0"), "rate_limited"),
    (Fault("status", status=503), "rate_limited"),
    (Fault("status", status=404, message="model 'x' not found"), "model_not_found"),
    (
        Fault(
            "status",
            status=400,
            message="request (99999 tokens) exceeds the available context size (8192 tokens)",
        ),
        "context_overflow",
    ),
    (Fault("error_line", after=1), "stream_error"),
    (Fault("cut", after=1), "cut"),
    (Fault("end", after=1), "cut"),
    (Fault("close"), "cut"),
    (Fault("stall", after=1, seconds=20), "stalled"),
    (Fault("slow", seconds=20), "timeout"),
    (Fault("malformed", after=1), "bad_response"),
    (Fault("html"), "bad_response"),
    (Fault("html_502"), "server_error"),
    (Fault("empty"), "empty"),
    (Fault("thinking_only"), "empty"),
]
NAMES = [f"{fault.kind}-{fault.status}" for fault, _ in FAULTS]
BRIEF_S = 0.2


def shorten_wait(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Makes orch wait 0.2 s for what a fault of the coder never sends, and its usual time for all
    else: however slow the machine is, nothing else times out."""

    def built(task: Task, prompt: Prompt, need: Need, state: ModelState) -> ChatRequest:
        request = build_chat_request(task, prompt, need, state)
        if request.model == CODER and fault.kind == "slow":
            return replace(request, first_token_timeout_s=BRIEF_S)
        if request.model == CODER and fault.kind == "stall":
            return replace(request, token_timeout_s=BRIEF_S)
        return request

    monkeypatch.setattr("orch.execution.fallback.build_chat_request", built)
