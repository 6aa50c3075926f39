"""Models as the server describes them."""

from __future__ import annotations

from typing import Any


def described(name: str, context: int = 32_768, *can: str, **more: Any) -> dict[str, Any]:
    """A model that is installed, with what `routing.catalog.describe` tells of it."""
    return {
        "id": name,
        "installed": True,
        "unavailable": None,
        "last_resort": False,
        "context_window": context,
        "capabilities": sorted(can) if can else None,
        **more,
    }
