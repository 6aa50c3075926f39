"""Turns texts that a user adds, and exported lines, into rows of the journal (pure)."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from orch.errors import InputError
from orch.memory.chunking import split_text

MOST_CHARS = 4_000_000
"""Of one text: 4,000 chunks, which take about six minutes to embed."""
_TEXTS = ("run_id", "task")
_OPTIONAL = {
    "session": str,
    "task_type": str,
    "model": str,
    "title": str,
    "answer": str,
    "at": (int, float),
    "status": str,
}


def check_length(text: str, title: str | None) -> None:
    """Raises InputError for a text that is too long."""
    if len(text) > MOST_CHARS:
        message = (
            f"{title or 'the text'} has {len(text) / 1e6:.0f} million characters,"
            f" {MOST_CHARS / 1e6:.0f} are the most"
        )
        raise InputError(message, "add the parts that matter")


def note_rows(
    text: str, title: str | None, session: str | None, at: float | None = None
) -> list[dict[str, Any]]:
    """One row for each chunk of a text. The chunks of a document share a session, so that
    neighbours are found too.

    The same text with the same title is the same note: adding it twice adds nothing.
    """
    parts = split_text(text)
    name = hashlib.sha256(f"{title}\0{session}\0{text}".encode("utf-8", "replace")).hexdigest()[:16]
    belongs = session or (f"note-{name}" if len(parts) > 1 else None)
    when = at or time.time()
    return [
        {
            "run_id": f"n{name}{number:04x}",
            "task": part,
            "title": title,
            "session": belongs,
            "at": when,
        }
        for number, part in enumerate(parts)
    ]


def parse_export(text: str, first: int = 1) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of an export, and the problem of each invalid line; `first` is the number of the
    first line."""
    rows, faults = [], []
    # splitlines would also split at U+2028, which is valid in JSON
    for number, line in enumerate(text.split("\n"), first):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            faults.append(f"line {number}: not JSON")
            continue
        fault = _fault(row)
        if fault:
            faults.append(f"line {number}: {fault}")
        else:
            rows.append(row)
    return rows, faults


def _fault(row: Any) -> str | None:
    if not isinstance(row, dict):
        return "no object"
    for name in _TEXTS:
        if not isinstance(row.get(name), str) or not row[name].strip():
            return f"{name} is missing or no text"
    for name, kind in _OPTIONAL.items():
        if row.get(name) is not None and not isinstance(row[name], kind):  # type: ignore[arg-type]
            return f"{name} is of the wrong kind"
    return None if row.get("status") in (None, "ok", "note") else "status is neither ok nor note"
