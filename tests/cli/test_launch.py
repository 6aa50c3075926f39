"""`orch launch`: a client on PATH is started with the right environment and files, at a server that
runs; its exit code is the command's."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from orch.cli.commands import launch, serve
from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.forked import COMMAND
from tests.support.orch_command import orch
from tests.support.orch_process import Served, serving, until
from tests.support.own_models import Write

KEY = "a-key-that-nobody-else-has"
CODE = 7


class Client(NamedTuple):
    """A client that notes how it was started and exits with CODE."""

    folder: Path

    @property
    def words(self) -> list[str]:
        """Its arguments."""
        return (self.folder / "words").read_text().split("\0")[:-1]

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        lines = (self.folder / "environment").read_text().split("\0")[:-1]
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """All three clients, first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in launch.NAMES:
        script = folder / name
        script.write_text(
            f"#!/bin/sh\nprintf '%s\\0' \"$@\" > '{folder}/words'\n"
            f"env -0 > '{folder}/environment'\nexit {CODE}\n"
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Client(folder)


@pytest.fixture
def server(ollama: FakeOllama, home: Path) -> Iterator[Served]:
    """A server with a model that has tools, and memory for each."""
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM)
    ollama.add(FakeModel("agent:8b", capabilities=["completion", "tools"], context_length=65_536))
    with serving() as served:
        yield served


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_codex_gets_a_folder_of_its_own_the_servers_address_and_its_arguments(
    client: Client, server: Served, home: Path
) -> None:
    begun = orch("launch", "codex", "--", "exec", "What is a mutex?", "--json")
    assert (begun.returncode, begun.stdout) == (CODE, b""), begun.stderr
    assert client.words == ["exec", "What is a mutex?", "--json"]
    folder = home / "clients" / "codex"
    assert client.environment["CODEX_HOME"] == str(folder)
    written = tomllib.loads((folder / "config.toml").read_text())
    assert written["model_providers"]["orch"]["base_url"] == f"{server.url}/v1"
    assert (written["model"], written["model_context_window"]) == ("auto", 65_536)
    assert (mode(folder), mode(folder / "config.toml")) == (0o700, 0o600)


def test_claude_code_asks_the_model_that_was_named_and_nobody_else(
    client: Client, server: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-for-somebody-else")
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    begun = orch("launch", "claude", "-m", "agent:8b", "--", "-p", "hi")
    assert begun.returncode == CODE, begun.stderr
    environment = client.environment
    assert client.words == ["-p", "hi"]
    assert environment["no_proxy"].endswith("127.0.0.1,localhost,::1,[::1]")
    assert environment["ANTHROPIC_BASE_URL"] == server.url
    assert environment["ANTHROPIC_MODEL"] == "agent:8b"
    assert environment["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "65536"
    assert {"ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "PYTHONSAFEPATH"} & {*environment} == (
        set()
    )
    assert mode(home / "clients" / "claude" / ".claude.json") == 0o600


def test_opencode_lists_the_models_that_are_there(
    client: Client, server: Served, home: Path
) -> None:
    assert orch("launch", "opencode").returncode == CODE
    path = home / "clients" / "opencode" / "opencode.json"
    assert client.environment["OPENCODE_CONFIG"] == str(path)
    block = json.loads(path.read_text())["provider"]["orch"]
    assert block["options"]["baseURL"] == f"{server.url}/v1"
    assert block["models"]["agent:8b"]["limit"] == {"context": 65_536, "output": 8_192}
    assert {"auto", "auto:loaded", CODER} <= {*block["models"]}


@pytest.mark.parametrize("name", ["auto:writing", "AGENT:8B"])
def test_opencode_lists_the_model_as_it_was_named(
    client: Client, server: Served, home: Path, name: str
) -> None:
    """OpenCode 1.18.33 ends with an error where it is not listed."""
    assert orch("launch", "opencode", "--model", name).returncode == CODE
    written = json.loads((home / "clients" / "opencode" / "opencode.json").read_text())
    assert written["model"] == f"orch/{name}"
    assert written["provider"]["orch"]["models"][name]["limit"]["context"] == 65_536


@pytest.mark.parametrize("content", [b"// mine\n{}", b"\xff\xfe{"])
def test_a_file_that_can_not_be_read_is_kept_beside_the_new_one(
    client: Client, server: Served, home: Path, content: bytes
) -> None:
    path = home / "clients" / "opencode" / "opencode.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    begun = orch("launch", "opencode")
    assert begun.returncode == CODE
    assert b"is now opencode.json.bak" in begun.stderr
    assert path.with_name("opencode.json.bak").read_bytes() == content
    assert json.loads(path.read_text())["model"] == "orch/auto"


def test_a_server_is_started_where_none_runs_and_stays(client: Client, ollama: FakeOllama) -> None:
    try:
        begun = orch("launch", "codex")
        info = serve.server_info()
        assert info, begun.stderr
        assert f"started a server at {info['url']}".encode() in begun.stderr
        assert begun.returncode == CODE
    finally:
        orch("serve", "stop")


def test_two_launches_at_once_share_the_server_that_one_of_them_starts(
    client: Client, ollama: FakeOllama
) -> None:
    try:
        with ThreadPoolExecutor() as pool:
            begun = list(pool.map(lambda name: orch("launch", name), ("claude", "codex")))
        assert [each.returncode for each in begun] == [CODE, CODE], begun
        said = b"".join(each.stderr for each in begun)
        assert said.count(b"started a server") == 1
    finally:
        orch("serve", "stop")


def test_print_starts_nothing_and_writes_nothing(
    client: Client, ollama: FakeOllama, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "corp")
    printed = orch("launch", "claude", "--print", "--", "-p", "a b")
    assert printed.returncode == 0, printed.stderr
    lines = printed.stdout.decode().splitlines()
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:11435" in lines
    for name in ("NO_PROXY", "no_proxy"):
        assert f"export {name}='corp,127.0.0.1,localhost,::1,[::1]'" in lines
    assert lines[-1] == "claude -p 'a b'"
    assert serve.server_info() is None
    assert not (home / "clients").exists()
    assert not (client.folder / "words").exists()


def test_print_knows_aliases_without_a_server(ollama: FakeOllama, own: Write) -> None:
    ollama.add(FakeModel("agent:8b", capabilities=["completion", "tools"], context_length=65_536))
    own(f"""
version: 1
aliases: {{gpt-4o: agent:8b, any: "auto:coding"}}
providers:
  ollama: {{kind: ollama, base_url: "{ollama.url}"}}
models: []
""")
    for name in ("GPT-4o", "any"):
        printed = orch("launch", "claude", "--print", "--model", name)
        assert printed.returncode == 0, printed.stderr
        assert f"export ANTHROPIC_MODEL={name}".encode() in printed.stdout


def test_a_key_goes_by_the_environment_and_is_never_shown_or_written(
    client: Client, ollama: FakeOllama, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_API_KEY", f"laptop={KEY},ci={KEY}2")
    with serving():
        printed = orch("launch", "claude", "--print")
        assert b'ANTHROPIC_AUTH_TOKEN="$ORCH_API_KEY"' in printed.stdout
        assert KEY.encode() not in printed.stdout + printed.stderr
        assert orch("launch", "opencode").returncode == CODE
        assert client.environment["ORCH_API_KEY"] == KEY
        assert KEY not in (home / "clients" / "opencode" / "opencode.json").read_text()
        monkeypatch.delenv("ORCH_API_KEY")
        refused = orch("launch", "codex")
    assert refused.returncode == 2
    assert b"ORCH_API_KEY is not set" in refused.stderr


def test_a_client_that_is_not_installed_is_told_how_to_get(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = orch("launch", "codex")
    assert refused.returncode == 2
    assert b"npm install -g @openai/codex" in refused.stderr


def test_an_unknown_client_is_told_which_there_are() -> None:
    refused = orch("launch", "cursor")
    assert refused.returncode == 2
    assert b"one of: claude, codex, opencode" in refused.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("claude -p hi", "claude -- -p hi"),
        ("-m auto codex exec hi --json", "-m auto codex exec hi -- --json"),
    ],
)
def test_an_option_of_the_client_is_told_to_follow_two_dashes(words: str, hint: str) -> None:
    refused = orch("launch", *words.split())
    assert refused.returncode == 2
    assert f"orch launch {hint}" in refused.stderr.decode()


def test_an_option_without_a_client_is_unknown() -> None:
    refused = orch("launch", "-p", "hi")
    assert refused.returncode == 2
    assert b"No such option: -p" in refused.stderr


@pytest.mark.parametrize(
    ("name", "others"), [("nobody:7b", b"agent:8b"), ("auto:nonsense", b"auto:coding")]
)
def test_an_unknown_model_starts_nothing(
    client: Client, server: Served, name: str, others: bytes
) -> None:
    refused = orch("launch", "codex", "--model", name)
    assert refused.returncode == 4, refused.stderr
    assert name.encode() in refused.stderr
    assert others in refused.stderr
    assert not (client.folder / "words").exists()


def test_a_server_that_was_started_for_an_unknown_model_does_not_stay(
    client: Client, ollama: FakeOllama
) -> None:
    refused = orch("launch", "codex", "--model", "nobody:7b")
    assert refused.returncode == 4, refused.stderr
    assert b"started a server" in refused.stderr
    assert b"the server has stopped" in refused.stderr
    assert serve.server_info() is None


def test_a_server_that_was_there_before_stays_where_the_client_can_not_be_started(
    client: Client, server: Served
) -> None:
    client.folder.joinpath("codex").write_bytes(b"")  # not a program
    refused = orch("launch", "codex")
    assert b"can't be started" in refused.stderr
    assert serve.server_info() is not None


def test_an_alias_of_models_yaml_is_a_model_like_any_other(
    client: Client, ollama: FakeOllama, own: Write
) -> None:
    ollama.add(FakeModel("agent:8b", capabilities=["completion", "tools"], context_length=65_536))
    own(f"""
version: 1
aliases: {{gpt-4o: agent:8b}}
providers:
  ollama: {{kind: ollama, base_url: "{ollama.url}"}}
models: []
""")
    with serving():
        begun = orch("launch", "claude", "--model", "gpt-4o")
    assert begun.returncode == CODE, begun.stderr
    assert client.environment["ANTHROPIC_MODEL"] == "gpt-4o"
    assert client.environment["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "65536"


@pytest.mark.parametrize("name", [CODER, "autocoder:7b"])
def test_a_model_without_tools_is_warned_of(
    client: Client, server: Served, ollama: FakeOllama, name: str
) -> None:
    ollama.add(FakeModel("autocoder:7b", capabilities=["completion"], context_length=65_536))
    begun = orch("launch", "codex", "--model", name)
    assert f"{name} can't call tools".encode() in begun.stderr
    assert begun.returncode == CODE


def test_signals_go_to_the_client(client: Client, server: Served) -> None:
    """It has the command's process id, and SIGPIPE as a shell would give it."""
    script = client.folder / "codex"
    script.write_text(
        f"#!/bin/sh\ngrep SigIgn /proc/$$/status > '{client.folder}/ignored'\n"
        f"echo $$ > '{client.folder}/scratch'; mv '{client.folder}/scratch'"
        f" '{client.folder}/id'\nexec sleep 600\n"
    )
    process = subprocess.Popen([*COMMAND, "launch", "codex"])
    try:
        until((client.folder / "id").exists)
        assert int((client.folder / "id").read_text()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
    finally:
        process.kill()
    ignored = int((client.folder / "ignored").read_text().split()[1], 16)
    assert not ignored & 1 << signal.SIGPIPE - 1


def test_config_client_prints_the_block_alone_on_stdout(server: Served) -> None:
    printed = orch("config", "client", "opencode")
    assert printed.returncode == 0, printed.stderr
    block = json.loads(printed.stdout)
    assert block["provider"]["orch"]["options"]["baseURL"] == f"{server.url}/v1"
    assert "agent:8b" in block["provider"]["orch"]["models"]
    assert printed.stderr == b"for ~/.config/opencode/opencode.json:\n"


def test_config_client_without_a_server_tells_what_would_be_served(ollama: FakeOllama) -> None:
    printed = orch("config", "client", "llm")
    assert b"model_name: auto\n" in printed.stdout
    assert CODER.encode() in printed.stdout
    assert b"http://127.0.0.1:11435/v1" in printed.stdout
    assert serve.server_info() is None


def test_a_running_server_with_another_configuration_is_told(
    client: Client, server: Served, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "routing.yaml").write_text("version: 1\n")
    begun = orch("--config", str(other), "launch", "codex")
    assert b"does not have the configuration in" in begun.stderr
    assert begun.returncode == CODE
    assert b"configuration" not in orch("launch", "codex").stderr


def test_config_client_of_an_unknown_client() -> None:
    refused = orch("config", "client", "emacs")
    assert refused.returncode == 2
    assert b"open-webui" in refused.stderr


def test_a_context_that_is_too_small_is_warned_of(
    client: Client, server: Served, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("small:3b", capabilities=["completion", "tools"], context_length=8_192))
    begun = orch("launch", "claude", "--model", "small:3b")
    assert b"small:3b holds 8,192 tokens; Claude Code needs about 32,000" in begun.stderr
    assert begun.returncode == CODE


@pytest.mark.parametrize(
    ("words", "completed"),
    [("orch launch c", ["claude", "codex"]), ("orch config client z", ["zed"])],
)
def test_names_of_clients_are_completed(
    monkeypatch: pytest.MonkeyPatch, words: str, completed: list[str]
) -> None:
    monkeypatch.setenv("_ORCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert orch().stdout.decode().split() == completed
