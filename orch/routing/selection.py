"""Which of the ranked models goes first: a conversation's own, or one that is loaded, where another
is not better by a margin (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orch.routing.ranking import remote_note
from orch.types import Candidate, ModelKey


def with_remote_note(reason: str, candidate: Candidate) -> str:
    """A reason that also says where the text goes, if it leaves the provider's machine."""
    return ", ".join(filter(None, (reason, remote_note(candidate.remote_host))))


def move_to_front(order: Sequence[Candidate], first: Candidate) -> tuple[Candidate, ...]:
    """The same models with this one at the front."""
    return (first, *(each for each in order if each.key != first.key))


def prefer_session_model(
    order: tuple[Candidate, ...], former: ModelKey | None, margin: float
) -> tuple[Candidate, ...]:
    """A conversation's model first, unless the best one scores better by more than the margin: a
    switch loses the prompt cache."""
    best = order[0]
    kept = next((c for c in order if c.key == former), best)
    if kept is best or kept.score < best.score - margin:
        return order
    said = f"stays with this conversation; {best.model_name} is better by less than {margin:g}"
    return move_to_front(order, replace(kept, reason=with_remote_note(said, kept)))


def prefer_loaded(
    order: tuple[Candidate, ...], margin: float, passed_over: frozenset[ModelKey] = frozenset()
) -> tuple[Candidate, ...]:
    """A loaded model first where the first one is slower and no better than it, or unloads another
    one without a score that is better by the margin.

    Better means `quality` alone: a strength, or a place in `prefer`, excuses no slower model that
    is no better. `passed_over` are never put first.
    """
    loaded = [c for c in order if c.resident and not c.eliminated and c.key not in passed_over]
    first = order[0]
    while (better := _instead(first, loaded, margin)) is not None:
        first = better
    return order if first is order[0] else move_to_front(order, first)


def only_loaded(
    order: tuple[Candidate, ...], passed_over: frozenset[ModelKey] = frozenset()
) -> tuple[tuple[Candidate, ...], str]:
    """The loaded models but those that are passed over; where none can take the task all models,
    with a sentence that says so."""
    loaded = tuple(c for c in order if c.resident and c.key not in passed_over)
    return (
        (loaded, "")
        if loaded
        else (order, f"no loaded model can take this task; {order[0].model_name} is loaded for it")
    )


def find_swap(order: Sequence[Candidate]) -> tuple[Candidate, Candidate] | None:
    """The best loaded model and the one that was chosen, where that is not loaded and another one
    is unloaded for it."""
    chosen = order[0]
    loaded = next((c for c in order if c.resident and not c.eliminated), None)
    return (loaded, chosen) if loaded and chosen.evicts and not chosen.resident else None


def _instead(first: Candidate, loaded: Sequence[Candidate], margin: float) -> Candidate | None:
    """The loaded model that should go before this one. Each step is to a sooner model that is no
    worse, or from an unloaded to a loaded one: this ends."""
    for each in loaded:
        if (
            each.key != first.key
            and each.quality >= first.quality
            and each.expected_s < first.expected_s
        ):
            return replace(
                each, reason=f"{each.reason}; {first.model_name} would be slower and no better"
            )
    kept = next(iter(loaded), None)
    if kept is None or first.resident or not first.evicts or first.score >= kept.score + margin:
        return None
    return replace(
        kept,
        reason=(
            f"{kept.reason}; {first.model_name} is better by less than {margin:g}, which loading it"
            " would take"
        ),
    )
