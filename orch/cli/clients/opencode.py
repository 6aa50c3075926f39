"""OpenCode's opencode.json: orch as its only provider, among what else its user has written there
(pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orch.cli.clients.endpoint import KEY_VARIABLE, NO_KEY, ClientModel, Endpoint

FILE = "opencode.json"


def provider(endpoint: Endpoint) -> dict[str, Any]:
    """The provider block (https://opencode.ai/docs/providers)."""
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": "orch",
        "options": {
            "baseURL": endpoint.openai_url,
            "apiKey": f"{{env:{KEY_VARIABLE}}}" if endpoint.needs_key else NO_KEY,
        },
        "models": {model.name: _model(model) for model in endpoint.models},
    }


def _model(model: ClientModel) -> dict[str, Any]:
    """An entry: without a limit, OpenCode asks for answers of 32,000 tokens and never compacts."""
    limit = {"context": model.context, "output": model.answer}
    images = {
        "attachment": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
    }
    return {
        "name": model.name,
        "tool_call": model.tools,
        **({"limit": limit} if model.context else {}),
        **(images if model.images else {}),
    }


def settings(endpoint: Endpoint, model: str, small_model: str) -> dict[str, Any]:
    """A whole file: `small_model` writes the titles."""
    return {
        "$schema": "https://opencode.ai/config.json",
        "model": f"orch/{model}",
        "small_model": f"orch/{small_model}",
        # no other provider whose key lies about is asked
        "enabled_providers": ["orch"],
        "share": "disabled",
        "autoupdate": False,
        "provider": {"orch": provider(endpoint)},
    }


def merged(existing: str, own: Mapping[str, Any]) -> str:
    """The file with orch's settings, and all others as they are.

    Raises ValueError where the file has other things than a JSON object.
    """
    before = json.loads(existing) if existing.strip() else {}
    if not isinstance(before, dict) or not isinstance(before.get("provider", {}), dict):
        raise ValueError("not an object")
    providers = {**before.get("provider", {}), **own["provider"]}
    return json.dumps({**before, **own, "provider": providers}, indent=2, ensure_ascii=False) + "\n"
