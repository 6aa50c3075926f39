"""The blocks of each client: in its own format, with what is known of the models and no more."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml

from orch.cli.clients.endpoint import ClientModel, Endpoint, models_of
from orch.cli.clients.snippets import SNIPPETS
from orch.cli.commands.config import CLIENTS

URL = "http://127.0.0.1:11435"
MODELS = (
    ClientModel("auto", 65_536, tools=True, images=True),
    ClientModel("auto:loaded", 65_536, tools=True, images=True),
    ClientModel("coder:7b", 32_768, tools=True),
    ClientModel("served"),
)
OPEN, LOCKED = Endpoint(URL, MODELS), Endpoint(URL, MODELS, needs_key=True)
JSON = ("claude", "opencode", "qwen", "zed", "vscode")
YAML = ("aider", "continue", "llm")


def block(name: str, endpoint: Endpoint = OPEN) -> str:
    return SNIPPETS[name].block(endpoint)


def read(name: str, endpoint: Endpoint = OPEN) -> Any:
    """The block, by a parser of its format."""
    text = block(name, endpoint)
    if name in JSON:
        return json.loads(text)
    return yaml.safe_load(text) if name in YAML else tomllib.loads(text)


def test_each_client_is_known_to_shell_completion() -> None:
    assert tuple(SNIPPETS) == CLIENTS
    assert {*JSON, *YAML, "codex", "open-webui"} == {*CLIENTS}


@pytest.mark.parametrize("name", [*JSON, *YAML, "codex"])
def test_a_block_is_whole_also_where_there_is_no_model(name: str) -> None:
    assert read(name, Endpoint(URL, models_of([])))
    assert not block(name).endswith("\n")


@pytest.mark.parametrize("name", CLIENTS)
def test_the_address_is_the_servers(name: str) -> None:
    assert URL in block(name)


def test_claude_code_by_its_settings() -> None:
    environment = read("claude")["env"]
    assert environment["ANTHROPIC_BASE_URL"] == URL
    assert environment["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "65536"
    assert "ANTHROPIC_AUTH_TOKEN" not in read("claude", LOCKED)["env"]


def test_codex_and_opencode_as_they_are_launched() -> None:
    assert read("codex")["model_context_window"] == 65_536
    written = read("opencode")
    assert (written["model"], written["small_model"]) == ("orch/auto", "orch/auto:loaded")
    assert written["provider"]["orch"]["models"]["coder:7b"]["limit"]["context"] == 32_768


def test_aider_by_ollamas_api_which_tells_it_the_context() -> None:
    assert read("aider") == {
        "model": "ollama_chat/auto",
        "weak-model": "ollama_chat/auto:loaded",
        "set-env": [f"OLLAMA_API_BASE={URL}"],
    }


def test_continue_with_what_each_model_can_and_holds() -> None:
    auto, _, coder, served = read("continue")["models"]
    assert auto["capabilities"] == ["tool_use", "image_input"]
    assert coder["defaultCompletionOptions"] == {"contextLength": 32_768, "maxTokens": 4_096}
    assert not {"capabilities", "defaultCompletionOptions"} & {*served}
    assert read("continue", LOCKED)["models"][0]["apiKey"] == "${{ secrets.ORCH_API_KEY }}"


def test_qwen_code_by_a_variable_of_its_own_where_no_key_is_needed() -> None:
    written = read("qwen")
    auto, _, coder, served = written["modelProviders"]["openai"]
    assert (written["model"]["name"], auto["baseUrl"]) == ("auto", f"{URL}/v1")
    assert written["env"] == {auto["envKey"]: "none"}
    assert coder["generationConfig"] == {"contextWindowSize": 32_768}
    assert "generationConfig" not in served
    locked = read("qwen", LOCKED)
    assert locked["modelProviders"]["openai"][0]["envKey"] == "ORCH_API_KEY"
    assert "env" not in locked


def test_open_webui_by_ollamas_api_or_by_openais_with_a_key() -> None:
    assert block("open-webui").splitlines() == [
        f"OLLAMA_BASE_URL={URL}",
        "ENABLE_OPENAI_API=false",
        "TASK_MODEL=auto:loaded",
    ]
    assert block("open-webui", LOCKED).splitlines() == [
        f"OPENAI_API_BASE_URL={URL}/v1",
        "OPENAI_API_KEY=${ORCH_API_KEY}",
        "ENABLE_OLLAMA_API=false",
        "TASK_MODEL_EXTERNAL=auto:loaded",
    ]


def test_llm_names_each_model() -> None:
    auto, _, coder, served = read("llm")
    assert (auto["model_id"], auto["model_name"], auto["vision"]) == ("orch", "auto", True)
    assert (coder["model_id"], coder["supports_tools"]) == ("orch-coder:7b", True)
    assert (served["supports_tools"], "vision" in served) == (False, False)


@pytest.mark.parametrize("name", ["zed", "vscode"])
def test_an_editor_that_insists_on_a_context_gets_only_models_with_one(name: str) -> None:
    written = read(name)
    if name == "zed":
        models = written["language_models"]["openai_compatible"]["orch"]["available_models"]
        sizes = {model["name"]: model["max_tokens"] for model in models}
    else:
        models = written[0]["models"]
        sizes = {
            model["id"]: model["maxInputTokens"] + model["maxOutputTokens"] for model in models
        }
    assert sizes == {"auto": 65_536, "auto:loaded": 65_536, "coder:7b": 32_768}
