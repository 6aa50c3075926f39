"""What the journal records of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fake_ollama import FakeOllama
from tests.support.orchestrators import fake, over

TASK = "Tell me about the sea"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server; the first one is rated higher."""
    with fake("a:1b", "b:1b") as running:
        yield running


async def test_a_runs_record_holds_task_answer_decision_and_counts(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(
            TASK, system_prompt="be brief", session="s", model="a:1b"
        )
        row = orchestrator.runtime.journal.history.find_run(result.run_id) or {}
    columns = ("task", "system", "session", "face", "status", "source", "config_hash")
    assert [row[name] for name in columns] == [
        TASK,
        "be brief",
        "s",
        "library",
        "ok",
        "model",
        result.decision.config_hash,
    ]
    answered = ("answer", "model", "provider", "task_type", "confidence", "degraded")
    assert [row[name] for name in answered] == [
        "by a:1b",
        "a:1b",
        "ollama",
        str(result.task_type),
        result.confidence,
        0,
    ]
    counted = (
        result.response.usage.prompt_tokens,
        result.response.usage.completion_tokens,
        result.timing.load_s,
    )
    assert (row["prompt_tokens"], row["completion_tokens"], row["load_s"]) == counted
    assert counted[0] > 0
    assert counted[1] > 0
    assert 0 < row["ttft_s"] <= row["total_s"]
