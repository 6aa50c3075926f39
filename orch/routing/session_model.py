"""When a conversation stays with the model that it has used, and when it leaves it (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from orch.routing.scoring.ranking import remote_reasons
from orch.routing.wording import with_reasons
from orch.types import Candidate, ModelKey, Reason

Order = tuple[Candidate, ...]


def move_to_front(order: Sequence[Candidate], first: Candidate) -> Order:
    """The same models with this one at the front."""
    return (first, *(each for each in order if each.key != first.key))


def prefer_session_model(order: Order, session_model: ModelKey | None, margin: float) -> Order:
    """The session's model first, unless the best one scores better by more than the margin: a
    switch loses the prompt cache."""
    best = order[0]
    kept = next((c for c in order if c.key == session_model), best)
    if kept is best or kept.score < best.score - margin:
        return order
    stays = Reason("session", {"model": best.model_name, "margin": margin})
    return move_to_front(order, with_reasons(kept, stays, *remote_reasons(kept.remote_host)))
