"""The last resort: when it may answer, that it says so, and that it never stands before a real
model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from orch import OrchError, Orchestrator
from orch.execution.results import DEMO_MODEL_PREFIX, DEMO_MODEL_WARNING
from orch.types import RunResult
from tests.conftest import ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.orch_command import orch
from tests.support.orch_process import serving

REAL, TINY = "real:8b", "tiny"
TASK = "Tell me about the sea"


@pytest.fixture
def real() -> Iterator[FakeOllama]:
    """A fake Ollama with a real model, not started: it refuses connections."""
    server = FakeOllama([FakeModel(REAL, reply=["From ", "the real one"])])
    yield server
    server.stop()


@pytest.fixture
def tiny() -> Iterator[FakeOllama]:
    """A server with the model of last resort."""
    with FakeOllama([FakeModel(TINY, reply=["From ", "the tiny one"])]) as server:
        yield server


def served(
    real: FakeOllama,
    tiny: FakeOllama,
    rule: str = "auto",
    *,
    ratings: tuple[float, float] = (6, 9),
    journal: str = "full",
) -> Orchestrator:
    """An orchestrator with both; unless `ratings` say else, the model of last resort is rated as
    the better one."""
    models = {
        "providers": {
            "ollama": {"kind": "ollama", "base_url": real.url},
            "inside": {"kind": "openai", "base_url": tiny.url},
        },
        "models": [
            {"id": REAL, "quality_rating": ratings[0]},
            {"id": TINY, "quality_rating": ratings[1], "provider": "inside", "last_resort": True},
        ],
    }
    return Orchestrator(
        models,
        {
            "version": 1,
            "memory_budget_gb": 100,
            "journal": journal,
            "fallback": {"last_resort": rule},
        },
    )


async def ask(real: FakeOllama, tiny: FakeOllama, rule: str = "auto", **wishes: Any) -> RunResult:
    """The whole answer to TASK, by an orchestrator of its own."""
    async with served(real, tiny, rule) as orchestrator:
        return await orchestrator.execute(TASK, **wishes)


async def refusal(
    real: FakeOllama, tiny: FakeOllama, rule: str = "auto", **wishes: Any
) -> OrchError:
    """The error of a run that has no answer."""
    with pytest.raises(OrchError) as caught:
        await ask(real, tiny, rule, **wishes)
    return caught.value


# ---------------------------------------------------------------- auto


async def test_it_answers_on_a_fresh_machine_where_no_provider_can_be_reached(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    result = await ask(real, tiny)
    assert (result.response.content, result.decision.model_id) == ("From the tiny one", TINY)
    assert result.degraded is result.decision.degraded is True


async def test_a_degraded_answer_is_told_before_its_first_word(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    async with served(real, tiny) as orchestrator:
        chunks = [chunk async for chunk in orchestrator.execute_streaming(TASK)]
    assert (chunks[0]["model_id"], chunks[0]["degraded"]) == (TINY, True)


async def test_a_degraded_answer_is_no_reason_to_refuse_the_next(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    assert [(await ask(real, tiny)).degraded for _ in range(2)] == [True, True]


async def test_it_is_silent_once_a_real_model_has_answered_on_this_machine(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    real.start()
    assert (await ask(real, tiny)).degraded is False
    real.stop()
    error = await refusal(real, tiny)
    assert (error.code, error.exit_code) == ("no_provider", 3)
    assert f"-m {TINY}" in error.hint


async def test_that_a_real_model_answered_is_known_without_a_journal_of_runs(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    real.start()
    async with served(real, tiny, journal="off") as orchestrator:
        await orchestrator.execute(TASK)
    real.stop()
    assert (await refusal(real, tiny)).code == "no_provider"


@pytest.mark.parametrize(
    "fault",
    [Fault("status", status=500, times=-1), Fault("empty", times=-1), Fault("close", times=-1)],
    ids=lambda fault: fault.kind,
)
async def test_it_is_silent_where_a_provider_can_be_reached_and_fails(
    real: FakeOllama, tiny: FakeOllama, fault: Fault
) -> None:
    real.models[REAL].faults.append(fault)
    real.start()
    assert (await refusal(real, tiny)).code == "all_failed"
    assert tiny.chats() == []


async def test_it_is_silent_where_a_provider_has_no_model_yet(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    real.remove(REAL)
    real.start()
    error = await refusal(real, tiny)
    assert (error.code, error.exit_code) == ("model_not_found", 4)
    assert (
        error.hint
        == f"orch setup finds the models that would serve here; orch models pull {REAL} fetches"
        " this one"
    )


async def test_a_real_model_that_failed_has_not_answered(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    real.models[REAL].faults.append(Fault("status", status=500))
    real.start()
    await refusal(real, tiny)
    real.stop()
    assert (await ask(real, tiny)).degraded is True


# ---------------------------------------------------------------- that it says so


def as_shipped(real: FakeOllama, tiny: FakeOllama, home: Path) -> None:
    """A models.yaml of the user's whose last resort has the shipped one's file, and is asked over a
    wire that costs nothing."""
    providers = (
        f"  ollama: {{kind: ollama, base_url: '{real.url}'}}\n  inside: {{kind: openai, base_url:"
        f" '{tiny.url}'}}\n"
    )
    models = (
        f"  - {{id: '{REAL}'}}\n  - {{id: {TINY}, provider: inside, gguf:"
        f" '{DEMO_MODEL_PREFIX}x.gguf', last_resort: true}}\n"
    )
    home.mkdir()
    (home / "models.yaml").write_text(f"version: 1\nproviders:\n{providers}models:\n{models}")
    (home / "routing.yaml").write_text(ROOM)


@pytest.mark.parametrize(
    "words", [[], ["--no-stream"], ["-m", TINY]], ids=lambda words: " ".join(words) or "run"
)
def test_one_line_says_that_a_demonstration_answers_and_what_to_type(
    real: FakeOllama, tiny: FakeOllama, home: Path, words: list[str]
) -> None:
    as_shipped(real, tiny, home)
    done = orch("run", *words, TASK)
    said = [line for line in done.stderr.decode().splitlines() if line.startswith("!")]
    assert (done.returncode, said) == (
        0,
        ["! a built-in demonstration of 135M parameters, often wrong; better: orch setup"],
    )
    assert len(said[0]) <= 80


def test_json_tells_it_as_a_warning_and_quiet_not_at_all(
    real: FakeOllama, tiny: FakeOllama, home: Path
) -> None:
    as_shipped(real, tiny, home)
    told = json.loads(orch("run", "--json", TASK).stdout)
    assert (told["degraded"], told["warnings"]) == (True, [DEMO_MODEL_WARNING])
    assert orch("run", "-q", TASK).stderr == b""


def test_a_demonstration_from_the_cache_is_one_too(
    real: FakeOllama, tiny: FakeOllama, home: Path
) -> None:
    as_shipped(real, tiny, home)
    first, again = (json.loads(orch("run", "--json", "-m", TINY, TASK).stdout) for _ in range(2))
    assert [(each["source"], each["warnings"]) for each in (first, again)] == [
        ("model", [DEMO_MODEL_WARNING]),
        ("cache", [DEMO_MODEL_WARNING]),
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_clients_are_told_in_a_header(
    real: FakeOllama, tiny: FakeOllama, home: Path, stream: bool
) -> None:
    as_shipped(real, tiny, home)
    with serving() as (url, _):
        answer = httpx.post(
            f"{url}/v1/chat/completions",
            json={
                "model": "auto",
                "messages": [{"role": "user", "content": TASK}],
                "stream": stream,
            },
        )
    assert [unquote(value) for value in answer.headers.get_list("x-orch-warning")] == [
        DEMO_MODEL_WARNING
    ]


async def test_a_last_resort_that_says_nothing_is_not_told_as_one_that_answers(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    tiny.models[f"{TINY}:latest"].faults.append(Fault("status", status=500, times=-1))
    assert (await refusal(real, tiny)).warnings == ()


async def test_of_a_persons_own_last_resort_nothing_is_said_that_is_not_known(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    assert (await ask(real, tiny)).warnings == (
        f"{TINY} is a last resort, as models.yaml says; better: orch setup",
    )


# ---------------------------------------------------------------- always, never, named


async def test_always_puts_it_behind_the_real_models(real: FakeOllama, tiny: FakeOllama) -> None:
    real.models[REAL].faults.append(Fault("status", status=500))
    real.start()
    result = await ask(real, tiny, "always")
    assert [(a.model, a.outcome) for a in result.attempts] == [(REAL, "failed"), (TINY, "ok")]
    assert (await ask(real, tiny, "always")).response.content == "From the real one"
    real.stop()
    assert (await ask(real, tiny, "always")).degraded is True


async def test_never_leaves_the_task_without_an_answer(real: FakeOllama, tiny: FakeOllama) -> None:
    error = await refusal(real, tiny, "never")
    assert (error.code, error.exit_code, tiny.chats()) == ("no_provider", 3, [])


@pytest.mark.parametrize("rule", ["auto", "never"])
async def test_it_answers_when_it_is_named(real: FakeOllama, tiny: FakeOllama, rule: str) -> None:
    real.start()
    await ask(real, tiny)
    result = await ask(real, tiny, rule, model=TINY)
    assert (result.response.content, result.degraded, result.decision.pinned) == (
        "From the tiny one",
        True,
        True,
    )


async def test_a_real_model_that_is_named_is_not_replaced_by_it(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    assert (await refusal(real, tiny, "always", model=REAL)).code == "no_provider"
    assert (await ask(real, tiny, "always")).degraded is True


async def test_no_floor_counts_for_it(real: FakeOllama, tiny: FakeOllama) -> None:
    real.models[REAL].faults.append(Fault("status", status=500))
    real.start()
    async with served(real, tiny, "always", ratings=(9, 0)) as orchestrator:
        assert (await orchestrator.execute(TASK)).degraded is True


async def test_it_holds_no_real_model_below_the_floor(real: FakeOllama, tiny: FakeOllama) -> None:
    real.start()
    async with served(real, tiny, ratings=(1, 9)) as orchestrator:
        assert (await orchestrator.execute(TASK)).response.content == "From the real one"


async def test_without_any_provider_the_error_says_what_to_type(
    real: FakeOllama, tiny: FakeOllama
) -> None:
    tiny.stop()
    error = await refusal(real, tiny)
    assert (error.code, error.exit_code) == ("no_provider", 3)
    assert "ollama serve" in error.hint
    assert "orch setup" in error.hint
