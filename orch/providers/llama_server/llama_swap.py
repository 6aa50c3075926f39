"""Parses what llama-swap tells of the processes that it runs: `/running` (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from orch.providers.installed_models import InstalledModel

MAX_RUNNING = 1_000
_STATUSES = {
    "ready": "loaded",
    "starting": "loading",
    **dict.fromkeys(("stopping", "stopped", "shutdown"), "unloaded"),
}
"""llama-swap's states of a process by orch's words. Its list of models calls one that starts
loaded."""


def parse_running(answer: Mapping[str, Any]) -> dict[str, str]:
    """The state of each running model, by orch's words. Raises TypeError for another form."""
    rows = answer.get("running")
    if not isinstance(rows, list):
        raise TypeError("not a list of running models")
    states = [
        (row.get("model"), row.get("state")) for row in rows[:MAX_RUNNING] if isinstance(row, dict)
    ]
    return {
        model: _STATUSES[state]
        for model, state in states
        if isinstance(model, str) and isinstance(state, str) and state in _STATUSES
    }


def with_running(model: InstalledModel, running: Mapping[str, str]) -> InstalledModel:
    """A listed model with its process's state; the list's word where it has none."""
    status = running.get(model.name)
    if status is None or model.remote_host:
        return model
    return model._replace(status=status, resident=status == "loaded")


def unload_path(model: str) -> str:
    """The path that stops one model's process; its name may hold slashes."""
    return f"/api/models/unload/{quote(model)}"
