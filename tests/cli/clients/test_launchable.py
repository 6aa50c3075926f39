"""What each client is started with, and what it must not inherit."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from orch.cli.clients.endpoint import ClientModel, Endpoint
from orch.cli.clients.launchable import LAUNCHABLE, Launch, environment_of, past_proxies
from orch.cli.commands.launch import NAMES

AUTO = ClientModel("auto", 65_536, tools=True)
SERVED = Endpoint("http://127.0.0.1:11435", (AUTO,))
LOCKED = Endpoint(SERVED.url, (AUTO,), needs_key=True)
FOLDER = Path("/home/ana/clients")
KEY = "a-key-that-nobody-else-has"


def prepared(name: str, endpoint: Endpoint = SERVED, model: ClientModel = AUTO) -> Launch:
    return LAUNCHABLE[name].prepare(endpoint, model, FOLDER)


def test_claude_code_is_told_the_address_the_model_and_the_true_context() -> None:
    environment = prepared("claude").environment
    assert environment["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:11435"
    assert environment["CLAUDE_CONFIG_DIR"] == str(FOLDER)
    assert environment["ANTHROPIC_MODEL"] == environment["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "auto"
    assert environment["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "65536"
    assert environment["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "8192"


def test_an_unknown_context_is_not_told() -> None:
    environment = prepared("claude", model=ClientModel("auto")).environment
    assert not [name for name in environment if name.startswith("CLAUDE_CODE_MAX_")]


@pytest.mark.parametrize(
    ("model", "chores"),
    [("auto", "auto:loaded"), ("Auto:coding", "auto:loaded"), ("autocoder:7b", "autocoder:7b")],
)
def test_chores_load_no_model_of_their_own(model: str, chores: str) -> None:
    claude = prepared("claude", model=ClientModel(model, 1)).environment
    assert claude["ANTHROPIC_SMALL_FAST_MODEL"] == chores
    assert claude["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == chores
    opencode = prepared("opencode", model=ClientModel(model, 1)).files["opencode.json"]("")
    assert json.loads(opencode)["small_model"] == f"orch/{chores}"


def test_what_would_leave_the_machine_is_switched_off() -> None:
    claude, opencode = prepared("claude").environment, prepared("opencode").environment
    codex = tomllib.loads(prepared("codex").files["config.toml"](""))
    assert {
        claude[name]
        for name in (
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_AUTOUPDATER",
            "DISABLE_TELEMETRY",
            "DISABLE_ERROR_REPORTING",
        )
    } == {"1"}
    assert {
        opencode[f"OPENCODE_DISABLE_{name}"] for name in ("AUTOUPDATE", "SHARE", "MODELS_FETCH")
    } == {"1"}
    assert (codex["analytics"], codex["feedback"]) == ({"enabled": False}, {"enabled": False})


def test_a_projects_own_settings_do_not_choose_the_server() -> None:
    """OpenCode reads the folder of OPENCODE_CONFIG_DIR after a project's."""
    assert prepared("claude").environment["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"] == "1"
    assert prepared("opencode").environment["OPENCODE_CONFIG_DIR"] == str(FOLDER)


def test_the_files_of_claude_code_are_written_once() -> None:
    for name, merge in prepared("claude").files.items():
        assert json.loads(merge("")), name
        assert merge('{"theirs": 1}') == '{"theirs": 1}'


@pytest.mark.parametrize(
    ("name", "variable"),
    [("claude", "ANTHROPIC_AUTH_TOKEN"), ("codex", "ORCH_API_KEY"), ("opencode", "ORCH_API_KEY")],
)
def test_the_key_comes_by_the_environment_and_stands_in_no_file(name: str, variable: str) -> None:
    launch = prepared(name, LOCKED)
    environment = environment_of({}, LAUNCHABLE[name], launch, KEY)
    assert environment[variable] == KEY
    assert not any(KEY in merge("") for merge in launch.files.values())
    assert KEY not in environment_of({}, LAUNCHABLE[name], prepared(name), KEY).values()


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("claude", "ANTHROPIC_API_KEY"),
        ("claude", "CLAUDE_CODE_USE_BEDROCK"),
        ("claude", "CLAUDE_CODE_ENABLE_TELEMETRY"),
        ("codex", "CODEX_API_KEY"),
        ("codex", "OPENAI_BASE_URL"),
        ("opencode", "OPENCODE_CONFIG_CONTENT"),
    ],
)
def test_what_names_other_servers_is_not_inherited(name: str, variable: str) -> None:
    inherited = {variable: "1", "PATH": "/bin"}
    environment = environment_of(inherited, LAUNCHABLE[name], prepared(name), "")
    assert variable not in environment
    assert environment["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "127.0.0.1,localhost,::1,[::1],10.0.0.7"),
        ("corp.example,localhost", "corp.example,localhost,127.0.0.1,::1,[::1],10.0.0.7"),
        ("*", "*"),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_the_server_is_never_asked_through_a_proxy(variable: str, before: str, after: str) -> None:
    """Also one that listens at an address of the network."""
    inherited = {variable: before, "HTTPS_PROXY": "http://proxy:1"}
    direct = past_proxies(inherited, "http://10.0.0.7:11435")
    assert direct == {"NO_PROXY": after, "no_proxy": after}


def test_shell_completion_knows_every_client() -> None:
    assert tuple(LAUNCHABLE) == NAMES
    assert LAUNCHABLE["codex"].install_command == "npm install -g @openai/codex"
