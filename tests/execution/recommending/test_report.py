"""The report of this machine, over a real server: what is installed and graded here counts, and
nobody else is asked."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from orch import Orchestrator
from orch.execution.recommending import report as reporting
from orch.execution.recommending.report import RecommendationReport, make_report
from orch.routing.recommendations.capacity import MachineCapacity
from orch.routing.recommendations.recommend import Drop, Wishes
from orch.types import TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama

GB = 10**9
THINKS = ["completion", "thinking"]


@pytest.fixture(autouse=True)
def machine(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 32 GB without a GPU."""
    capacity = MachineCapacity(32 * GB, (), 40e9)
    monkeypatch.setattr(reporting, "capacity_of", AsyncMock(return_value=capacity))


async def reported(
    server: FakeOllama, wishes: Wishes = Wishes(), kind: str = "ollama"
) -> RecommendationReport:
    providers = {"ollama": {"kind": kind, "base_url": server.url}}
    async with Orchestrator({"providers": providers, "models": []}) as orchestrator:
        return await make_report(orchestrator.runtime, wishes)


async def test_a_machine_without_models_gets_some_and_nothing_is_pulled() -> None:
    with FakeOllama() as server:
        report = await reported(server)
        assert server.pulled == []
        assert {request.path for request in server.requests} <= {"/api/tags", "/api/ps"}
    assert report.found.rows
    assert (report.provider, report.runs, report.is_here) == ("ollama", True, True)


async def test_an_installed_model_is_not_recommended_and_gains_count_beside_it() -> None:
    with FakeOllama(
        [FakeModel("gemma4:26b", capabilities=THINKS, parameter_size="25.2B")]
    ) as server:
        report = await reported(server)
    assert "gemma4:26b" not in {row.model.tag for row in report.found.rows}
    assert report.found.dropped[Drop.INSTALLED] == 1
    assert report.found.dropped[Drop.NO_GAIN] > 30
    for row in report.found.rows:
        assert {each.model for each in row.beside.values()} == {"gemma4:26b"}


async def test_a_weak_model_leaves_gains_at_every_type() -> None:
    with FakeOllama([FakeModel("tinyllama:1.1b", parameter_size="1.1B")]) as server:
        report = await reported(server)
    assert set(report.found.rows[0].gains) == set(TaskType)


async def test_a_server_that_is_down_changes_nothing_but_that_it_is_said() -> None:
    with FakeOllama() as server:
        pass
    report = await reported(server)
    assert report.found.rows
    assert report.runs is False


async def test_without_an_ollama_the_engines_files_are_offered() -> None:
    with FakeOllama() as server:
        report = await reported(server, kind="openai")
    assert report.provider == ""
    assert report.found.rows
    assert all(row.model.in_engine for row in report.found.rows)


async def test_of_an_ollama_elsewhere_nothing_is_known() -> None:
    providers = {"far": {"kind": "ollama", "base_url": "http://127.1.1.1:1"}}
    async with Orchestrator({"providers": providers, "models": []}) as orchestrator:
        here = await make_report(orchestrator.runtime)
    assert here.is_here
    providers["far"]["base_url"] = "http://gpu.invalid:1"
    async with Orchestrator({"providers": providers, "models": []}) as orchestrator:
        inventory = await Orchestrator({"providers": {}, "models": []}).runtime.registry.snapshot()
        report = reporting.report_on(
            orchestrator.runtime,
            replace(inventory, unreachable={"far": "down"}),
            MachineCapacity(64 * GB),
            Wishes(),
        )
    assert (report.is_here, report.found.rows) == (False, ())
