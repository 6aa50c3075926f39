"""Fallback: whether another model may take over, and how a model with the same id at another
provider is reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.execution.events import Content
from orch.execution.results import all_failed_error
from orch.execution.serialize import fallback_model_names
from orch.orchestrator import build_task
from orch.storage.history import decode_run
from orch.types import Attempt, ModelKey
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

TASK = "Write a Python function that sorts a list"
TWIN = "twin:8b"
CUT = Fault("cut", after=1)


# ---------------------------------------------------------------- when another model may take over


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        ({}, [CODER, LLAMA]),
        ({"fallback": True}, [CODER, LLAMA]),
        ({"fallback": False}, [CODER]),
        ({"model": CODER}, [CODER]),
        ({"model": CODER, "fallback": False}, [CODER]),
        ({"model": CODER, "fallback": True}, [CODER, LLAMA]),
    ],
)
async def test_another_model_takes_over_only_if_fallback_is_allowed(
    ollama: FakeOllama, arguments: dict[str, Any], called: list[str]
) -> None:
    ollama.models[CODER].faults.append(Fault("status", status=500))
    async with Orchestrator() as orchestrator:
        run = orchestrator.start_run(build_task(TASK, **arguments), "restart")
        with suppress(OrchError):
            _ = [event async for event in run.events()]
        attempts = orchestrator.runtime.journal.history.attempts_of(run.run_id)
    assert [attempt["model"] for attempt in attempts] == called
    assert (run.error.exit_code if run.error else 0) == (7 if called == [CODER] else 0)


async def test_too_long_a_prompt_is_told_with_its_tokens(ollama: FakeOllama) -> None:
    model = ollama.models[CODER]
    model.vocabulary = lambda _: 40_000
    model.overflow = "request ({tokens} tokens) exceeds the context size ({context} tokens)"
    async with Orchestrator() as orchestrator:
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK, model=CODER)
    error = caught.value
    assert (error.code, error.prompt_tokens) == ("context_overflow", 40_008)
    assert 0 < (error.context_tokens or 0) <= 32_768


async def test_a_rate_limited_model_is_called_again_even_without_fallback(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].faults.append(Fault("status", status=429, retry_after="0"))
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, fallback=False)
    assert [(attempt.model, attempt.outcome) for attempt in result.attempts] == [
        (CODER, "failed"),
        (CODER, "ok"),
    ]


async def test_a_fallback_answer_is_not_reused_where_fallback_is_off(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].faults.append(Fault("status", status=500))
    async with Orchestrator() as orchestrator:
        await orchestrator.execute(TASK, model=CODER, fallback=True)
        result = await orchestrator.execute(TASK, model=CODER)
    assert (result.source, result.decision.model_id) == ("model", CODER)


# ---------------------------------------------------------------- the same id at another provider


@pytest.fixture
def twins() -> Iterator[tuple[FakeOllama, FakeOllama]]:
    """Two servers with a model of the same name; the first one is rated higher."""
    with (
        FakeOllama([FakeModel(TWIN, reply=["first"])]) as one,
        FakeOllama([FakeModel(TWIN, reply=["second"])]) as other,
    ):
        yield one, other


def two_homes(one: FakeOllama, other: FakeOllama) -> dict[str, Any]:
    """models.yaml with both; it lists the model of the first one with a high rating."""
    return {
        "version": 1,
        "providers": {
            "one": {"kind": "ollama", "base_url": one.url},
            "other": {"kind": "ollama", "base_url": other.url},
        },
        "models": [{"id": TWIN, "provider": "one", "quality_rating": 9.9, "speed_rating": 9.9}],
    }


async def test_a_fallback_to_the_same_id_at_another_provider_is_reported(
    twins: tuple[FakeOllama, FakeOllama],
) -> None:
    twins[0].models[TWIN].faults.append(CUT)
    async with Orchestrator(models=two_homes(*twins)) as orchestrator:
        chunks = [chunk async for chunk in orchestrator.execute_streaming(TASK)]
    (fallback,) = [chunk for chunk in chunks if chunk["type"] == "fallback"]
    failed = ModelKey(fallback["from_provider"], fallback["from"])
    successor = ModelKey(fallback["to_provider"], fallback["to"])
    result = chunks[-1]["result"]
    assert fallback_model_names(failed, successor) == (f"one/{TWIN}", f"other/{TWIN}")
    assert (result.decision.provider, result.decision.reason.split(":")[0]) == ("other", "fallback")


async def test_a_fallback_to_the_same_id_is_journaled_and_cached_under_its_provider(
    twins: tuple[FakeOllama, FakeOllama],
) -> None:
    twins[0].models[TWIN].faults.append(CUT)
    async with Orchestrator(models=two_homes(*twins)) as orchestrator:
        await orchestrator.execute(TASK)
        row = decode_run(orchestrator.runtime.journal.history.find_run("last") or {})
        again = await orchestrator.execute(TASK)
        figures = orchestrator.get_stats()
    assert (row["provider"], row["decision"]["provider"]) == ("other", "other")
    assert (again.source, again.decision.provider) == ("cache", "other")
    assert (figures[f"one/{TWIN}"]["errors"], figures[f"other/{TWIN}"]["errors"]) == (1, 0)


async def test_a_rate_limited_model_with_the_same_id_elsewhere_is_called_again(
    twins: tuple[FakeOllama, FakeOllama],
) -> None:
    limited = Fault("status", status=429, retry_after="0")
    twins[0].models[TWIN].faults.append(limited)
    twins[1].models[TWIN].faults.append(limited)
    async with Orchestrator(models=two_homes(*twins)) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [attempt.provider for attempt in result.attempts] == ["one", "other", "other"]


def test_the_error_names_the_providers_of_models_with_the_same_id() -> None:
    attempts = [
        Attempt(TWIN, provider, "failed", "cut", "it broke off") for provider in ("one", "other")
    ]
    assert (
        all_failed_error(attempts, "", False).message
        == f"every model that was asked failed: one/{TWIN}: it broke off; other/{TWIN}: it"
        " broke off"
    )


# ---------------------------------------------------------------- going on from a partial answer


def half(url: str, kind: str) -> dict[str, Any]:
    """Two models at one server of that kind."""
    models = [{"id": name, "provider": "p", "quality_rating": rating} for name, rating in RATED]
    providers = {"p": {"kind": kind, "base_url": url}}
    return {"unlisted": "ignore", "providers": providers, "models": models}


RATED = (("one:8b", 9), ("other:8b", 5))
GO_ON = {"version": 1, "memory_budget_gb": 100}


async def continued(ollama: FakeOllama, kind: str, reply: list[str]) -> tuple[str, list[Any]]:
    """The answer of a model that breaks off and of the one that goes on, and the messages that
    the second model got last."""
    ollama.add(FakeModel("one:8b", reply=["The lake is bound", " to", "end"], faults=[TWO_PIECES]))
    ollama.models["other:8b"].reply = reply
    async with Orchestrator(half(ollama.url, kind), GO_ON) as orchestrator:
        run = orchestrator.start_run(build_task("Tell me of the lake."), "continue")
        events = [event async for event in run.events()]
    text = "".join(event.text for event in events if isinstance(event, Content))
    return text, ollama.chats()[-1].body["messages"]


TWO_PIECES = Fault("cut", after=2)


@pytest.mark.parametrize(
    ("kind", "roles"),
    [("ollama", ["user", "assistant"]), ("openai", ["user", "assistant", "user"])],
)
@pytest.mark.parametrize(
    ("reply", "rest"),
    [
        (["But", " no"], " But no"),
        ([" freeze"], " freeze"),
        (["The lake is", " bound to", " dry"], " dry"),
    ],
)
async def test_the_next_model_goes_on_where_the_text_ends(
    ollama: FakeOllama, kind: str, roles: list[str], reply: list[str], rest: str
) -> None:
    ollama.add(FakeModel("other:8b"))
    text, messages = await continued(ollama, kind, reply)
    assert text == f"The lake is bound to{rest}"
    assert [message["role"] for message in messages] == roles
    assert messages[1]["content"] == "The lake is bound to"


async def test_a_model_whose_template_ends_every_answer_is_asked_by_the_user(
    ollama: FakeOllama,
) -> None:
    template = "{{- range .Messages }}<|{{ .Role }}|>{{ .Content }}<|end|>{{ end }}<|assistant|>"
    ollama.add(FakeModel("other:8b", template=template))
    text, messages = await continued(ollama, "ollama", ["bound to", " freeze"])
    assert text == "The lake is bound to freeze"
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]


async def test_a_model_that_refuses_to_go_on_within_an_answer_is_asked_by_the_user(
    ollama: FakeOllama,
) -> None:
    refusal = "Assistant response prefill is incompatible with enable_thinking."
    ollama.add(FakeModel("other:8b", faults=[Fault("status", status=400, message=refusal)]))
    text, messages = await continued(ollama, "ollama", [" freeze"])
    assert text == "The lake is bound to freeze"
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
