"""Codex's config.toml: orch's settings, and their place among those that Codex and its user have
written there (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from io import StringIO

from orch.cli.clients.endpoint import KEY_VARIABLE, ClientModel, Endpoint

MOST_KEPT_FREE = 20_000
"""Tokens of the context that are left to one more turn, a quarter of the context at most: an answer
and what a tool prints, of which Codex hands on 10,000 tokens at most."""


def settings(endpoint: Endpoint, model: ClientModel) -> dict[str, str]:
    """The settings by dotted key, each value as TOML on one line
    (https://developers.openai.com/codex/config-reference)."""
    provider = {
        "name": "orch",
        "base_url": endpoint.openai_url,
        "wire_api": "responses",
        **({"env_key": KEY_VARIABLE} if endpoint.needs_key else {}),
    }
    return {
        "model": _toml(model.name),
        "model_provider": _toml("orch"),
        **(_window(model.context) if model.context else {}),
        "model_providers.orch": "{ "
        + ", ".join(f"{name} = {_toml(value)}" for name, value in provider.items())
        + " }",
        # a server would have to run it, and orch does not
        "web_search": _toml("disabled"),
    }


def _window(context: int) -> dict[str, str]:
    """The context, and the tokens from which Codex compacts, which it would do at nine tenths: a
    turn beyond the context ends, and Codex compacts after it only where all requests of the session
    together had fewer tokens than the context (`fill_to_context_window` in its source, 0.171.0)."""
    limit = context - min(context // 4, MOST_KEPT_FREE)
    return {"model_context_window": str(context), "model_auto_compact_token_limit": str(limit)}


QUIET = {
    "analytics.enabled": "false",
    "feedback.enabled": "false",
    "check_for_update_on_startup": "false",
    # or lists of plugins are fetched from github.com and chatgpt.com at each start
    "features.plugins": "false",
    # or a process that looks for updates stays behind
    "features.daemon_auto_start": "false",
}
"""What keeps Codex from sending anything elsewhere."""


def text(own: Mapping[str, str]) -> str:
    """The settings, one a line."""
    return "".join(f"{key} = {value}\n" for key, value in own.items())


def merged(existing: str, own: Mapping[str, str]) -> str:
    """The file with orch's settings first, and all others as they are. Tables that it has are its
    user's: orch's settings for them are left out.

    Raises ValueError where the whole would not be TOML.
    """
    import tomllib  # 4 ms that no other command needs

    head, tables = _split(existing)
    others = [line for line in head if _key(line) not in OWN_KEYS]
    taken = {match[2] for line in tables if (match := _HEADER.fullmatch(line))}
    taken |= set(map(_key, others))  # a table on one line
    free = {key: value for key, value in own.items() if key.partition(".")[0] not in taken}
    if "model_providers.orch" not in free:
        raise ValueError("a table of all providers")
    whole = text(free) + "".join((*others, *tables))
    tomllib.loads(whole)
    return whole


OWN_KEYS = frozenset(
    (
        "model",
        "model_provider",
        "model_context_window",
        "model_auto_compact_token_limit",
        "model_providers.orch",
        "web_search",
        *QUIET,
    )
)
"""Every key that orch may write: a line with one of them is orch's."""
_HEADER = re.compile(r"""\s*\[\s*(["']?)([\w-]+)\1\s*\]\s*(?:#.*)?\s*""")


def _key(line: str) -> str:
    return line.partition("=")[0].strip()


def _split(existing: str) -> tuple[list[str], list[str]]:
    """The lines before the first table, and the rest."""
    lines = list(StringIO(existing))  # str.splitlines also splits within values
    headers = (at for at, line in enumerate(lines) if line.lstrip().startswith("["))
    first = next(headers, len(lines))
    return lines[:first], lines[first:]


def _toml(value: str) -> str:
    """A basic string: TOML's escapes are those of JSON, except for pairs of surrogates."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
