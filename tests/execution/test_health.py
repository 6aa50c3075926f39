"""Health checks: their names, what they find, and whether a task could be answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch import Orchestrator
from orch.execution.health import HealthCheck, run_health_checks
from orch.memory.index import IndexState
from orch.memory.on_demand import OnDemandMemory
from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.server_lists import FORMS, Answers, ListServer, models


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
    assert rows["provider ollama"].hint.endswith(" ollama serve")
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


# ---------------------------------------------------------------- no task can be answered


OLLAMA = {"ollama": {"kind": "ollama", "base_url": "http://127.0.0.1:11434"}}


async def failures(models: list[dict[str, str]], **settings: str) -> dict[str, HealthCheck]:
    """The failed checks on a machine where no task can be answered."""
    data = {"providers": OLLAMA, "models": models, **settings}
    async with Orchestrator(data) as orchestrator:
        rows, can_answer = await checks(orchestrator)
    assert not can_answer
    return {name: row for name, row in rows.items() if row.status == "fail"}


async def test_a_missing_model_fails_where_nothing_else_can_answer(ollama: FakeOllama) -> None:
    ollama.models.clear()
    failed = await failures([{"id": CODER}])
    assert failed[f"model {CODER}"].hint == f"orch models pull {CODER}"


async def test_without_any_model_one_line_says_so(ollama: FakeOllama) -> None:
    ollama.models.clear()
    failed = await failures([])
    assert (failed["models"].detail, failed["models"].hint) == (
        "no model is installed",
        "orch setup finds a model for this machine",
    )


async def test_models_that_only_embed_are_told_as_such(ollama: FakeOllama) -> None:
    ollama.models.clear()
    ollama.add(FakeModel("vectors:1b", capabilities=["embedding"]))
    assert (await failures([]))["models"].detail == "no installed model generates text"


async def test_models_that_run_elsewhere_are_named(ollama: FakeOllama) -> None:
    ollama.models.clear()
    ollama.add(FakeModel("far:cloud", remote_host="https://ollama.com:443"))
    assert "elsewhere are there: far:cloud" in (await failures([]))["models"].detail


async def test_where_unlisted_models_are_ignored_the_line_says_so(ollama: FakeOllama) -> None:
    assert (await failures([], unlisted="ignore"))["models"].detail == "no listed model is there"


async def test_a_provider_that_is_down_is_the_failure(home: Path) -> None:
    assert [*(await failures([{"id": CODER}]))] == ["provider ollama"]


async def checks_at(answers: Answers) -> dict[str, HealthCheck]:
    """The checks where the only provider is a server of kind openai that lists this."""
    with ListServer(answers) as server:
        providers = {"server": {"kind": "openai", "base_url": server.url}}
        async with Orchestrator({"providers": providers, "models": []}) as orchestrator:
            return (await checks(orchestrator))[0]


@pytest.mark.parametrize(("form", "kind"), [("lmstudio", "lmstudio"), ("ollama", "ollama")])
async def test_a_server_with_a_kind_of_its_own_is_named(home: Path, form: str, kind: str) -> None:
    provider = (await checks_at(FORMS[form]))["provider server"]
    assert (provider.status, f"kind: {kind} in models.yaml" in provider.hint) == ("ok", True)


async def test_one_model_is_counted_in_words_and_a_failed_load_is_told(home: Path) -> None:
    failed = {"value": "unloaded", "failed": True, "exit_code": 1}
    rows = await checks_at({"/v1/models": models({"id": "small-8b", "status": failed})})
    assert rows["provider server"].detail.startswith("1 model at http")
    assert rows["model small-8b"].detail == "installed, its last load failed, unlisted"


async def test_a_list_that_is_none_is_the_failure_of_its_provider(home: Path) -> None:
    rows = await checks_at({"/v1/models": {"data": [None, 7]}})
    assert rows["provider server"].status == "fail"


async def test_health_says_what_is_unknown_and_what_is_not_for_chat(home: Path) -> None:
    listed = models({"id": "small-8b", "owned_by": "me"}, {"id": "bge-m3", "owned_by": "me"})
    rows = await checks_at({"/v1/models": listed})
    assert rows["model small-8b"].detail == "installed, loaded: ?, unlisted"
    assert rows["model bge-m3"].detail.endswith("made for embeddings alone")
