"""Memory: a model that does not fit beside the ones that must stay waits, others run, and an
overdue request gets its room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from orch.config.spec import ModelSpec
from orch.execution.lifecycle import unloads_after_answer
from orch.routing.machine.admission import SlotRequest
from orch.routing.model_state import ModelState
from orch.types import ModelKey
from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.guarded_app import becomes_true
from tests.support.http_server import served
from tests.support.scheduler_harness import (
    SIZES,
    SchedulerHarness,
    config,
    inventory,
    settle,
    state,
    waiting_in,
)


async def test_a_model_that_does_not_fit_beside_models_in_use_waits() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    await harness.submit_all("large", "a", "large2")
    assert harness.admitted == ["large", "large2"]
    assert (
        harness.wait_text(SlotRequest("r", ModelKey("ollama", "a:8b"), 5 * 10**9))
        == "needs 5.0 GB beside large:14b (10.0 GB, in use), there are 12.0 GB"
    )
    harness.finish("large")
    await settle()
    assert harness.admitted == ["large2"]
    harness.finish("large2")
    await settle()
    assert harness.admitted == ["a"]
    # large:14b was put out
    assert (
        harness.wait_text(SlotRequest("r", ModelKey("ollama", "large:14b"), 10**10))
        == "needs 10.0 GB beside a:8b (5.0 GB, in use), there are 12.0 GB"
    )


async def test_models_that_fit_beside_each_other_run_together() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    await harness.submit_all("a", "b")
    assert harness.admitted == ["a", "b"]
    assert harness.wait_text(SlotRequest("r", ModelKey("ollama", "a:8b"), 5 * 10**9)) == ""


async def test_models_of_local_providers_share_memory_and_remote_ones_do_not() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    harness.submit("h", "here", "here", footprint_bytes=8 * 10**9)
    harness.submit("f", "far", "far", footprint_bytes=500 * 10**9)
    await harness.submit_all("a")
    assert harness.admitted == ["h", "f"]
    harness.finish("h")
    await settle()
    assert harness.admitted == ["f", "a"]


async def test_measured_sizes_override_estimates() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    for size in (8, 7):
        harness.scheduler.observe(
            replace(inventory(), states=(state("b:8b", resident=True, size=size),))
        )
    harness.scheduler.observe(inventory())
    await harness.submit_all("a")
    assert harness.wait_text(SlotRequest("r", ModelKey("ollama", "b:8b"), 6 * 10**9)).startswith(
        "needs 8.0 GB beside"
    )


async def test_a_model_is_needed_while_requests_use_it_or_wait_for_it() -> None:
    harness = SchedulerHarness(config(), inventory())
    await harness.submit_all("a1", "b1")
    wanted = [
        harness.scheduler.is_needed(ModelKey("ollama", name))
        for name in ("a:8b", "b:8b", "large:14b")
    ]
    await harness.drain()
    assert (
        wanted,
        harness.scheduler.is_needed(ModelKey("ollama", "a:8b")),
        harness.scheduler.is_needed(ModelKey("nobody", "a:8b")),
    ) == ([True, True, False], False, False)


@pytest.mark.parametrize("keep_alive", [0, 0.0, "0", "0s", "0m0s", "0.0h"])
def test_a_keep_alive_of_zero_has_several_forms(keep_alive: object) -> None:
    assert unloads_after_answer(keep_alive)


@pytest.mark.parametrize("keep_alive", [None, False, -1, 0.5, "", "10s", "0m5s", "s", [0]])
def test_other_keep_alives_keep_a_model_loaded(keep_alive: object) -> None:
    assert not unloads_after_answer(keep_alive)


async def test_one_model_under_two_spellings_is_one_model() -> None:
    seen = replace(
        inventory(),
        states=(ModelState(ModelSpec(id="qwen3:latest"), resident=True, resident_bytes=10**10),),
    )
    harness = SchedulerHarness(config(parallel=4), seen)
    harness.submit("q", "qwen3:latest")
    await settle()
    assert harness.wait_text(SlotRequest("r", ModelKey("ollama", "qwen3"), 10**10)) == ""


async def test_requests_that_fit_overtake_until_one_is_overdue() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    await harness.submit_all("a1")
    await harness.submit_all("large")
    await harness.submit_all("a2", "b1")
    assert harness.admitted == ["a1", "a2", "b1"]
    harness.now = 30.0
    await harness.submit_all("a3")
    harness.submit("h", "here", "here", footprint_bytes=5 * 10**9)
    for name in ("a1", "a2"):
        harness.finish(name)
        await settle()
    assert harness.admitted == ["b1"]
    assert {place["run_id"]: place["reason"] for place in waiting_in(harness)}[
        "a3"
    ] == "large:14b has waited too long and goes first"
    harness.finish("b1")
    await settle()
    assert harness.admitted == ["large"]
    assert sorted((await harness.drain())[-2:]) == ["a3", "h"]


async def test_blocked_requests_continue_when_the_overdue_one_is_cancelled() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    await harness.submit_all("a1", "large")
    harness.now = 30.0
    await harness.submit_all("a2")
    assert harness.admitted == ["a1"]
    harness.tasks["large"].cancel()
    await settle()
    assert harness.admitted == ["a1", "a2"]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [("embed:1", "large:14b", "embedding"), ("large:14b", "embed:1", "chat")],
)
async def test_embedding_and_chat_models_do_not_evict_each_other(
    first: str, second: str, why: str
) -> None:
    harness = SchedulerHarness(config(parallel=4), inventory(first, budget=10.5))
    harness.submit("r", second, embeds=second == "embed:1")
    await settle()
    assert harness.admitted == []
    assert (
        f"beside {first} ({SIZES[first]}.0 GB, loaded for {why}), there are 10.5 GB"
        in waiting_in(harness)[0]["reason"]
    )
    harness.scheduler.observe(inventory(budget=10.5))  # its provider let it go, for idleness
    await settle()
    assert harness.admitted == ["r"]


async def test_a_request_that_can_never_fit_blocks_nobody() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory("embed:1", budget=10.5))
    await harness.submit_all("a1", "large")
    harness.now = 31.0
    await harness.submit_all("a2")
    assert harness.admitted == ["a1", "a2"]


async def test_a_model_that_was_just_used_stays_loaded() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory(budget=10.5))
    await harness.submit_all("large")
    await harness.drain()
    assert (
        harness.wait_text(SlotRequest("r", ModelKey("ollama", "embed:1"), 10**9))
        == "needs 1.0 GB beside large:14b (10.0 GB, loaded for chat), there are 10.5 GB"
    )


async def test_the_longest_idle_model_is_assumed_to_be_evicted() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory("a:8b", "b:8b"))
    await harness.submit_all("a")
    await harness.drain()
    harness.submit("new", "new:4b", footprint_bytes=5 * 10**9)
    await settle()
    assert [model["model"] for model in harness.scheduler.status()["memory"]["resident"]] == [
        "a:8b",
        "new:4b",
    ]


async def test_a_single_model_is_admitted_whatever_its_size() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory(budget=8))
    await harness.submit_all("a", "large")
    assert await harness.drain() == ["a", "large"]


async def test_an_idle_model_of_the_same_sort_is_evicted() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory("a:8b"))
    await harness.submit_all("large")
    assert harness.admitted == ["large"]


async def test_an_evicted_model_is_gone_even_if_an_older_inventory_lists_it() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory("a:8b"))
    await harness.submit_all("large")
    harness.scheduler.observe(inventory("a:8b"))
    await harness.submit_all("a")
    assert harness.admitted == ["large"]


async def test_an_idle_embedding_model_is_not_evicted_by_chat() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory("embed:1", "a:8b"))
    await harness.submit_all("a")
    await harness.drain()
    await harness.submit_all("large")
    assert [model["model"] for model in harness.scheduler.status()["memory"]["resident"]] == [
        "embed:1",
        "large:14b",
    ]


async def test_a_provider_does_not_evict_the_models_of_another() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory("a:8b"))
    harness.submit("h", "here", "here", footprint_bytes=8 * 10**9)
    await harness.submit_all("a")
    assert harness.admitted == ["h", "a"]


async def test_before_the_first_inventory_everything_fits() -> None:
    harness = SchedulerHarness(config(parallel=4))
    await harness.submit_all("a", "large", "b")
    assert harness.admitted == ["a", "large", "b"]


def test_an_unlisted_loaded_model_uses_memory(ollama: FakeOllama, home: Path) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM)
    provider, model = f"{{kind: ollama, base_url: '{ollama.url}'}}", f"{{id: '{CODER}'}}"
    (home / "models.yaml").write_text(
        f"version: 1\nunlisted: ignore\nproviders: {{ollama: {provider}}}\nmodels: [{model}]\n"
    )
    with served() as url:
        assert (
            httpx.post(f"{url}/api/embed", json={"model": "nomic", "input": "a"}).status_code == 200
        )
        assert (
            httpx.post(
                f"{url}/api/chat",
                json={
                    "model": "auto",
                    "messages": [{"role": "user", "content": "hi"}],
                    "stream": False,
                },
            ).json()["model"]
            == CODER
        )
        resident = httpx.get(f"{url}/orch/health").json()["queue"]["memory"]["resident"]
    assert {(model["model"], model["embeds"]) for model in resident} == {
        (CODER, False),
        ("nomic", True),
    }


async def test_models_in_use_at_an_unreachable_provider_use_memory() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory())
    await harness.submit_all("large")
    harness.scheduler.observe(
        replace(
            inventory(), states=inventory().states[-2:], unreachable={"ollama": "it did not answer"}
        )
    )
    harness.submit("h", "here", "here", footprint_bytes=8 * 10**9)
    await settle()
    assert harness.admitted == ["large"]


async def test_without_a_known_limit_everything_fits() -> None:
    harness = SchedulerHarness(config(parallel=4), inventory(budget=None))
    await harness.submit_all("a", "large", "b")
    assert harness.admitted == ["a", "large", "b"]
    assert harness.scheduler.status()["memory"]["budget_gb"] is None


async def test_health_shows_the_memory() -> None:
    harness = SchedulerHarness(config(), inventory("embed:1"))
    await harness.submit_all("a1")
    resident = [
        {"provider": "ollama", "model": "a:8b", "gb": 5.0, "in_use": True, "embeds": False},
        {"provider": "ollama", "model": "embed:1", "gb": 1.0, "in_use": False, "embeds": True},
    ]
    assert json.loads(json.dumps(harness.scheduler.status()))["memory"] == {
        "budget_gb": 12.0,
        "in_use_gb": 5.0,
        "resident": resident,
    }


# ---------------------------------------------------------------- memory's own embedder


@contextmanager
def remembering(ollama: FakeOllama, home: Path, budget_gb: float = 100) -> Iterator[str]:
    """A server with one provider of one slot, whose model is memory's embedder."""
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    home.mkdir()
    (home / "routing.yaml").write_text(
        f"version: 1\nmemory_budget_gb: {budget_gb}\nmemory: {{embedder: ollama/nomic}}\n"
    )
    (home / "models.yaml").write_text(
        f"version: 1\nproviders: {{ollama: {{kind: ollama, base_url: '{ollama.url}', parallel:"
        f" 1}}}}\nmodels: [{{id: '{CODER}'}}]\n"
    )
    with served() as url:
        yield url


def ask(url: str, **more: object) -> httpx.Response:
    return httpx.post(
        f"{url}/orch/run",
        json={"text": "hi", "model": CODER, **more},
        headers={"accept": "application/x-ndjson"},
        timeout=30,
    )


def embedded(ollama: FakeOllama) -> bool:
    return any(request.path == "/api/embed" for request in ollama.requests)


def test_memorys_embedder_is_queued(ollama: FakeOllama, home: Path) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 10_000, 0.02
    with remembering(ollama, home) as url, ThreadPoolExecutor(1) as other:
        with httpx.stream(
            "POST",
            f"{url}/api/chat",
            json={"model": CODER, "messages": [{"role": "user", "content": "hi"}]},
            timeout=30,
        ) as answer:
            lines = answer.iter_lines()  # kept: without it httpx closes the answer
            next(lines)
            search = other.submit(
                httpx.post, f"{url}/orch/memory/search", json={"query": "hi"}, timeout=30
            )
            assert becomes_true(
                lambda: (
                    'orch_queue_waiting{provider="ollama"} 1.0' in httpx.get(f"{url}/metrics").text
                )
            )
            assert not embedded(ollama)
        assert (search.result().status_code, embedded(ollama)) == (200, True)


def test_a_recalling_run_completes_at_a_provider_with_one_slot(
    ollama: FakeOllama, home: Path
) -> None:
    with remembering(ollama, home) as url:
        ask(url)
        done = json.loads(ask(url, retrieve_context=True).text.splitlines()[-1])
    assert (
        done["type"],
        done["result"]["answer"],
        done["result"]["warnings"],
        embedded(ollama),
    ) == ("done", "def f(): pass", [], True)


def test_memorys_embedder_evicts_no_chat_model(ollama: FakeOllama, home: Path) -> None:
    with remembering(ollama, home, budget_gb=6) as url:
        ask(url)
        refused = httpx.post(f"{url}/orch/memory/search", json={"query": "hi"}, timeout=30)
        (warning,) = json.loads(ask(url, retrieve_context=True).text.splitlines()[-1])["result"][
            "warnings"
        ]
    assert (refused.status_code, "loaded for chat" in refused.json()["error"]["message"]) == (
        429,
        True,
    )
    assert warning.startswith("answered without memory: the embedder ollama/nomic failed: needs")
    assert not embedded(ollama)
