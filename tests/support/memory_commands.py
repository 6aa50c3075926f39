"""`orch memory` as its user types it."""

from __future__ import annotations

import json
from typing import Any

from tests.support.orch_command import orch

SERVER = "the staging server is called nemo and stands in Helsinki"
BACKUP = "our database backup runs every night at three"


def search_memory(*words: str) -> list[dict[str, Any]]:
    """The hits of `orch memory search --json`."""
    done = orch("memory", "search", "--json", *words)
    assert done.returncode == 0, done.stderr.decode()
    hits: list[dict[str, Any]] = json.loads(done.stdout)["hits"]
    return hits


def add_note(text: str) -> str:
    """Adds a note with `orch memory add`; returns its id."""
    done = orch("memory", "add", text)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split(": ")[1].split()[0]
