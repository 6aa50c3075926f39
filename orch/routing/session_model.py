"""When a conversation stays with the model that it has used, and when it leaves it (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from orch.routing.scoring.ranking import remote_reasons
from orch.routing.wording import with_reasons
from orch.types import Candidate, ModelKey, Reason

Order = tuple[Candidate, ...]


def move_to_front(order: Sequence[Candidate], first: Candidate) -> Order:
    """The same models with this one at the front."""
    return (first, *(each for each in order if each.key != first.key))


def prefer_session_model(order: Order, session_model: ModelKey | None, margin: float) -> Order:
    """The session's model first, behind those alone that score better by more than the margin: a
    switch loses the prompt cache, and says that it is one."""
    kept = next((c for c in order if c.key == session_model), None)
    if kept is None:
        return order
    better = tuple(takewhile(lambda c: kept.score < c.score - margin, order))
    rest = order[len(better) :]
    if rest[0] is not kept:
        stays = Reason("session", {"model": rest[0].model_name, "margin": margin})
        rest = move_to_front(rest, with_reasons(kept, stays, *remote_reasons(kept.remote_host)))
    if not better:
        return rest
    left = Reason("session_left", {"model": kept.model_name, "margin": margin})
    return (with_reasons(better[0], *better[0].reasons, left), *better[1:], *rest)
