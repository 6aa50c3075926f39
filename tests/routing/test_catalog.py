"""What is known of each model: as plain values, measured by task type, and which are new."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from orch.routing.catalog import (
    FIRST_LOOK_S,
    NEW_S,
    ModelPerformance,
    describe,
    new_digests,
    performance_table,
)
from orch.storage.journal import Journal
from orch.types import Elimination, SpeedStats, TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orchestrators import fake, over
from tests.support.scoring import prior, state

A, B = "a:1b", "b:1b"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models that chat and one that embeds, on one server."""
    with fake(A, B) as running:
        running.models[B].reply = ["a line of code\n"] * 20
        running.models["e5:latest"] = FakeModel("e5:latest", capabilities=["embedding"])
        yield running


async def table(server: FakeOllama, *, good: bool = False) -> dict[str, ModelPerformance]:
    """The performance of each model after one answer of the second, perhaps rated good."""
    async with over({"ollama": server}) as orchestrator:
        run = await orchestrator.execute("Write a function", model=B, task_type="coding")
        if good:
            await orchestrator.runtime.feedback.record(run.run_id, "good")
        runtime = orchestrator.runtime
        inventory = await runtime.registry.snapshot()
        rows = performance_table(inventory, runtime.journal, runtime.estimator)
    return {row.state.spec.id: row for row in rows}


# ---------------------------------------------------------------- plain values


def test_a_description_is_json_and_says_where_the_quality_comes_from() -> None:
    facts = describe(state("a", prior=prior("guessed", coding=0.83), resident=True))
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["id"], facts["installed"], facts["resident"]) == ("a", True, True)
    assert (facts["quality"]["coding"], facts["quality_source"]) == (8.3, "guessed")


def test_what_is_not_known_is_none() -> None:
    facts = describe(state("a"))
    unknown = ("quality", "quality_source", "measured", "digest", "size_bytes", "capabilities")
    assert [facts[name] for name in unknown] == [None] * len(unknown)


def test_a_remote_model_that_is_not_allowed_is_installed_and_unavailable() -> None:
    out = Elimination("remote", {"host": "ollama.com"})
    facts = describe(state("a", unavailable=out, remote_host="ollama.com"))
    assert (facts["installed"], facts["remote"], facts["remote_host"]) == (True, True, "ollama.com")
    assert "ollama.com" in facts["unavailable"]


def test_a_model_that_its_provider_does_not_have_is_not_installed() -> None:
    facts = describe(state("a", unavailable=Elimination("not_installed")))
    assert (facts["installed"], facts["unavailable"]) == (False, "not installed")


def test_a_measured_speed_is_given_with_its_values() -> None:
    facts = describe(state("a", measured=SpeedStats(3, 1.0, decode_tps=40.0)))
    assert (facts["measured"]["n"], facts["measured"]["decode_tps"]) == (3, 40.0)


# ---------------------------------------------------------------- measured by task type


async def test_the_table_has_every_installed_model_that_chats(server: FakeOllama) -> None:
    rows = await table(server)
    assert sorted(rows) == [A, B]


async def test_a_speed_is_that_of_the_answers_at_the_type(server: FakeOllama) -> None:
    rows = await table(server)
    assert rows[A].speed == {}
    assert {kind: each.n for kind, each in rows[B].speed.items()} == {TaskType.CODING: 1}
    assert rows[B].speed[TaskType.CODING].value > 0


async def test_a_quality_is_there_once_an_answer_was_rated(server: FakeOllama) -> None:
    assert (await table(server))[B].quality == {}
    rows = await table(server, good=True)
    measured = rows[B].quality[TaskType.CODING]
    assert (rows[A].quality, measured.n) == ({}, 1)
    assert measured.value > rows[B].prior_at(TaskType.CODING)


# ---------------------------------------------------------------- new models


async def test_a_model_is_new_for_a_week_unless_it_came_with_orch(server: FakeOllama) -> None:
    now, begun = time.time(), time.time() - NEW_S + 3_600
    seen = {"first": begun, "with it": begun + FIRST_LOOK_S / 2, "new": now - 60}
    async with over({"ollama": server}) as orchestrator:
        journal = orchestrator.runtime.journal
        sight(journal, seen)
        assert new_digests(journal) == {"new"}
        sight(journal, {"years ago": now - 9 * NEW_S, "last week": now - NEW_S - 60})
        assert new_digests(journal) == {"first", "with it", "new"}


def sight(journal: Journal, times: dict[str, float]) -> None:
    """Records when digests were first seen."""
    query = "INSERT INTO model_info (digest, at, info) VALUES (?, ?, '{}')"
    journal.database.run(lambda connection: connection.executemany(query, times.items()))


async def test_no_model_is_new_when_orch_comes(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        await orchestrator.runtime.registry.snapshot()
        assert new_digests(orchestrator.runtime.journal) == set()
