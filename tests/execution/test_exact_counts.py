"""A prompt that is close to a model's context is counted by its server before it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orch import OrchError, Orchestrator
from orch.types import RunResult
from tests.support.fake_llama_server import FakeLlamaServer, ServedModel

COUNT = "/v1/chat/completions/input_tokens"
CHAT = "/v1/chat/completions"
LONG = "a " * 1_100
"""1,110 tokens by the fake, and about 920 by the estimate."""
RARE = "internationalization " * 500
"""510 tokens by the fake, and about 1,180 by the estimate."""


@pytest.fixture
async def server() -> AsyncIterator[FakeLlamaServer]:
    """A server with a context of 1,024 tokens."""
    with FakeLlamaServer(ServedModel("a", "loaded"), mode="single") as fake:
        yield fake


async def answer(server: FakeLlamaServer, text: str) -> RunResult:
    providers = {"s": {"kind": "llama-server", "base_url": server.url}}
    rules = {"version": 1, "memory_budget_gb": 100}
    async with Orchestrator({"providers": providers, "models": []}, rules) as orchestrator:
        return await orchestrator.execute(text, options={"max_tokens": 8}, timeout_s=10)


async def test_a_usual_prompt_is_not_counted(server: FakeLlamaServer) -> None:
    assert (await answer(server, "Say hello")).response.content == "Hello world"
    assert server.asked(COUNT) == 0


async def test_a_prompt_that_seems_too_long_and_fits_is_answered(server: FakeLlamaServer) -> None:
    assert (await answer(server, RARE)).response.content == "Hello world"
    assert server.asked(COUNT) == 1


async def test_a_prompt_that_seems_to_fit_and_is_too_long_is_not_sent(
    server: FakeLlamaServer,
) -> None:
    with pytest.raises(OrchError) as refused:
        await answer(server, LONG)
    assert refused.value.code == "context_overflow"
    assert (server.asked(COUNT), server.asked(CHAT)) == (1, 0)


@pytest.mark.parametrize("fault", [(404, {}), (200, {"input_tokens": "many"}), None], ids=str)
async def test_a_server_that_does_not_count_leaves_the_estimate(
    server: FakeLlamaServer, fault: tuple[int, object] | None
) -> None:
    server.answers[COUNT] = fault
    with pytest.raises(OrchError) as refused:
        await answer(server, RARE)
    assert refused.value.code == "context_overflow"


async def test_a_prompt_far_beyond_the_context_is_not_counted(server: FakeLlamaServer) -> None:
    with pytest.raises(OrchError):
        await answer(server, "one word and another " * 5_000)
    assert server.asked(COUNT) == 0
