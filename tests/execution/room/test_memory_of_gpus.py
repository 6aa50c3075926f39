"""Memory of GPUs from end to end: a fake nvidia-smi, and a server that fails where a model does not
fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.support.fake_llama_server import FakeLlamaServer, ServedModel
from tests.support.http_server import served
from tests.support.orch_command import orch
from tests.support.simulated_gpus import SimulatedGpus

SIZES = {"small": 1.0, "medium": 9.0, "large": 18.0, "huge": 30.0}
"""TB of each model."""
Gpus = Mapping[str, tuple[float, float]]
ONE_FULL: Gpus = {"GPU one": (24, 23.9), "GPU two": (24, 0.1)}


@contextmanager
def machine(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpus: Mapping[str, tuple[float, float]],
    *models: str,
) -> Iterator[tuple[SimulatedGpus, FakeLlamaServer]]:
    """A router with these models on those GPUs, and the configuration for it."""
    commands = home.parent / "commands"
    commands.mkdir()
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    simulated = SimulatedGpus(commands, gpus, SIZES)
    with FakeLlamaServer(*map(ServedModel, models), gpus=simulated) as router:
        home.mkdir()
        specs = "".join(
            f"  - {{id: {name}, provider: router, memory_gb: {SIZES[name] * 1000}}}\n"
            for name in models
        )
        (home / "models.yaml").write_text(
            "version: 1\nproviders:\n"
            f"  router: {{kind: llama-server, base_url: '{router.url}'}}\nmodels:\n{specs}"
        )
        yield simulated, router


def run(*words: str) -> dict[str, Any]:
    """The result of `orch run --json` with a short task."""
    done = orch("run", "--json", "--no-server", *words, "say something")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_what_does_not_fit_beside_other_programs_is_not_tried(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine(home, monkeypatch, ONE_FULL, "huge", "large") as (gpus, _):
        done = orch("route", "--json", "say something")
        candidates = {
            each["model_id"]: each for each in json.loads(done.stdout)["decision"]["candidates"]
        }
        answer = run()
    assert candidates["huge"]["eliminated_code"] == "memory"
    assert "other programs hold 24,000.0 GB" in candidates["huge"]["eliminated"]
    assert candidates["large"]["eliminated"] is None
    assert (answer["ok"], answer["model"], gpus.refused) == (True, "large", [])


def test_a_model_that_was_named_is_told_what_holds_the_memory_in_the_api_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"model": "huge", "messages": [{"role": "user", "content": "say something"}]}
    with machine(home, monkeypatch, ONE_FULL, "huge", "large"), served() as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert "other programs hold 24,000.0 GB" in unquote(answer.headers["x-orch-warning"])


def test_an_idle_model_makes_room_for_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine(home, monkeypatch, ONE_FULL, "large", "medium", "small") as (gpus, _):
        for name in ("large", "small"):
            assert run("-m", name)["ok"]
        assert gpus.loaded == {"large", "small"}  # beside each other
        answer = run("-m", "medium")
        assert gpus.loaded == {"medium", "small"}
    assert (answer["ok"], gpus.refused) == (True, [])
    assert "unloaded router/large to make room for medium" in answer["warnings"]


def test_a_model_that_another_program_loaded_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine(home, monkeypatch, ONE_FULL, "large", "medium", "small") as (gpus, router):
        router.start_load(router.models["large"]).join()
        answer = run("-m", "small")
        assert "large" in gpus.loaded
        done = orch("route", "--json", "say something")
    assert (answer["ok"], gpus.refused) == (True, [])
    candidates = {
        each["model_id"]: each for each in json.loads(done.stdout)["decision"]["candidates"]
    }
    assert "large (18,000.0 GB) stays loaded" in candidates["medium"]["eliminated"]
    assert candidates["small"]["eliminated"] is None


def test_requests_at_once_wait_for_the_memory_of_one_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("large", "medium", "small")
    with machine(home, monkeypatch, ONE_FULL, *names) as (gpus, _), served() as url:

        def ask(at: int) -> int:
            body = {
                "model": names[at % 3],
                "messages": [{"role": "user", "content": f"say {at}"}],
            }
            return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).status_code

        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(ask, range(18)))
    assert (set(statuses), gpus.refused) == ({200}, [])


@pytest.mark.parametrize("name", ["medium", "small"])
def test_a_command_that_loads_a_model_makes_room(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with machine(home, monkeypatch, ONE_FULL, "large", "medium", "small") as (gpus, _):
        run("-m", "large")
        done = orch("models", "load", name)
        assert name in gpus.loaded
    assert (done.returncode, gpus.refused) == (0, [])
    assert (b"unloaded router/large" in done.stdout + done.stderr) == (name == "medium")
