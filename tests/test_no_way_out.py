"""Runs every command with all ways to other machines blocked, in a folder full of code: none tries
to connect, asks a cloud model or runs the folder's code. Add new commands here."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from typer.main import get_command

import orch as package
from orch.cli.main import COMMANDS
from tests.conftest import CODER, LLAMA, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.orch_command import orch

CLOUD, EMBEDS, HOST = "gpt-oss:120b-cloud", "far-embed:cloud", "https://ollama.com:443"
ROOT = Path(package.__file__).parent
FENCE = Path(__file__).parent / "support" / "fence"
OTHER = "gemma2:9b"
TASK = "Prove that the square root of two is irrational"
CALLS: dict[str, list[list[str]]] = {
    "run": [["--quality", "--fresh", TASK], ["-t", "reasoning", "--recall", TASK]],
    "chat": [[]],
    "route": [[TASK], ["--quality", "--why", TASK], ["--json", "-t", "coding", TASK]],
    "classify": [[TASK]],
    "models": [[], ["--json"]],
    "models show": [[CLOUD], [LLAMA]],
    "models recommend": [[], ["--json", "--type", "coding"]],
    "models pull": [["new:1b"]],
    "models add": [[CLOUD], [OTHER]],
    "models load": [[LLAMA]],
    "models unload": [[LLAMA]],
    "health": [[], ["--offline"]],
    "setup": [[], ["--yes"], ["--json"], ["--dry-run"], ["new:1b", "--dry-run"]],
    "memory": [["--help"]],
    "memory search": [["Lisbon"]],
    "memory list": [[]],
    "memory show": [["{run}"]],
    "memory add": [["my diary"]],
    "memory forget": [["--all"]],
    "memory export": [[]],
    "memory import": [["exported.jsonl"]],
    "memory stats": [[]],
    "memory reindex": [[]],
    "journal": [["--help"]],
    "journal export": [["-"]],
    "journal backup": [["backup.sqlite3", "--force"]],
    "journal restore": [["{backup}", "--yes"]],
    "cache": [["--help"]],
    "cache stats": [[]],
    "cache why": [["{answer}"]],
    "cache use": [["{answer}"]],
    "cache forget": [["{answer}"]],
    "cache clear": [[]],
    "stats": [[]],
    "bench": [
        ["-n", "1", "--sizes", "short", "--concurrency", "1"],
        ["--quality", "--suite", "suite.yaml"],
    ],
    "rate": [["last", "bad"], ["last", "--better", CLOUD]],
    "replay": [[]],
    "serve": [["--detach", "--port", "0"]],
    "serve stop": [[]],
    "serve status": [[]],
    "mcp": [[]],
    "page": [["--print"]],
    "config": [["--help"]],
    "config validate": [[]],
    "config show": [[]],
    "config schema": [["models"]],
    "config path": [[]],
    "config init": [["--to", "made"]],
    "config client": [["codex"], ["aider"], ["open-webui"]],
    "launch": [["claude", "--print"], ["codex", "--print"], ["opencode", "--print"]],
}
"""The arguments of each command, for one or several calls. `{run}` and `{answer}` are ids of an
earlier run, `{backup}` the journal with it."""
WITHOUT_A_SERVER = {"serve stop": 2, "serve status": 1, "page": 2}
SUITE = (
    "version: 1\ntasks:\n  - {id: one, type: simple, lang: en, prompt: 'What is two and two?',"
    " grade: {exact: world}}\n"
)


def commands() -> Iterator[str]:
    """Every command and subcommand of the program."""
    for name, (module, _) in COMMANDS.items():
        yield name
        yield from (
            f"{name} {sub}"
            for sub in getattr(get_command(import_module(module).app), "commands", {})
        )


class Fence(NamedTuple):
    """Runs orch in `folder` with all ways to other machines blocked, including proxies of the
    environment; `file` records attempts."""

    file: Path
    folder: Path

    def environment(self) -> dict[str, str]:
        """That of a process behind it."""
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://192.0.2.1:3128")
        return {**os.environ, **proxies, "PYTHONPATH": str(FENCE), "ORCH_FENCE": str(self.file)}

    def __call__(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A process of its own: forked ones have imported modules without the fence."""
        command = [sys.executable, str(self.folder.parent / "bin" / "orch"), *words]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment(),
            timeout=120,
            check=False,
        )

    def held(self) -> bool:
        """Whether there was no attempt."""
        return not self.file.exists()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module for every importable name, each of which records that it ran; orch's
    script is elsewhere, as when installed."""
    base = tmp_path_factory.mktemp("hostile")
    for name in ("bin", "clone"):
        (base / name).mkdir()
    (base / "bin" / "orch").write_text("from orch.cli.main import main\nmain()\n")
    for name in {
        *sys.stdlib_module_names,
        *packages_distributions(),
        "orch",
        "sitecustomize",
        "usercustomize",
    }:
        (base / "clone" / f"{name}.py").write_text(
            f"with open({str(base / 'ran')!r}, 'a') as ran:\n    ran.write('{name} ')\n"
        )
    (base / "clone" / "suite.yaml").write_text(SUITE)
    (base / "clone" / "exported.jsonl").touch()
    return base / "clone"


@pytest.fixture
def fence(tmp_path: Path, hostile: Path) -> Iterator[Fence]:
    """The fence of this test. Fails the test if code of the folder ran."""
    ran = hostile.parent / "ran"
    ran.unlink(missing_ok=True)
    yield Fence(tmp_path / "tried", hostile)
    assert not ran.exists(), ran.read_text()


@pytest.fixture
def server(ollama: FakeOllama, home: Path) -> FakeOllama:
    """A fake Ollama with cloud models that look better than all others."""
    ollama.add(
        FakeModel(
            CLOUD, remote_host=HOST, size=384, parameter_size="116.8B", context_length=131_072
        )
    )
    ollama.add(FakeModel(EMBEDS, remote_host=HOST, size=384, capabilities=["embedding"]))
    ollama.add(FakeModel(OTHER, reply=["Hello"]))
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM)
    return ollama


def answered(home: Path) -> dict[str, str]:
    """The ids of an earlier run and of its cached answer, and a backup with both."""
    run_id = json.loads(orch("run", "--json", "Plan three days in Lisbon").stdout)["run_id"]
    with contextlib.closing(sqlite3.connect(home / "cache" / "answers.sqlite3")) as kept:
        ids = {"{run}": run_id, "{answer}": kept.execute("SELECT key FROM answers").fetchone()[0]}
    backup = home / "earlier.sqlite3"
    assert orch("journal", "backup", str(backup)).returncode == 0
    return {**ids, "{backup}": str(backup)}


def test_every_command_is_called() -> None:
    assert set(commands()) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_a_command_speaks_to_this_machine_alone(
    server: FakeOllama, home: Path, fence: Fence, name: str
) -> None:
    ids = answered(home)
    for words in CALLS[name]:
        done = fence(
            *name.split(),
            *(ids.get(word, word) for word in words),
            stdin=b"hi\n/why\n/quit\n" if name == "chat" else b"",
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (
            WITHOUT_A_SERVER.get(name, 0),
            False,
        ), done.stderr
    if name == "serve":
        use_the_server(fence)
    assert fence.held(), fence.file.read_text()
    assert not server.asked(CLOUD)
    assert not server.asked(EMBEDS)


def use_the_server(fence: Fence) -> None:
    """Requests from the background server, by HTTP and by the commands, then stops it."""
    try:
        url = json.loads(fence("serve", "status", "--json").stdout)["server"]["url"]
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            for path in ("/", "/v1/models", "/api/tags", "/api/ps", "/orch/health", "/orch/models"):
                assert client.get(path).status_code == 200
            messages = [{"role": "user", "content": TASK}]
            assert (
                client.post(
                    "/v1/chat/completions", json={"model": "auto:quality", "messages": messages}
                ).status_code
                == 200
            )
            assert (
                client.post("/api/chat", json={"model": CLOUD, "messages": messages}).status_code
                == 400
            )
            assert client.post("/api/embed", json={"model": "auto", "input": TASK}).status_code in (
                200,
                404,
            )
        assert fence("run", "--quality", TASK).returncode == 0
        assert fence("page", "--print").stdout.startswith(url.encode())
    finally:
        assert fence("serve", "stop").returncode == 0


def test_every_python_that_orch_starts_leaves_the_working_directory_off_its_path() -> None:
    started = []
    for source in ROOT.rglob("*.py"):
        lists = (
            node.elts
            for node in ast.walk(ast.parse(source.read_bytes()))
            if isinstance(node, (ast.List, ast.Tuple))
        )
        started += [
            [ast.unparse(each) for each in words]
            for words in lists
            if words and ast.unparse(words[0]) == "sys.executable"
        ]
    assert len(started) >= 3
    assert all(words[1] in ("'-P'", "'-I'") for words in started), started


@pytest.mark.parametrize(
    "words",
    [["run", "-m", CLOUD, TASK], ["bench", CLOUD], ["models", "load", CLOUD]],
    ids=lambda words: words[0],
)
def test_named_nothing_leaves_either(server: FakeOllama, fence: Fence, words: list[str]) -> None:
    assert fence(*words).returncode == 2
    assert (fence.held(), server.asked(CLOUD)) == (True, [])


def test_where_all_others_fail_nothing_leaves_either(server: FakeOllama, fence: Fence) -> None:
    for name in (CODER, LLAMA, OTHER):
        server.models[name].faults.append(Fault("status", status=500, times=-1))
    assert fence("run", "--fallback", TASK).returncode == 7
    assert (fence.held(), server.asked(CLOUD)) == (True, [])


@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('192.0.2.1', 9), 1)",
        "socket.gethostbyname('ollama.com')",
        "socket.getaddrinfo('x.test', 1)",
    ],
)
def test_the_fence_holds(fence: Fence, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import socket\n{code}"],
        capture_output=True,
        env=fence.environment(),
        timeout=60,
        check=False,
    )
    assert b"fenced off" in done.stderr
    assert not fence.held()
