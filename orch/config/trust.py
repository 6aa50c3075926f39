"""What a models.yaml or routing.yaml of the working directory may set, and what only the user's own
may (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from orch.config import paths
from orch.config.interpolation import strings_with_variables
from orch.config.urls import display_url, is_local_url
from orch.config.yaml_document import Problem, YamlDocument
from orch.text.model_names import comparison_key
from orch.text.redact import is_retired_pattern
from orch.text.requested_model import OWN_PREFIX, is_auto_key

LOCAL_PATHS = ("", "/v1", "/api", "/api/v1", "/engines/v1", "/engines/llama.cpp/v1", "/ollama")
"""Allowed paths of a loopback URL: those of known model servers (OpenAI, Ollama, Lemonade, Docker
Model Runner, Open WebUI).

Any other path could trigger an action of another local service.
"""
LOCAL_MAY_SET = {
    "models": ("version", "unlisted", "providers", "models", "aliases"),
    "routing": ("version", "weights", "profiles", "task_types"),
}

KEPT_UNLESS_SET = ("aliases",)
"""Of these, the settings of the user's own file that count where the other file has none."""


def find_overreach(
    which: str, document: YamlDocument, data: dict[str, Any], allowed: Sequence[dict[str, Any]]
) -> Iterator[Problem]:
    """The settings of a working directory's file that it may not set: a cloned repository must not
    redirect prompts.

    A value that one of the `allowed` files also has is accepted.
    """
    message = "may not be set by a file of the working directory; put it into {} or use --config"
    reason = message.format(paths.config_dir())
    for key, value in data.items():
        if (
            key not in LOCAL_MAY_SET[which]
            and all(value != other.get(key) for other in allowed)
            and not _is_shipped_redaction(key, value)
        ):
            yield document.problem((key,), reason)
    for path in strings_with_variables(data):
        yield document.problem(path, "${…} " + reason)
    for name, provider in data.get("providers", {}).items():
        path = ("providers", name)
        for key in ("api_key", "headers", "verify", "remote"):
            if provider.get(key):
                yield document.problem((*path, key), reason)
        urls = [provider["base_url"]] if provider.get("base_url") else provider.get("base_urls", [])
        for url in urls:
            if fault := _url_problem(url):
                yield document.problem(
                    (*path, "base_url"), f"{display_url(url)} {fault}: it {reason}"
                )
    # the engine in this process reads it: no file that came with the folder, whatever package it
    # claims to be in
    allowed_files = {
        model.get("gguf")
        for other in allowed
        for model in other.get("models", ())
        if isinstance(model, dict)
    }
    for index, model in enumerate(data.get("models", [])):
        if model.get("gguf") and model["gguf"] not in allowed_files:
            yield document.problem(
                ("models", index, "gguf"),
                f"{model['gguf']!r} is not in your own models.yaml: it {reason}",
            )
        if model.get("remote"):
            yield document.problem(("models", index, "remote"), reason)
    yield from _find_foreign_targets(document, data)


def _find_foreign_targets(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    """The aliases for models that the file does not list itself: their ids would be those of
    others, chosen by the folder."""
    listed = {
        comparison_key(name)
        for model in data.get("models", [])
        for name in (model["id"], *model.get("aliases", ()))
    }
    own_prefix = "" if OWN_PREFIX.rstrip("/") in data.get("providers", {}) else OWN_PREFIX
    for alias, target in data.get("aliases", {}).items():
        key = comparison_key(target)
        if not is_auto_key(key.removeprefix(own_prefix)) and key not in listed:
            yield document.problem(
                ("aliases", alias),
                f"{target!r} is no model of this file: a file of the working directory may name"
                " only those that it lists, and auto",
            )


def _is_shipped_redaction(key: str, value: Any) -> bool:
    """Whether it is the redaction section of a routing.yaml that an earlier orch shipped: a copy of
    that file sets nothing of its own."""
    return (
        key == "redaction"
        and value.get("enabled", True) is True
        and not value.get("allow")
        and all(map(is_retired_pattern, value.get("patterns", {}).values()))
    )


def _url_problem(url: str) -> str | None:
    """Why a working directory's file may not use a URL, or None. Credentials are not allowed in it
    either."""
    if not is_local_url(url):
        return "is not on this machine"
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "has a user in it"
    return (
        None
        if parts.path.rstrip("/") in LOCAL_PATHS
        else f"has a path that no known model server uses ({', '.join(LOCAL_PATHS[1:])})"
    )
