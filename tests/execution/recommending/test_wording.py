"""The report as text and as JSON: gains with their types, what nothing is due to, and the
command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from orch.execution.recommending import wording
from orch.execution.recommending.model_store import ModelStore
from orch.execution.recommending.report import RecommendationReport
from orch.routing.known_models.pullable import PullableModel
from orch.routing.recommendations.capacity import MachineCapacity, Placement
from orch.routing.recommendations.installed import Quality
from orch.routing.recommendations.recommend import (
    Drop,
    Machine,
    Recommendation,
    Recommendations,
    Wishes,
)
from orch.types import TaskType

GB = 10**9
MODEL = PullableModel("a:4b", "a-4b", 3 * GB, 32_768, ((10, 1, 64),), "MIT", sources=("x:y",))
MINE = Quality(6.0, 0.3, "mine")


def row_of(
    gains: Mapping[TaskType, float] | None = None, answer_s: float = 9.0, **more: Placement
) -> Recommendation:
    gains = gains or {}
    return Recommendation(
        MODEL,
        8192,
        4 * GB,
        more.get("placement", Placement.MEMORY),
        12.34,
        answer_s,
        {TaskType.CODING: 7.0, TaskType.WRITING: 8.0},
        gains,
        dict.fromkeys(gains, MINE),
        1.0,
    )


def report_of(
    *rows: Recommendation,
    dropped: Mapping[Drop, int] | None = None,
    provider: str = "ollama",
    capacity: MachineCapacity = MachineCapacity(16 * GB, (8 * GB,)),
    here: bool = True,
) -> RecommendationReport:
    return RecommendationReport(
        Wishes(),
        Recommendations(rows, dropped or {}),
        Machine(capacity, {TaskType.CODING: MINE}),
        provider,
        runs=True,
        is_here=here,
        store=ModelStore(Path("/models"), 50 * GB),
    )


def test_the_largest_gains_are_named() -> None:
    row = row_of({TaskType.CODING: 0.8, TaskType.WRITING: 1.25, TaskType.SIMPLE: 0.5})
    assert wording.gain_text(row) == "writing +1.2, coding +0.8, 1 more"
    assert wording.gain_text(row_of()) == "7.5 of 10"


def test_the_reason_names_the_model_beside_it_and_where_it_runs() -> None:
    gains = {TaskType.CODING: 0.8, TaskType.WRITING: 1.25}
    assert wording.reason(row_of(gains)) == (
        "better than mine at writing and 1 more; runs in main memory"
    )
    assert wording.reason(row_of({TaskType.CODING: 0.8}, placement=Placement.GPU)) == (
        "better than mine at coding; runs on the GPU"
    )
    assert wording.reason(row_of()) == "most at writing and coding; runs in main memory"
    assert wording.reason(row_of(answer_s=301)).endswith("about 5 minutes an answer")


def test_without_an_ollama_another_command_gets_the_model() -> None:
    assert wording.command(report_of(), row_of()) == "orch models pull a:4b"
    assert wording.command(report_of(provider=""), row_of()) == "orch setup a:4b"


@pytest.mark.parametrize(
    ("capacity", "text"),
    [
        (MachineCapacity(16 * GB), "Memory for models: 16.0 GB, no GPU found"),
        (MachineCapacity(16 * GB, (8 * GB,)), "Memory for models: 16.0 GB, GPU 8.0 GB"),
        (MachineCapacity(None), "Memory for models: unknown"),
        (
            MachineCapacity(None, limit_bytes=9 * GB),
            "Memory for models: unknown, no GPU found; memory_budget_gb allows 9 GB",
        ),
    ],
)
def test_memory_is_told_by_device_and_unknown_stays_unknown(
    capacity: MachineCapacity, text: str
) -> None:
    assert wording.memory_text(capacity) == text


def test_nothing_is_explained() -> None:
    assert wording.nothing_text(report_of(row_of())) == ""
    assert "3 would fit and are not better" in wording.nothing_text(
        report_of(dropped={Drop.NO_GAIN: 3, Drop.MEMORY: 2})
    )
    assert "2 need more memory" in wording.nothing_text(report_of(dropped={Drop.MEMORY: 2}))
    assert "another machine" in wording.nothing_text(report_of(here=False))
    assert "does not tell" in wording.nothing_text(report_of(capacity=MachineCapacity(None)))


def test_the_json_has_every_gain_the_command_and_the_sources() -> None:
    value = wording.to_json(report_of(row_of({TaskType.CODING: 0.84}), dropped={Drop.DISK: 1}))
    assert value["memory"] == {
        "main_bytes": 16 * GB,
        "gpu_bytes": [8 * GB],
        "limit_bytes": None,
    }
    assert value["left_out"] == {"disk": 1}
    (row,) = value["recommendations"]
    assert (row["model"], row["fits"], row["tokens_per_s"]) == ("a:4b", "memory", 12.3)
    assert (row["gains"], row["beside"]) == ({"coding": 0.8}, {"coding": "mine"})
    assert (row["command"], row["sources"]) == ("orch models pull a:4b", ["x:y"])
    assert value["nothing"] is None
