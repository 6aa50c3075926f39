"""Names that share a digest (`llama3.1`, `llama3.1:8b`) are one model in memory: loaded, unloaded
and counted once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import respx

from orch import Orchestrator
from orch.config.spec import ModelSpec, Provider
from orch.hardware.device import MainMemory
from orch.providers.installed_models import InstalledModel
from orch.providers.ollama.client import OllamaClient
from orch.routing.machine.admission import SlotRequest
from orch.routing.model_state import ModelState
from orch.types import ModelKey
from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Json
from tests.support.orch_command import orch
from tests.support.scheduler_harness import SchedulerHarness, config, inventory, settle

FULL, SHORT = "llama3.1:latest", "llama3.1:8b"
MESSAGES = [{"role": "user", "content": "hi"}]
GB = 10**9


@pytest.fixture
def aliases(ollama: FakeOllama) -> FakeOllama:
    """An Ollama with two further names for its Llama."""
    digest = ollama.models[LLAMA].digest
    for name in (FULL, SHORT):
        ollama.add(FakeModel(name, digest=digest))
    return ollama


async def installed(running: list[Json], tags: list[Json]) -> dict[str, InstalledModel]:
    """The installed models by name, as the client reads them from /api/ps and /api/tags."""
    with respx.mock(base_url="http://ollama.example") as router:
        router.get("/api/ps").respond(json={"models": running})
        router.get("/api/tags").respond(json={"models": tags})
        backend = OllamaClient(Provider(kind="ollama", base_url="http://ollama.example"))
        try:
            return {each.name: each for each in await backend.installed()}
        finally:
            await backend.aclose()


async def test_every_name_of_a_loaded_model_counts_as_loaded() -> None:
    tags = [{"name": name, "digest": "one"} for name in (FULL, SHORT)] + [
        {"name": "other:1b", "digest": "two"}
    ]
    there = await installed([{"name": SHORT, "digest": "one", "context_length": 4096}], tags)
    assert {name: each.resident_ctx for name, each in there.items()} == {
        FULL: 4096,
        SHORT: 4096,
        "other:1b": None,
    }


async def test_a_reassigned_name_does_not_count_as_loaded() -> None:
    tags = [{"name": FULL, "digest": "new"}, {"name": SHORT, "digest": "old"}]
    there = await installed([{"name": FULL, "digest": "old", "context_length": 4096}], tags)
    assert {name: each.resident for name, each in there.items()} == {FULL: False, SHORT: True}


@pytest.mark.parametrize("digest", ["", "sha256:one", "of-another-form"])
async def test_without_a_digest_the_name_decides(digest: str) -> None:
    there = await installed(
        [{"name": "llama3.1", "digest": digest}], [{"name": FULL, "digest": "one"}]
    )
    assert there[FULL].resident


def test_a_model_is_loaded_by_one_name_and_unloaded_by_another(aliases: FakeOllama) -> None:
    assert orch("models", "load", FULL).stdout.decode().strip() == f"{FULL} is loaded"
    assert orch("models", "load", SHORT).returncode == 0
    assert (aliases.loads, list(aliases.resident)) == (1, [FULL])
    assert orch("models", "unload", SHORT).stdout.decode().strip() == f"{SHORT} is unloaded"
    assert aliases.resident == {}


def test_a_model_loaded_under_another_name_is_not_a_cold_load(aliases: FakeOllama) -> None:
    aliases.resident[FULL] = 8_192
    decided = json.loads(orch("route", "--json", "-m", SHORT, "hi").stdout)
    (taken,) = (each for each in decided["decision"]["candidates"] if each["model_id"] == SHORT)
    assert (taken["resident"], taken["num_ctx"]) == (True, 8_192)


async def test_a_models_memory_is_released_once(
    aliases: FakeOllama, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr("orch.hardware.devices.main_memory", lambda: MainMemory(10**13, 0))
    monkeypatch.setattr("orch.hardware.devices.read_gpus", lambda env: ())
    aliases.resident[FULL] = 8_192
    async with Orchestrator() as orchestrator:
        seen = await orchestrator.runtime.registry.snapshot()
    assert seen.memory_bytes == aliases.models[LLAMA].size


# ---------------------------------------------------------------- the server


def named(name: str, *, resident: bool = False) -> ModelState:
    """One of the names of a 10 GB model."""
    return ModelState(
        ModelSpec(id=name),
        digest="one",
        resident=resident,
        resident_bytes=10 * GB if resident else 0,
    )


async def test_two_names_of_one_model_run_side_by_side() -> None:
    harness = SchedulerHarness(
        config(parallel=4), replace(inventory(), states=(named(FULL), named(SHORT)))
    )
    harness.submit("a", FULL, footprint_bytes=10 * GB)
    harness.submit("b", SHORT, footprint_bytes=10 * GB)
    await settle()
    assert harness.admitted == ["a", "b"]
    assert harness.scheduler.is_needed(ModelKey("ollama", FULL))
    harness.finish("a")
    await settle()
    assert harness.scheduler.is_needed(ModelKey("ollama", FULL))


async def test_a_model_with_two_names_takes_its_memory_once() -> None:
    small = ModelState(ModelSpec(id="small"), size_bytes=2 * GB)
    harness = SchedulerHarness(
        config(parallel=4),
        replace(
            inventory(), states=(named(FULL, resident=True), named(SHORT, resident=True), small)
        ),
    )
    harness.submit("a", SHORT, footprint_bytes=10 * GB)
    await settle()
    assert harness.wait_text(SlotRequest("r", ModelKey("ollama", "small"), 2 * GB)) == ""
    assert [each["gb"] for each in harness.scheduler.status()["memory"]["resident"]] == [10.0]


async def test_names_may_come_to_share_a_model_while_it_runs() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    harness.submit("a", SHORT, footprint_bytes=10 * GB)
    await settle()
    harness.scheduler.observe(
        replace(inventory(), states=(named(FULL, resident=True), named(SHORT, resident=True)))
    )
    harness.submit("b", FULL, footprint_bytes=10 * GB)
    await settle()
    assert await harness.drain() == ["a", "b"]


def test_ps_lists_a_model_once_under_the_name_that_ollama_lists(
    url: str, aliases: FakeOllama
) -> None:
    httpx.post(
        f"{aliases.url}/api/chat", json={"model": SHORT, "messages": MESSAGES}
    ).raise_for_status()
    assert [each["name"] for each in httpx.get(f"{url}/api/ps").json()["models"]] == [SHORT]
    httpx.post(f"{url}/api/chat", json={"model": FULL, "messages": MESSAGES}).raise_for_status()
    httpx.post(
        f"{url}/api/chat", json={"model": FULL, "messages": [], "keep_alive": 0}
    ).raise_for_status()
    assert (aliases.loads, aliases.resident) == (1, {})
