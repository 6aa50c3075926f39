"""Every fault of a model, with `execute` and `execute_streaming`: the next model takes over, and
the attempt names the cause."""

from __future__ import annotations

import pytest

from orch import OrchError, Orchestrator
from orch.config.spec import Models, Provider
from orch.providers import ProviderClient
from orch.providers.ollama.client import OllamaClient
from orch.wiring import Wiring
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.faults import FAULTS, NAMES, TASK, shorten_wait


class ConcurrentWiring(Wiring):
    """The transport of a server: aiohttp."""

    def create_provider(self, name: str, provider: Provider, models: Models) -> ProviderClient:
        """A concurrent client for Ollama."""
        return (
            OllamaClient(provider, concurrent=True)
            if provider.kind == "ollama"
            else super().create_provider(name, provider, models)
        )


@pytest.fixture(params=[Wiring, ConcurrentWiring], ids=["httpx", "aiohttp"])
def wiring(request: pytest.FixtureRequest) -> Wiring:
    """Either transport: every fault has the same code."""
    chosen: Wiring = request.param()
    return chosen


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
async def test_a_fault_before_the_first_token_falls_back_from_scratch(
    ollama: FakeOllama, wiring: Wiring, fault: Fault, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_wait(monkeypatch, fault)
    ollama.models[CODER].faults.append(fault)
    async with Orchestrator(wiring=wiring) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [(a.model, a.outcome, a.code) for a in result.attempts] == [
        (CODER, "failed", code),
        (LLAMA, "ok", ""),
    ]
    assert result.response.content == "Hello world"


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
async def test_after_a_fault_in_the_stream_the_next_model_continues(
    ollama: FakeOllama, wiring: Wiring, fault: Fault, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_wait(monkeypatch, fault)
    ollama.models[CODER].faults.append(fault)
    async with Orchestrator(wiring=wiring) as orchestrator:
        chunks = [chunk async for chunk in orchestrator.execute_streaming(TASK)]
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
    ollama: FakeOllama, wiring: Wiring, fault: Fault, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_wait(monkeypatch, fault)
    ollama.models[CODER].faults += [fault, fault]
    async with Orchestrator(wiring=wiring) as orchestrator:
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK, model=CODER)
    assert {attempt.model for attempt in caught.value.attempts} == {CODER}
    assert caught.value.attempts[-1].code == code
