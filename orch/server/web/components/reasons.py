"""Reasons in the page's language: rendered from their values; texts of decisions that were recorded
without values stay English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch.routing.wording import Words, elimination_text, reason_text
from orch.types import Elimination, Reason


def chosen_because(words: Words, decision: Mapping[str, Any]) -> str:
    """Why a model was chosen, or waits: of a decision, a candidate or a queue entry, as JSON-able
    values."""
    reasons = decision.get("reasons") or ()
    return render_reasons(words, reasons) or str(decision.get("reason") or "")


def eliminated_because(words: Words, candidate: Mapping[str, Any]) -> str:
    """Why a candidate was eliminated."""
    elimination = candidate.get("elimination")
    if not elimination:
        return str(candidate["eliminated"])
    return elimination_text(Elimination(**elimination), words)


def render_reasons(words: Words, reasons: Sequence[Mapping[str, Any]]) -> str:
    """Reasons given as JSON-able values."""
    return reason_text([Reason(**reason) for reason in reasons], words)
