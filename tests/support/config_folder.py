"""A folder with models.yaml and routing.yaml."""

from __future__ import annotations

from pathlib import Path


def write_config(folder: Path, models: str, routing: str = "version: 1\n") -> Path:
    """Writes both files; returns the folder."""
    (folder / "models.yaml").write_text(models)
    (folder / "routing.yaml").write_text(routing)
    return folder
