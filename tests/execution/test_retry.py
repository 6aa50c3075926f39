"""Retries: rate limits, and a prompt that the server counts as too long for the context."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from orch.errors import ProviderError
from orch.execution.retry import MAX_BACKOFF_S, RATE_LIMIT_BACKOFF_S, backoff_s, next_candidates
from orch.providers.context_overflow import parse_overflow
from orch.types import Attempt, Candidate, RunResult
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.orch_command import orch

OLLAMA = (
    "request ({tokens} tokens) exceeds the available context size ({context} tokens), try"
    " increasing it"
)
LLAMACPP = (
    '{{"error":{{"code":400,"message":"the request exceeds the available context'
    ' size","n_prompt_tokens":{tokens},"n_ctx":{context}}}}}'
)
SILENT = "the input length exceeds the context length"
REFUSALS = [OLLAMA, LLAMACPP, SILENT]
SYLLABLES = "ba " * 2_500
"""About 2,500 tokens by orch's estimate, three times as many for a model with one token a byte."""


@pytest.fixture
def dense(ollama: FakeOllama) -> FakeModel:
    """A coder that counts one token a byte, as some models do for digits."""
    ollama.models[CODER].bytes_per_token = 1.0
    ollama.models[CODER].overflow = OLLAMA
    return ollama.models[CODER]


async def run(
    ollama: FakeOllama,
    text: str = SYLLABLES,
    *,
    kind: str = "ollama",
    options: dict[str, Any] | None = None,
    **facts: Any,
) -> RunResult:
    """The coder's answer; `facts` are its fields in models.yaml."""
    providers = {"there": {"kind": kind, "base_url": ollama.url}}
    models = {
        "unlisted": "ignore",
        "providers": providers,
        "models": [{"id": CODER, "provider": "there", **facts}],
    }
    async with Orchestrator(models, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
        return await orchestrator.execute(text, fresh=True, options=options)


def contexts(ollama: FakeOllama) -> list[int]:
    """The num_ctx of every chat."""
    return [chat.body["options"]["num_ctx"] for chat in ollama.chats()]


# ---------------------------------------------------------------- which candidates are left


def candidates(*keys: str) -> list[Candidate]:
    """Candidates named PROVIDER/ID."""
    pairs = (key.split("/") for key in keys)
    return [Candidate(model, model, provider) for provider, model in pairs]


A, B, C = candidates("one/a", "one/b", "two/c")
ONCE = [Attempt("a", "one", "failed", code="rate_limited")]


@pytest.mark.parametrize("code", ["server_error", "empty", "invalid_json", "timeout", "cut"])
def test_after_most_failures_every_other_candidate_is_left(code: str) -> None:
    failure = ProviderError(code, "")
    assert next_candidates([B, C], A, failure, ONCE, lambda candidate: False) == [B, C]


@pytest.mark.parametrize("code", ["connect", "busy"])
def test_other_models_of_a_provider_without_a_slot_are_skipped(code: str) -> None:
    failure = ProviderError(code, "")
    assert next_candidates([B, C], A, failure, ONCE, lambda candidate: True) == [C]


@pytest.mark.parametrize(("fits", "left"), [(True, [B, C]), (False, [C])])
def test_a_model_that_fits_now_is_left_if_the_provider_has_a_free_slot(
    fits: bool, left: list[Candidate]
) -> None:
    failure = ProviderError("busy", "", has_free_slot=True)
    assert next_candidates([B, C], A, failure, ONCE, lambda candidate: fits) == left


@pytest.mark.parametrize(
    ("queue", "calls", "left"), [([B], 1, [B]), ([], 1, [A]), ([], 2, [])], ids=str
)
def test_only_the_last_model_is_called_again_after_a_rate_limit(
    queue: list[Candidate], calls: int, left: list[Candidate]
) -> None:
    failure = ProviderError("rate_limited", "")
    assert next_candidates(queue, A, failure, ONCE * calls, lambda candidate: True) == left


# ---------------------------------------------------------------- how long a retry waits


@pytest.mark.parametrize(
    ("retry_after_s", "waited_s"), [(None, RATE_LIMIT_BACKOFF_S), (1.5, 1.5), (30.0, MAX_BACKOFF_S)]
)
def test_the_backoff_is_the_servers_wait_within_a_limit(
    retry_after_s: float | None, waited_s: float
) -> None:
    failure = ProviderError("rate_limited", "", retry_after_s=retry_after_s)
    assert backoff_s(failure, A, B) == waited_s


def test_another_provider_is_called_at_once() -> None:
    assert backoff_s(ProviderError("rate_limited", "", retry_after_s=1.5), A, C) == 0


def test_other_failures_have_no_backoff() -> None:
    assert backoff_s(ProviderError("server_error", "", retry_after_s=1.5), A, B) == 0


async def test_the_backoff_is_slept(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def record(seconds: float, *rest: Any) -> None:
        slept.append(seconds)
        await sleep(0, *rest)

    monkeypatch.setattr("orch.execution.fallback.asyncio.sleep", record)
    ollama.models[CODER].faults.append(Fault("status", status=429, retry_after="1.5"))
    result = await run(ollama)
    assert [attempt.code for attempt in result.attempts] == ["rate_limited", ""]
    assert 1.5 in slept


# ---------------------------------------------------------------- more context


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.usefixtures("both_transports")
async def test_a_refused_prompt_is_retried_with_a_context_that_holds_it(
    ollama: FakeOllama, dense: FakeModel, refusal: str
) -> None:
    dense.overflow = refusal
    result = await run(ollama, num_ctx=4_096)
    assert contexts(ollama) == ([4_096, 16_384] if refusal != SILENT else [4_096, 8_192])
    assert [(each.model, each.outcome, each.code) for each in result.attempts] == [
        (CODER, "failed", "context_overflow"),
        (CODER, "ok", ""),
    ]
    assert result.response.content == "def f(): pass"
    assert any("it is asked once more" in warning for warning in result.warnings)


@pytest.mark.parametrize("refusal", [OLLAMA, LLAMACPP])
async def test_the_same_prompt_is_not_refused_twice(
    ollama: FakeOllama, dense: FakeModel, refusal: str
) -> None:
    dense.overflow = refusal
    await run(ollama, num_ctx=4_096)
    ollama.resident.clear()
    second = await run(ollama, num_ctx=4_096)
    assert contexts(ollama)[2:] == [16_384]
    assert [each.code for each in second.attempts] == [""]
    assert second.warnings == ()


async def test_a_recount_of_one_prompt_does_not_rule_out_others(
    ollama: FakeOllama, dense: FakeModel
) -> None:
    await run(ollama, num_ctx=4_096)
    dense.bytes_per_token = 4.0
    for words in (12_000, 1_500):
        assert [each.code for each in (await run(ollama, "word " * words)).attempts] == [""]


async def test_a_prompt_beyond_the_window_is_sent_only_once(
    ollama: FakeOllama, dense: FakeModel
) -> None:
    for chats in (1, 1):
        with pytest.raises(OrchError) as caught:
            await run(ollama, num_ctx=4_096, context_window=6_000)
        assert (caught.value.exit_code, len(ollama.chats())) == (5, chats)


async def test_a_model_that_refuses_twice_is_not_called_again(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("overflow", times=-1))
    with pytest.raises(OrchError) as caught:
        await run(ollama, "hi")
    assert [each.code for each in caught.value.attempts] == ["context_overflow"] * 2
    assert contexts(ollama) == [8_192, 16_384]


async def test_a_retry_uses_up_no_attempt(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("overflow", times=-1))
    routing = {"version": 1, "memory_budget_gb": 100, "fallback": {"max_attempts": 2}}
    async with Orchestrator(routing=routing) as orchestrator:
        result = await orchestrator.execute("Write a Python function that sorts a list")
    assert [each.model for each in result.attempts] == [CODER, CODER, LLAMA]


async def test_a_server_that_ignores_num_ctx_is_not_retried(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].faults.append(
        Fault(
            "status",
            status=400,
            message="request (9000 tokens) exceeds the available context size (4096 tokens)",
        )
    )
    with pytest.raises(OrchError) as caught:
        await run(ollama, "hi")
    assert (caught.value.exit_code, len(ollama.chats())) == (5, 1)


@pytest.mark.usefixtures("both_transports")
async def test_an_openai_server_that_reserves_max_tokens_is_retried_with_less(
    ollama: FakeOllama,
) -> None:
    refusal = (
        "This model's maximum context length is 4096 tokens. However, you requested 32012 tokens"
        " (12 in the messages, 32000 in the completion)."
    )
    ollama.models[CODER].faults.append(Fault("status", status=400, message=refusal))
    result = await run(ollama, "hi", kind="openai", options={"max_tokens": 32_000})
    assert [chat.body["max_tokens"] for chat in ollama.chats()] == [32_000, 4_096 - 12 - 16]
    assert result.response.content == "def f(): pass"


# ---------------------------------------------------------------- context dropped without an error


@pytest.fixture
def shifting(ollama: FakeOllama) -> FakeOllama:
    """A coder that counts more than estimated, within its context, and answers with more than the
    rest of it holds."""
    ollama.models[CODER].bytes_per_token = 2.0
    ollama.models[CODER].reply = ["word "] * 3_000
    return ollama


async def test_a_buffered_answer_beyond_the_context_fails(
    shifting: FakeOllama,
) -> None:
    result = await run(shifting, num_ctx=4_096)
    failed, answered = result.attempts
    assert (failed.code, failed.prompt_tokens) == ("context_overflow", answered.prompt_tokens)
    assert failed.prompt_tokens + failed.completion_tokens > 4_096
    assert answered.prompt_tokens + answered.completion_tokens <= contexts(shifting)[1]
    assert contexts(shifting) == [4_096, 8_192]


@pytest.mark.usefixtures("both_transports")
async def test_a_shown_answer_beyond_the_context_is_reported_with_the_counts(
    shifting: FakeOllama,
) -> None:
    models = {
        "unlisted": "ignore",
        "providers": {"ollama": {"kind": "ollama", "base_url": shifting.url}},
        "models": [{"id": CODER, "num_ctx": 4_096}],
    }
    async with Orchestrator(models, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
        chunks = [chunk async for chunk in orchestrator.execute_streaming(SYLLABLES)]
    result = chunks[-1]["result"]
    assert [each.outcome for each in result.attempts] == ["ok"]
    (warning,) = [each for each in result.warnings if "dropped a part" in each]
    assert f"{result.response.usage.prompt_tokens:,} tokens of prompt" in warning
    assert "context of 4,096" in warning


# ---------------------------------------------------------------- through the faces


def test_orch_run_answers_a_refused_prompt(ollama: FakeOllama, dense: FakeModel) -> None:
    words = ("run", "--json", "--fresh", "-m", CODER, "-o", "num_ctx=4096", SYLLABLES)
    first, second = (json.loads(orch(*words).stdout) for _ in range(2))
    assert (first["ok"], [each["code"] for each in first["attempts"]]) == (
        True,
        ["context_overflow", ""],
    )
    assert (second["ok"], [each["code"] for each in second["attempts"]]) == (True, [""])


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_the_endpoint_does_not_notice_the_retry(
    url: str, ollama: FakeOllama, dense: FakeModel, stream: bool
) -> None:
    body = {
        "model": CODER,
        "messages": [{"role": "user", "content": SYLLABLES}],
        "options": {"num_ctx": 4_096},
        "stream": stream,
    }
    answer = httpx.post(f"{url}/api/chat", json=body)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert (answer.status_code, "".join(line["message"]["content"] for line in lines)) == (
        200,
        "def f(): pass",
    )


# ---------------------------------------------------------------- the messages of servers


@pytest.mark.parametrize(
    ("message", "body", "counts"),
    [
        (
            "request (18369 tokens) exceeds the available context size (8192 tokens), try"
            " increasing it",
            b"",
            (18_369, 8_192),
        ),
        ("too long", b'{"error":{"n_prompt_tokens":5012,"n_ctx":4096}}', (5_012, 4_096)),
        (
            "too long",
            b'{"error":"{\\"error\\":{\\"n_prompt_tokens\\":5012,\\"n_ctx\\":4096}}"}',
            (5_012, 4_096),
        ),
        (SILENT, b'{"error":"the input length exceeds the context length"}', (None, None)),
        (
            "maximum context length is 4096 tokens. However, you requested 5000 tokens (4800 in the"
            " messages, 200 in the completion)",
            b"",
            (4_800, 4_096),
        ),
        (
            "This model's maximum context length is 4096 tokens. However, your messages resulted in"
            " 5000 tokens.",
            b"",
            (5_000, 4_096),
        ),
        (
            "maximum context length is 4096 tokens. However, your request has 5000 input tokens.",
            b"",
            (5_000, 4_096),
        ),
        (
            "Trying to keep the first 15857 tokens when context the overflows. However, the model"
            " is loaded with context length of only 4096 tokens",
            b"",
            (15_857, 4_096),
        ),
        (
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and"
            " 512 `max_new_tokens`",
            b"",
            (5_000, 4_096),
        ),
        ("Prompt too large: 5,000 tokens (context window: 4,096)", b"", (5_000, 4_096)),
        ("no numbers here", b"\xff{", (None, None)),
        ("no numbers here", b"[1]", (None, None)),
    ],
)
def test_token_counts_are_parsed_from_every_servers_refusal(
    message: str, body: bytes, counts: tuple[int | None, int | None]
) -> None:
    assert parse_overflow(message, body) == counts
