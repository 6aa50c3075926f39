"""orch: one command, one library and one endpoint in front of all your local models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orch.config.version import VERSION as __version__

if TYPE_CHECKING:
    from orch.classifier import classify
    from orch.errors import ConfigError, OrchError
    from orch.orchestrator import Orchestrator, get_orchestrator
    from orch.types import TaskType

__all__ = [
    "ConfigError",
    "OrchError",
    "Orchestrator",
    "TaskType",
    "__version__",
    "classify",
    "get_orchestrator",
]

# looked up at first use: `import orch` costs no more than starting Python
_HOMES = {
    "ConfigError": "orch.errors",
    "OrchError": "orch.errors",
    "Orchestrator": "orch.orchestrator",
    "TaskType": "orch.types",
    "classify": "orch.classifier",
    "get_orchestrator": "orch.orchestrator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'orch' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
