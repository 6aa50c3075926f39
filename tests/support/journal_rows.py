"""Rows of the journal with a recorded decision."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from orch.types import Candidate


def journal_row(**other: Any) -> dict[str, Any]:
    """A run that chose `a` of two models for a coding task, with these columns instead."""
    candidates = [asdict(Candidate(name, name, "there")) for name in ("a", "b")]
    decision = {
        "candidates": candidates,
        "task_type": "coding",
        "confidence": 0.9,
        "profile": "balanced",
        "weights": {},
        "prompt_tokens": 7,
        "pinned": False,
    }
    row = {
        "run_id": "1",
        "at": 1.0,
        "task": "a task",
        "messages": None,
        "decision": json.dumps(decision),
        "session": None,
        "status": "ok",
        "answer": "",
    }
    return (
        row
        | {
            "source": "model",
            "face": "cli",
            "task_type": "coding",
            "provider": "there",
            "model": "a",
        }
        | other
    )
