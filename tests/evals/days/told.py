"""What orch is told of the models' quality, in the form of its own known-models file."""

from __future__ import annotations

from importlib.util import find_spec

from tests.evals.days.quality import Table

OVERLAY = find_spec("orch.known_models") is not None
"""Whether this orch reads a known_models.yaml in ORCH_HOME."""


def known_models(table: Table) -> str:
    """known_models.yaml with the qualities of a table; empty where orch reads no such file."""
    return ""
