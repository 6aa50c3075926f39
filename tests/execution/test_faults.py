"""Every way a model can fail, through the library whole and streamed: the next one takes over and
the attempt says why."""

from __future__ import annotations

import pytest

from orch import OrchError, Orchestrator
from orch.config.spec import Models, Provider
from orch.providers import ProviderClient
from orch.providers.ollama import OllamaClient
from orch.wiring import Wiring
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault

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


class ManyWiring(Wiring):
    """As a server wires it: with aiohttp's transport."""

    def create_provider(self, name: str, provider: Provider, models: Models) -> ProviderClient:
        """Ollama's."""
        return (
            OllamaClient(provider, concurrent=True)
            if provider.kind == "ollama"
            else super().create_provider(name, provider, models)
        )


@pytest.fixture(params=[Wiring, ManyWiring], ids=["httpx", "aiohttp"])
def wiring(request: pytest.FixtureRequest) -> Wiring:
    """Either transport: every fault is told the same."""
    made: Wiring = request.param()
    return made


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
async def test_a_fault_falls_back_afresh_when_nothing_was_shown(
    ollama: FakeOllama, wiring: Wiring, fault: Fault, code: str
) -> None:
    ollama.models[CODER].faults.append(fault)
    async with Orchestrator(wiring=wiring) as orchestrator:
        result = await orchestrator.execute(TASK, timeout_s=0.5)
    assert [(a.model, a.outcome, a.code) for a in result.attempts] == [
        (CODER, "failed", code),
        (LLAMA, "ok", ""),
    ]
    assert result.response.content == "Hello world"


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
async def test_a_streamed_fault_is_told_and_the_next_model_goes_on(
    ollama: FakeOllama, wiring: Wiring, fault: Fault, code: str
) -> None:
    ollama.models[CODER].faults.append(fault)
    async with Orchestrator(wiring=wiring) as orchestrator:
        chunks = [chunk async for chunk in orchestrator.execute_streaming(TASK, timeout_s=0.5)]
    fallback = next(chunk for chunk in chunks if chunk["type"] == "fallback")
    shown = "def " if fault.after else ""
    assert (chunks[0]["type"], fallback["code"], fallback["offset"], chunks[-1]["type"]) == (
        "metadata",
        code,
        len(shown),
        "done",
    )
    assert (
        "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == "content")
        == f"{shown}Hello world"
    )


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
async def test_a_pinned_model_that_fails_is_not_replaced(
    ollama: FakeOllama, wiring: Wiring, fault: Fault, code: str
) -> None:
    ollama.models[CODER].faults += [fault, fault]
    async with Orchestrator(wiring=wiring) as orchestrator:
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK, model=CODER, timeout_s=0.5)
    assert {attempt.model for attempt in caught.value.attempts} == {CODER}
    assert caught.value.attempts[-1].code == code
