"""The call of a model: which limits make its answer `cut`, and what is reported about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orch import Orchestrator
from orch.types import RunResult
from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.orch_command import orch

TASK = "What is a mutex?"
WORDS = 2_000


@pytest.fixture(autouse=True)
def long_answer(ollama: FakeOllama) -> None:
    """The coder answers with 2,000 words."""
    ollama.models[CODER].reply = ["word "] * WORDS


async def run(
    ollama: FakeOllama, options: dict[str, Any], kind: str = "ollama", **facts: Any
) -> RunResult:
    """The coder's answer; `facts` are its fields in models.yaml."""
    providers = {"there": {"kind": kind, "base_url": ollama.url}}
    models = {
        "unlisted": "ignore",
        "providers": providers,
        "models": [{"id": CODER, "provider": "there", **facts}],
    }
    async with Orchestrator(models, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
        return await orchestrator.execute(TASK, options=options)


async def test_an_answer_cut_by_the_context_is_reported_with_the_counts(
    ollama: FakeOllama,
) -> None:
    result = await run(ollama, {"max_tokens": 32_000}, num_ctx=1_024)
    options = ollama.chats()[-1].body["options"]
    assert (options["num_ctx"], result.cut, result.response.finish_reason) == (
        1_024,
        True,
        "length",
    )
    assert options["num_predict"] == result.response.usage.completion_tokens < WORDS
    (warning,) = result.warnings
    assert f"cut at {options['num_predict']:,} tokens" in warning
    assert "context of 1,024" in warning
    assert "-o num_ctx=2048" in warning


@pytest.mark.parametrize(
    "options", [{"max_tokens": 5}, {"max_completion_tokens": 5}, {"num_predict": 5}], ids=str
)
async def test_an_answer_that_ends_at_the_callers_limit_is_not_cut(
    ollama: FakeOllama, options: dict[str, int]
) -> None:
    result = await run(ollama, options)
    assert (result.cut, result.response.finish_reason) == (False, "length")
    assert result.warnings == ("the answer was cut at 5 tokens; -o max_tokens=N allows more",)


async def test_a_complete_answer_is_not_cut(ollama: FakeOllama) -> None:
    result = await run(ollama, {"max_tokens": 32_000})
    assert (result.cut, result.response.finish_reason, result.warnings) == (False, "stop", ())


async def test_an_answer_cut_by_models_yaml_is_cut(ollama: FakeOllama) -> None:
    result = await run(ollama, {}, max_tokens=7)
    assert (result.cut, result.warnings) == (
        True,
        ("the answer was cut at 7 tokens; -o max_tokens=N allows more",),
    )


async def test_max_tokens_for_an_openai_server_fits_its_context(
    ollama: FakeOllama,
) -> None:
    result = await run(ollama, {"max_tokens": 32_000}, kind="openai", context_window=1_024)
    assert ollama.chats()[-1].body["max_tokens"] < 1_024
    assert (result.cut, result.response.finish_reason) == (True, "length")
    assert "a shorter input leaves more" in result.warnings[0]


async def test_an_answer_that_ends_before_the_callers_limit_is_cut(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].faults.append(Fault("length", after=9))
    result = await run(ollama, {"max_tokens": 32_000}, kind="openai")
    assert result.cut
    assert result.warnings == ("the answer was cut at 9 tokens, a limit of the model's server",)


# ---------------------------------------------------------------- through the faces


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """An Ollama with one model: a context of 1,024 tokens, answers of 2,000 words."""
    with FakeOllama([FakeModel("small", reply=["word "] * WORDS, context_length=1_024)]) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


def test_orch_run_accepts_max_tokens_beyond_the_window(small: FakeOllama) -> None:
    done = orch("run", "-m", "small", "-o", "max_tokens=32000", "--json", "--no-stdin", TASK)
    output = json.loads(done.stdout)
    assert (done.returncode, output["cut"], output["finish_reason"]) == (0, True, "length")
    assert "context of 1,024" in output["warnings"][0]


def test_both_apis_accept_max_tokens_beyond_the_window(url: str, ollama: FakeOllama) -> None:
    messages = [{"role": "user", "content": TASK}]
    ollama.models[CODER].context_length = 1_024
    openai = httpx.post(
        f"{url}/v1/chat/completions",
        json={"model": CODER, "messages": messages, "max_tokens": 32_000},
    )
    native = httpx.post(
        f"{url}/api/chat",
        json={
            "model": CODER,
            "messages": messages,
            "options": {"num_predict": 32_000},
            "stream": False,
        },
    )
    assert (openai.status_code, openai.json()["choices"][0]["finish_reason"]) == (200, "length")
    assert (native.status_code, native.json()["done_reason"]) == (200, "length")
    assert {chat.body["options"]["num_ctx"] for chat in ollama.chats()} == {1_024}
