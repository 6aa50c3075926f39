"""Models as the server describes them."""

from __future__ import annotations

from typing import Any


def described(name: str, context: int | None, *can: str, **more: Any) -> dict[str, Any]:
    """A model that is installed and fits in memory, as `GET /orch/models` describes it."""
    return {
        "id": name,
        "installed": True,
        "unavailable": None,
        "last_resort": False,
        "selectable": True,
        "usable_context": context,
        "capabilities": sorted(can) if can else None,
        **more,
    }
