"""The clients that `orch launch` starts: the environment and the files of each (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from orch.cli.clients import codex, opencode
from orch.cli.clients.endpoint import KEY_VARIABLE, LOADED, NO_KEY, ClientModel, Endpoint

_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
"""As programs compare hosts: with brackets or without."""
KEY_REFERENCE = f"${KEY_VARIABLE}"
"""A value of the environment that stands for the key: it is filled in as the client starts."""
Merge = Callable[[str], str]
"""The content of a file from the content that it has, empty where there is none. Raises ValueError
where that can't be kept."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a client is started with: variables, and files of its folder by name."""

    environment: Mapping[str, str]
    files: Mapping[str, Merge]


@dataclass(frozen=True, slots=True)
class LaunchableClient:
    """A client. `dropped` are the beginnings of variables that it must not inherit: they name
    other servers, keys for them, or places where prompts would be sent."""

    title: str
    program: str
    package: str
    prepare: Callable[[Endpoint, ClientModel, Path], Launch]
    least_context: int
    """The tokens below which the client's own instructions and tools leave little room for anything
    else (measured; Claude Code keeps 13,000 more free)."""
    dropped: tuple[str, ...]

    @property
    def install_command(self) -> str:
        """The command that installs it."""
        return f"npm install -g {self.package}"


def environment_of(
    inherited: Mapping[str, str], client: LaunchableClient, launch: Launch, key: str
) -> dict[str, str]:
    """The environment of the client: what it inherits without `dropped`, and its own variables with
    the key filled in."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(client.dropped)}
    own = {
        name: key if value == KEY_REFERENCE else value for name, value in launch.environment.items()
    }
    return {**kept, **own}


def past_proxies(inherited: Mapping[str, str], url: str) -> dict[str, str]:
    """The variables of what goes past a proxy, with loopback and the server's `url`; by both of
    their names, as which one counts depends on the program."""
    hosts = (inherited.get("no_proxy") or inherited.get("NO_PROXY", "")).split(",")
    listed = [host.strip() for host in hosts if host.strip()]
    if "*" not in listed:  # which many programs take only where it stands alone
        listed = [*dict.fromkeys((*listed, *_LOOPBACK, urlsplit(url).hostname or ""))]
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(listed))


def _chores(endpoint: Endpoint, model: ClientModel) -> str:
    """The model for titles and summaries: one that is loaded, or the one that was named."""
    return LOADED if endpoint.names.is_auto(model.name) else model.name


# ---------------------------------------------------------------- Claude Code


def _keep_or(initial: str) -> Merge:
    return lambda existing: existing or initial


def claude_settings(endpoint: Endpoint, model: ClientModel) -> dict[str, str]:
    """The variables of Claude Code, without the key of a server that asks for one.

    Names and what they do: https://code.claude.com/docs/en/settings, and the package itself
    (2.1.332).
    """
    tiers = ("OPUS", "SONNET", "FABLE")
    window = {
        # of names that it does not know, which it takes for models of 1M
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(model.context),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(model.answer),
    }
    return {
        "ANTHROPIC_BASE_URL": endpoint.url,
        **({} if endpoint.needs_key else {"ANTHROPIC_AUTH_TOKEN": NO_KEY}),
        "ANTHROPIC_MODEL": model.name,
        **{f"ANTHROPIC_DEFAULT_{tier}_MODEL": model.name for tier in tiers},
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": _chores(endpoint, model),
        "ANTHROPIC_SMALL_FAST_MODEL": _chores(endpoint, model),
        **(window if model.context else {}),
        # updates, telemetry, error reports, feedback, surveys: all that is not the conversation
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_FEEDBACK_COMMAND": "1",
        "CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY": "1",
        # the line at the head of the system prompt that changes with every turn
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        "DISABLE_COST_WARNINGS": "1",
    }


def _claude(endpoint: Endpoint, model: ClientModel, folder: Path) -> Launch:
    key = {"ANTHROPIC_AUTH_TOKEN": KEY_REFERENCE} if endpoint.needs_key else {}
    environment = {
        "CLAUDE_CONFIG_DIR": str(folder),
        # the settings of a cloned project must not name another server (seen with 2.1.332)
        "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1",
        **claude_settings(endpoint, model),
        **key,
    }
    files = {
        ".claude.json": _keep_or('{"hasCompletedOnboarding": true}\n'),
        # or the host of each page that it fetches is sent to Anthropic first
        "settings.json": _keep_or('{"skipWebFetchPreflight": true}\n'),
    }
    return Launch(environment, files)


# ---------------------------------------------------------------- Codex, OpenCode


def _codex(endpoint: Endpoint, model: ClientModel, folder: Path) -> Launch:
    key = {KEY_VARIABLE: KEY_REFERENCE} if endpoint.needs_key else {}
    settings = codex.settings(endpoint, model) | codex.QUIET
    return Launch(
        {"CODEX_HOME": str(folder), **key},
        {"config.toml": lambda existing: codex.merged(existing, settings)},
    )


def _opencode(endpoint: Endpoint, model: ClientModel, folder: Path) -> Launch:
    """Variable names: https://opencode.ai/docs/cli, and the package itself (1.18.33)."""
    key = {KEY_VARIABLE: KEY_REFERENCE} if endpoint.needs_key else {}
    environment = {
        "OPENCODE_CONFIG": str(folder / opencode.FILE),
        # of all folders with an opencode.json, this one is read last
        "OPENCODE_CONFIG_DIR": str(folder),
        "OPENCODE_DB": str(folder / "opencode.db"),
        "OPENCODE_AUTH_CONTENT": "{}",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_SHARE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        **key,
    }
    settings = opencode.settings(endpoint, model.name, _chores(endpoint, model))
    return Launch(
        environment, {opencode.FILE: lambda existing: opencode.merged(existing, settings)}
    )


LAUNCHABLE = {
    "claude": LaunchableClient(
        "Claude Code",
        "claude",
        "@anthropic-ai/claude-code",
        _claude,
        least_context=32_000,
        dropped=(
            "ANTHROPIC_",
            "CLAUDE_CODE_USE_",
            "CLAUDE_CODE_SKIP_",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_ENABLE_TELEMETRY",
            "CLAUDE_CODE_API_",
            "CLAUDE_CODE_MAX_",
            "CLAUDE_CODE_SUBAGENT_MODEL",
        ),
    ),
    "codex": LaunchableClient(
        "Codex",
        "codex",
        "@openai/codex",
        _codex,
        least_context=16_000,
        dropped=("OPENAI_BASE_URL", "CODEX_"),
    ),
    "opencode": LaunchableClient(
        "OpenCode",
        "opencode",
        "opencode-ai",
        _opencode,
        least_context=16_000,
        dropped=("OPENCODE_", "OTEL_"),
    ),
}
"""By the name that `orch launch` takes."""
