"""The commands beside a running server, and the server's own commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from orch.cli.commands import serve
from orch.config.installation import install_extra_command
from orch.errors import OrchError
from orch.server.instance_lock import lock_holder, lock_path
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.forked import Forked
from tests.support.orch_command import orch, without

TASK = "Write a Python function that sorts a list"


def status() -> dict[str, Any] | None:
    server: dict[str, Any] | None = json.loads(orch("serve", "status", "--json").stdout)["server"]
    return server


@pytest.fixture
def server(ollama: FakeOllama) -> Iterator[dict[str, Any]]:
    """A server in the background, with the test's home and Ollama."""
    begun = orch("serve", "--detach", "--port", "0")
    assert begun.returncode == 0, begun.stderr
    there = status()
    assert there is not None
    yield there
    orch("serve", "stop")
    # a test that moved to another home, or killed it, has left none behind either
    with contextlib.suppress(ProcessLookupError):
        os.kill(there["pid"], signal.SIGTERM)


def begun(*words: str) -> subprocess.Popen[bytes]:
    return Forked(*words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def faces(home: Path) -> list[str]:
    """The faces of the recorded runs."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(home / "journal.sqlite3")) as connection:
        return [row[0] for row in connection.execute("SELECT face FROM runs ORDER BY seq")]


def test_no_fallback_is_passed_to_the_server(
    server: dict[str, Any], ollama: FakeOllama, home: Path
) -> None:
    ollama.models[CODER].faults.append(Fault("status", status=500))
    done = orch("run", "--no-fallback", "--json", TASK)
    answer = json.loads(done.stdout)
    assert (done.returncode, [each["model"] for each in answer["attempts"]]) == (7, [CODER])
    httpx.get(
        f"{server['url']}/orch/runs/{answer['run_id']}"
    )  # what waits is written before it is read
    assert faces(home) == ["cli"]


def test_a_server_starts_reports_its_status_and_stops(server: dict[str, Any]) -> None:
    assert httpx.get(f"{server['url']}/v1/models").status_code == 200
    second = orch("serve", "--port", "0")
    assert (second.returncode, b"serves already" in second.stderr) == (1, True)
    assert orch("serve", "stop").returncode == 0
    assert status() is None
    assert orch("serve", "status").returncode == 1


def test_the_owners_socket_is_private(server: dict[str, Any], home: Path) -> None:
    from orch.config.socket_path import is_private_folder, socket_path

    path = socket_path()
    assert path.stat().st_mode & 0o077 == 0
    assert is_private_folder(path.parent)


@pytest.mark.parametrize(
    "words",
    [
        ["--fresh", TASK],
        ["--fresh", "--plain", TASK],
        ["--fresh", "--no-stream", TASK],
        ["-m", "nope", TASK],
        ["--profile", "nope", TASK],
        ["-t", "nope", TASK],
        ["--json", "-m", "nope", TASK],
    ],
)
def test_a_run_through_the_server_prints_the_same(server: dict[str, Any], words: list[str]) -> None:
    by_server, alone = orch("run", *words), orch("run", "--no-server", *words)
    assert (by_server.returncode, _timeless(by_server.stdout), _timeless(by_server.stderr)) == (
        alone.returncode,
        _timeless(alone.stdout),
        _timeless(alone.stderr),
    )


def _timeless(shown: bytes) -> bytes:
    import re

    return re.sub(rb"\d+\.\d\d s|not loaded|loaded|\"run_id\": \"\w+\"", b"", shown)


def test_the_server_records_the_run(server: dict[str, Any], home: Path) -> None:
    result = json.loads(orch("run", "--json", TASK).stdout)
    assert (result["ok"], result["model"]) == (True, CODER)
    row = httpx.get(f"{server['url']}/orch/runs/{result['run_id']}").json()["run"]
    assert (row["face"], row["answer"]) == ("cli", "def f(): pass")


def test_piped_text_files_and_options_are_passed_to_the_server(
    server: dict[str, Any], ollama: FakeOllama
) -> None:
    Path("note.txt").write_text("remember the milk")
    done = orch(
        "run",
        "-s",
        "be brief",
        "-f",
        "note.txt",
        "-o",
        "seed=7",
        "what is it?",
        "-",
        stdin=b"piped\n",
    )
    assert done.returncode == 0
    sent = ollama.chats()[-1].body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert all(
        each in sent["messages"][1]["content"]
        for each in ("what is it?", "piped", "remember the milk")
    )
    assert sent["options"]["seed"] == 7


def test_a_command_with_another_configuration_runs_alone(
    server: dict[str, Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    assert orch("run", "-m", LLAMA, "hi").returncode == 3


@pytest.mark.parametrize("extra", [[], ["--no-server"]], ids=["server", "alone"])
def test_ctrl_c_keeps_the_partial_answer(
    server: dict[str, Any], ollama: FakeOllama, extra: list[str]
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 1_000, 0.01
    process = begun("run", *extra, "--jsonl", "-m", CODER, TASK)
    assert process.stdout is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    last = json.loads(rest.splitlines()[-1])
    assert process.returncode == 130
    assert (lines[0]["type"], last["error"]["code"], last["attempts"][0]["outcome"]) == (
        "metadata",
        "interrupted",
        "partial",
    )
    assert last["partial"].startswith("word word")
    ollama.wait_for(lambda: ollama.chats()[-1].aborted, timeout_s=2)


def test_a_killed_client_ends_generation(server: dict[str, Any], ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 1_000, 0.01
    process = begun("run", "-m", CODER, TASK)
    assert process.stdout is not None
    process.stdout.read(5)
    process.kill()
    process.communicate()
    ollama.wait_for(lambda: ollama.chats()[-1].aborted, timeout_s=2)


def test_a_killed_server_never_ends_an_answer_as_if_complete(
    server: dict[str, Any], ollama: FakeOllama
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 1_000, 0.01
    process = begun("run", "-m", CODER, TASK)
    assert process.stdout is not None
    process.stdout.read(5)
    os.kill(server["pid"], signal.SIGKILL)
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, b"ended before the answer was whole" in stderr) == (7, True)
    assert orch("run", "--no-server", "-t", "simple", "-m", LLAMA, "hello").returncode == 0
    again = orch("serve", "--detach", "--port", "0")
    assert again.returncode == 0, again.stderr


def test_finished_runs_are_recorded_even_if_the_server_is_killed(
    server: dict[str, Any], home: Path
) -> None:
    run_id = json.loads(orch("run", "--json", TASK).stdout)["run_id"]
    httpx.get(f"{server['url']}/orch/runs/{run_id}")
    os.kill(server["pid"], signal.SIGKILL)
    assert faces(home) == ["cli"]


def test_a_changed_configuration_is_loaded_and_an_invalid_one_is_not(
    server: dict[str, Any], home: Path
) -> None:
    def health() -> Any:
        return httpx.get(f"{server['url']}/orch/health", timeout=20).json()["config"]

    before = health()["hash"]
    file = home / "routing.yaml"
    file.write_text("version: 1\nsession_margin: 0.2\n")
    _until(lambda: health()["hash"] != before)
    good = health()["hash"]
    file.write_text("version: 1\nsession_margins: 0.2\n")
    _until(lambda: health()["fault"] is not None)
    assert (health()["hash"], "session_margins" in health()["fault"]["message"]) == (good, True)
    assert httpx.post(f"{server['url']}/orch/run", json={"text": TASK}).status_code == 200


def _until(condition: Any) -> None:
    """Waits until a condition is true; fails after ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_models_are_loaded_and_unloaded(server: dict[str, Any], ollama: FakeOllama) -> None:
    for extra in ([], ["--help"]):
        assert orch("models", "load", LLAMA, *extra).returncode == 0
    assert LLAMA in ollama.resident
    assert orch("models", "unload", LLAMA).returncode == 0
    assert LLAMA not in ollama.resident
    assert orch("models", "load", "nope").returncode == 4


def test_a_key_is_required_beyond_loopback(home: Path) -> None:
    refused = orch("serve", "--host", "0.0.0.0", "--port", "0")
    assert (refused.returncode, b"API key" in refused.stderr) == (2, True)


def test_a_port_in_use_is_reported(
    server: dict[str, Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server["url"].rsplit(":", 1)[1]
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("ORCH_HOME", str(home.parent / "other"))
        refused = orch("serve", "--port", port)
    assert (refused.returncode, b"is taken" in refused.stderr) == (1, True)


def test_a_failing_model_is_reported_alike(server: dict[str, Any], ollama: FakeOllama) -> None:
    ollama.models[CODER].faults += [Fault("cut", after=2)] * 2
    shown = [orch("run", *extra, "-m", CODER, TASK) for extra in ([], ["--no-server"])]
    assert [(each.returncode, each.stdout) for each in shown] == [(7, b"def f(): ")] * 2


def test_memory_commands_use_the_servers_index(server: dict[str, Any], ollama: FakeOllama) -> None:
    assert orch("memory", "add", "the staging server is called nemo").returncode == 0
    hits = json.loads(orch("memory", "search", "--json", "staging server").stdout)["hits"]
    assert [hit["task"] for hit in hits] == ["the staging server is called nemo"]
    assert orch("memory", "forget", hits[0]["id"][:12]).stdout == b"deleted 1 entry\n"
    assert json.loads(orch("memory", "list", "--json").stdout)["memories"] == []
    assert orch("memory", "show", "nope").returncode == 2


def test_the_index_is_released_when_the_server_stops(server: dict[str, Any]) -> None:
    assert orch("memory", "add", "nemo is the staging server").returncode == 0
    assert orch("serve", "stop").returncode == 0
    assert json.loads(orch("memory", "search", "--json", "staging").stdout)["hits"]


def test_the_server_denies_what_the_command_denies(
    server: dict[str, Any], ollama: FakeOllama
) -> None:
    result = json.loads(
        orch("run", "--json", "--fresh", "--dial", "0", "--no-remember", TASK).stdout
    )
    assert (
        result["decision"]["weights"]["speed"] == max(result["decision"]["weights"].values()) > 0.9
    )
    assert httpx.get(f"{server['url']}/orch/runs/{result['run_id']}").json()["run"]["remember"] == 0


def test_a_turn_sees_the_one_that_has_just_ended(
    server: dict[str, Any], ollama: FakeOllama
) -> None:
    for text in ("my name is Ada", "what is my name?"):
        assert (
            httpx.post(f"{server['url']}/orch/run", json={"text": text, "session": "s"}).status_code
            == 200
        )
    assert ollama.chats()[-1].body["messages"][0]["content"] == "my name is Ada"


def test_health_reads_the_servers_index(server: dict[str, Any]) -> None:
    assert orch("memory", "add", "nemo is the staging server").returncode == 0
    checks = {
        check["name"]: check for check in json.loads(orch("health", "--json").stdout)["checks"]
    }
    assert (checks["memory"]["status"], "1 pieces" in checks["memory"]["detail"]) == ("ok", True)


def test_memory_works_after_a_reload(
    server: dict[str, Any], home: Path, ollama: FakeOllama
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 1_000, 0.01
    assert orch("memory", "add", "nemo is the staging server").returncode == 0
    before = httpx.get(f"{server['url']}/orch/server").json()["config_hash"]
    process = begun("run", "-m", CODER, TASK)
    assert process.stdout is not None
    process.stdout.read(5)
    (home / "routing.yaml").write_text("version: 1\nsession_margin: 0.2\n")
    _until(lambda: httpx.get(f"{server['url']}/orch/server").json()["config_hash"] != before)
    assert json.loads(orch("memory", "search", "--json", "staging").stdout)["hits"]
    process.kill()
    process.communicate()


def test_a_missing_server_extra_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in without(tmp_path / "blocked", "fastapi", "uvicorn").items():
        monkeypatch.setenv(name, value)
    for words in (("serve",), ("serve", "--detach")):
        refused = orch(*words)
        assert refused.stderr.splitlines() == [
            b"orch: orch serve needs fastapi, uvicorn",
            f"  try: {install_extra_command('serve')}".encode(),
        ]
        assert refused.returncode == 1


def test_a_server_that_cannot_start_in_the_background_says_all_that_it_would_say(
    home: Path,
) -> None:
    home.mkdir()
    (home / "models.yaml").write_text("version: 1\nproviders: {}\nmodels: []\nbogus: 1\nodd: 2\n")
    there, behind = (orch("serve", *words, "--port", "0") for words in ((), ("--detach",)))
    expected = there.stderr.replace(b"orch: ", b"orch: orch serve did not start: ", 1)
    assert (behind.returncode, behind.stderr) == (there.returncode, expected)
    assert (behind.returncode, b"bogus: unknown key" in behind.stderr) == (2, True)


def test_a_server_that_is_slow_to_start_is_said_to_start(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    monkeypatch.setattr("orch.cli.commands.serve.START_TIMEOUT_S", 0)
    process = SimpleNamespace(pid=7, returncode=None, poll=lambda: None)
    monkeypatch.setattr("subprocess.Popen", lambda *words, **options: process)
    with pytest.raises(OrchError) as late:
        serve.start_in_background(["serve", "--port", "0"])
    assert "goes on starting (process 7)" in late.value.message
    assert "orch serve stop" in late.value.hint


def test_of_very_many_problems_the_log_has_the_rest(home: Path) -> None:
    home.mkdir()
    keys = "\n".join(f"bogus{n}: 1" for n in range(500))
    (home / "models.yaml").write_text(f"version: 1\nproviders: {{}}\nmodels: []\n{keys}\n")
    behind = orch("serve", "--detach", "--port", "0").stderr.splitlines()
    assert (len(behind), behind[-1]) == (22, f"  try: see {home / 'serve.log'}".encode())


def test_a_server_without_memorys_libraries_says_what_to_type(
    ollama: FakeOllama, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in without(tmp_path / "blocked", "qdrant_client", "qdrant_edge").items():
        monkeypatch.setenv(name, value)
    assert orch("serve", "--detach", "--port", "0").returncode == 0
    try:
        refused = orch("memory", "stats")
    finally:
        orch("serve", "stop")
    assert (refused.returncode, install_extra_command("memory").encode() in refused.stderr) == (
        1,
        True,
    )


# ---------------------------------------------------------------- a server that does not answer


def test_beside_a_stuck_server_commands_run_alone_and_say_so(
    server: dict[str, Any], ollama: FakeOllama
) -> None:
    os.kill(server["pid"], signal.SIGSTOP)
    run, asked, shown = (
        begun("run", "--json", "-m", LLAMA, "hi"),
        begun("memory", "list", "--json"),
        begun("serve", "status", "--json"),
    )
    answer, memories, state = (process.communicate(timeout=30) for process in (run, asked, shown))
    assert json.loads(answer[0])["answer"] == "Hello world"
    assert json.loads(memories[0])["memories"] == []
    for _, stderr in (answer, memories):
        assert stderr.count(b"does not respond: working alone; orch serve stop ends it\n") == 1
    assert json.loads(state[0]) == {
        "v": 1,
        "running": True,
        "server": None,
        "stuck": {"pid": server["pid"]},
    }
    assert orch("serve", "stop").stdout == b"the server has stopped\n"
    assert faces(Path(os.environ["ORCH_HOME"])) == ["cli"]


FROZEN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
from orch.server.instance_lock import hold_lock
with hold_lock():
    print("held", flush=True)
    signal.pause()
"""


def test_only_a_server_that_does_not_stop_is_killed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(serve, "STOP_TIMEOUT_S", 0.1)
    with subprocess.Popen([sys.executable, "-P", "-c", FROZEN], stdout=subprocess.PIPE) as frozen:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == b"held\n"
        assert orch("serve", "--port", "0").stderr.startswith(
            f"orch: orch serves already (process {frozen.pid})".encode()
        )
        serve.serve_stop()
        assert frozen.wait(10) == -signal.SIGKILL
    assert b"was killed" in capsysbinary.readouterr().out
    # the file still names it
    assert lock_path().read_text().startswith(str(frozen.pid))
    assert lock_holder() is None
    assert b"no server is running" in orch("serve", "stop").stderr
