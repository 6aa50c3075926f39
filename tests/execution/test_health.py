"""Health checks: their names, what they find, and whether a task could be answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch import Orchestrator
from orch.execution.health import HealthCheck, run_health_checks
from orch.memory.index import IndexState
from orch.memory.on_demand import OnDemandMemory
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama


async def checks(orchestrator: Orchestrator) -> tuple[dict[str, HealthCheck], bool]:
    """The checks by name, and whether a task could be answered."""
    rows, can_answer = await run_health_checks(orchestrator.runtime)
    return {row.name: row for row in rows}, can_answer


async def test_a_reachable_provider_with_its_models_is_ok(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        rows, can_answer = await checks(orchestrator)
    assert can_answer
    assert [rows[name].status for name in ("config", "provider ollama", f"model {CODER}")] == [
        "ok"
    ] * 3
    assert {"journal", "disk", "memory", "embedder", "qdrant (server)"} <= {*rows}
    assert all(row.latency_s is not None for row in rows.values())


async def test_an_unreachable_provider_fails_with_what_to_do(home: Path) -> None:
    async with Orchestrator() as orchestrator:
        rows, _ = await checks(orchestrator)
    assert rows["provider ollama"].status == "fail"
    assert rows["provider ollama"].hint.endswith(": ollama serve")
    assert (rows[f"model {CODER}"].status, rows[f"model {CODER}"].detail) == (
        "warn",
        "provider ollama is down",
    )


async def test_a_model_that_is_not_installed_says_how_to_pull_it(ollama: FakeOllama) -> None:
    del ollama.models[CODER]
    async with Orchestrator() as orchestrator:
        rows, can_answer = await checks(orchestrator)
    assert (rows[f"model {CODER}"].status, can_answer) == ("warn", True)
    assert rows[f"model {CODER}"].hint == f"orch models pull {CODER}"


async def test_a_full_disk_is_a_warning(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orch.execution.health.MIN_FREE_DISK_GB", 1e9)
    async with Orchestrator() as orchestrator:
        rows, _ = await checks(orchestrator)
    assert (rows["disk"].status, rows["disk"].hint) == ("warn", "make room")


@pytest.mark.parametrize(
    ("lag", "behind"), [(0, "up to date"), (1, "1 row behind"), (2_000, "2,000 rows behind")]
)
async def test_memory_tells_how_far_the_index_is_behind(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, lag: int, behind: str
) -> None:
    async def state(_: OnDemandMemory) -> IndexState:
        return IndexState("here/index", 3, lag)

    monkeypatch.setattr(OnDemandMemory, "state", state)
    async with Orchestrator() as orchestrator:
        rows, _ = await checks(orchestrator)
    assert f"3 pieces in here/index, {behind}" in rows["memory"].detail
