"""The blocks that `orch config client` prints: each client's own form of the address, the models
and what each can hold (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orch.cli.clients import codex, opencode
from orch.cli.clients.endpoint import (
    AUTO,
    KEY_VARIABLE,
    LOADED,
    NO_KEY,
    ClientModel,
    Endpoint,
)
from orch.cli.clients.launchable import claude_settings

_UNKNOWN = ClientModel(AUTO)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A client's block. `place` names the file that it belongs to; `key_advice` says how the client
    gets a key, where the server asks for one."""

    place: str
    block: Callable[[Endpoint], str]
    key_advice: str


def _auto(endpoint: Endpoint) -> ClientModel:
    return endpoint.find(AUTO) or _UNKNOWN


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _yaml(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=140).rstrip("\n")


def _sized(endpoint: Endpoint) -> list[ClientModel]:
    """The models whose context is known: some clients take no other."""
    return [model for model in endpoint.models if model.context]


# ---------------------------------------------------------------- agents in a terminal


def _claude(endpoint: Endpoint) -> str:
    return _json({"env": claude_settings(endpoint, _auto(endpoint))})


def _codex(endpoint: Endpoint) -> str:
    return codex.text(codex.settings(endpoint, _auto(endpoint))).rstrip("\n")


def _opencode(endpoint: Endpoint) -> str:
    return _json(
        {
            "$schema": "https://opencode.ai/config.json",
            "model": f"orch/{AUTO}",
            "small_model": f"orch/{LOADED}",
            "provider": {"orch": opencode.provider(endpoint)},
        }
    )


def _aider(endpoint: Endpoint) -> str:
    """By Ollama's API, which tells aider the context (https://aider.chat/docs/config/aider_conf.html
    and https://aider.chat/docs/llms/ollama.html)."""
    return _yaml(
        {
            "model": f"ollama_chat/{AUTO}",
            "weak-model": f"ollama_chat/{LOADED}",
            "set-env": [f"OLLAMA_API_BASE={endpoint.url}"],
        }
    )


def _qwen(endpoint: Endpoint) -> str:
    """https://qwenlm.github.io/qwen-code-docs/en/users/configuration/model-providers/."""
    variable = KEY_VARIABLE if endpoint.needs_key else "QWEN_ORCH_KEY"
    models = [
        {
            "id": model.name,
            "name": model.name,
            "baseUrl": endpoint.openai_url,
            "envKey": variable,
            **_generation(model),
        }
        for model in endpoint.models
    ]
    key = {} if endpoint.needs_key else {"env": {variable: NO_KEY}}
    return _json(
        {
            "security": {"auth": {"selectedType": "openai"}},
            "model": {"name": AUTO},
            "modelProviders": {"openai": models},
            **key,
        }
    )


def _generation(model: ClientModel) -> dict[str, Any]:
    known = {"contextWindowSize": model.context} if model.context else {}
    images = {"modalities": {"image": True}} if model.images else {}
    return {"generationConfig": {**known, **images}} if known or images else {}


def _llm(endpoint: Endpoint) -> str:
    """https://llm.datasette.io/en/stable/other-models.html#openai-compatible-models."""
    return _yaml(
        [
            {
                "model_id": f"orch-{model.name}" if model.name != AUTO else "orch",
                "model_name": model.name,
                "api_base": endpoint.openai_url,
                **({"api_key_name": "orch"} if endpoint.needs_key else {}),
                "supports_tools": model.tools,
                "supports_schema": True,
                **({"vision": True} if model.images else {}),
            }
            for model in endpoint.models
        ]
    )


# ---------------------------------------------------------------- editors, pages


def _continue(endpoint: Endpoint) -> str:
    """https://docs.continue.dev/reference."""
    return _yaml(
        {
            "name": "orch",
            "version": "1.0.0",
            "schema": "v1",
            "models": [_continue_model(endpoint, model) for model in endpoint.models],
        }
    )


def _continue_model(endpoint: Endpoint, model: ClientModel) -> dict[str, Any]:
    abilities = ["tool_use"] * model.tools + ["image_input"] * model.images
    sizes = {"contextLength": model.context, "maxTokens": model.answer}
    return {
        "name": model.name,
        "provider": "openai",
        "model": model.name,
        "apiBase": endpoint.openai_url,
        "apiKey": f"${{{{ secrets.{KEY_VARIABLE} }}}}" if endpoint.needs_key else NO_KEY,
        "roles": ["chat", "edit", "apply"],
        **({"capabilities": abilities} if abilities else {}),
        **({"defaultCompletionOptions": sizes} if model.context else {}),
    }


def _open_webui(endpoint: Endpoint) -> str:
    """By Ollama's API, or where a key is needed by OpenAI's, for which it has a variable
    (https://docs.openwebui.com/getting-started/env-configuration). Titles, tags and the like have a
    variable for each kind of connection."""
    address = (
        ("OLLAMA_BASE_URL", endpoint.url),
        ("ENABLE_OPENAI_API", "false"),
        ("TASK_MODEL", LOADED),
    )
    with_key = (
        ("OPENAI_API_BASE_URL", endpoint.openai_url),
        ("OPENAI_API_KEY", f"${{{KEY_VARIABLE}}}"),
        ("ENABLE_OLLAMA_API", "false"),
        ("TASK_MODEL_EXTERNAL", LOADED),
    )
    lines = with_key if endpoint.needs_key else address
    return "\n".join(f"{name}={value}" for name, value in lines)


def _zed(endpoint: Endpoint) -> str:
    """https://zed.dev/docs/ai/llm-providers#openai-api-compatible."""
    models = [
        {
            "name": model.name,
            "display_name": model.name,
            "max_tokens": model.context,
            "max_output_tokens": model.answer,
            "capabilities": {
                "tools": model.tools,
                "images": model.images,
                "parallel_tool_calls": False,
                "prompt_cache_key": False,
            },
        }
        for model in _sized(endpoint)
    ]
    provider = {"api_url": endpoint.openai_url, "available_models": models}
    return _json({"language_models": {"openai_compatible": {"orch": provider}}})


def _vscode(endpoint: Endpoint) -> str:
    """https://code.visualstudio.com/docs/copilot/customization/language-models."""
    models = [
        {
            "id": model.name,
            "name": model.name,
            "url": f"{endpoint.openai_url}/chat/completions",
            "toolCalling": model.tools,
            "vision": model.images,
            "maxInputTokens": model.context - model.answer,
            "maxOutputTokens": model.answer,
        }
        for model in _sized(endpoint)
    ]
    key = "${input:orchApiKey}" if endpoint.needs_key else NO_KEY
    return _json(
        [
            {
                "name": "orch",
                "vendor": "customendpoint",
                "apiKey": key,
                "apiType": "chat-completions",
                "models": models,
            }
        ]
    )


_EXPORT = f"export {KEY_VARIABLE}, which the block names, before you start it"
SNIPPETS = {
    "claude": Snippet(
        "~/.claude/settings.json",
        _claude,
        f'export ANTHROPIC_AUTH_TOKEN="${KEY_VARIABLE}" before you start it',
    ),
    "codex": Snippet("~/.codex/config.toml, at its head", _codex, _EXPORT),
    "opencode": Snippet("~/.config/opencode/opencode.json", _opencode, _EXPORT),
    "aider": Snippet(
        "~/.aider.conf.yml", _aider, f'export OLLAMA_API_KEY="${KEY_VARIABLE}" before you start it'
    ),
    "continue": Snippet(
        "~/.continue/config.yaml", _continue, f"{KEY_VARIABLE}=… belongs in ~/.continue/.env"
    ),
    "qwen": Snippet("~/.qwen/settings.json", _qwen, _EXPORT),
    "open-webui": Snippet("the environment of open-webui, such as its .env", _open_webui, _EXPORT),
    "llm": Snippet(
        "extra-openai-models.yaml, beside the file that llm logs path names",
        _llm,
        "llm keys set orch takes the key",
    ),
    "zed": Snippet(
        "~/.config/zed/settings.json", _zed, f"export {KEY_VARIABLE} before you start it"
    ),
    "vscode": Snippet(
        "chatLanguageModels.json (Chat: Open Language Models (JSON))",
        _vscode,
        "VS Code asks for the key once and stores it",
    ),
}
"""By the name that `orch config client` takes."""
