"""qdrant-client's local mode: what its requests leave behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from orch.memory.qdrant.local import EmbeddedConnection
from orch.memory.qdrant.requests import new_collection


def test_a_dropped_collection_leaves_no_file_open(tmp_path: Path) -> None:
    connection = EmbeddedConnection(tmp_path, [])
    connection.ask("PUT", "notes", "", new_collection(4))
    client: Any = connection._client
    file = client._client.collections["notes"].storage.storage
    assert file.total_changes == 0
    connection.ask("DELETE", "notes")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        file.execute("SELECT 1")
    connection.close()
