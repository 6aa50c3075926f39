"""Opens the configuration and the orchestrator of a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from orch.config.load import Config
    from orch.orchestrator import Orchestrator


def chosen_config_dir(ctx: typer.Context) -> Path | None:
    """The folder of --config; None without it."""
    named = ctx.find_root().params.get("config")
    return Path(named).expanduser() if named else None


def read_config(ctx: typer.Context) -> Config:
    """The checked config. Raises ConfigError."""
    from orch.config.load import load_config

    return load_config(chosen_config_dir(ctx))


def open_orchestrator(ctx: typer.Context) -> Orchestrator:
    """An Orchestrator for this command. Raises ConfigError."""
    from orch.orchestrator import Orchestrator

    return Orchestrator(config=read_config(ctx), face="cli")
