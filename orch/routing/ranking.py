"""Ranks the models for a task: hard requirements and the floor eliminate with a reason, four
weighted terms make a score (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orch.config.spec import Routing
from orch.errors import UsageError
from orch.providers.remote_models import display_host
from orch.routing.expected_time import estimate_time
from orch.routing.model_state import ModelState, choose_num_ctx, required_context, required_memory
from orch.routing.policy import Policy
from orch.routing.scoring import (
    TERMS,
    ScoringContext,
    TermInput,
    expected_quality,
    is_below_floor,
    preference_of,
    within_quality_margin,
)
from orch.text.prompt import Task
from orch.types import Candidate, Classification, Need

BALANCED = "balanced"
"""The profile that the `weights` of routing.yaml belong to."""


def rank_candidates(
    classification: Classification, states: Sequence[ModelState], need: Need, policy: Policy
) -> tuple[Candidate, ...]:
    """Every model as a Candidate: those that can take the task by falling score, then the
    eliminated ones.

    The order does not depend on the order of `states`: ties break by quality, then by id.
    """
    asked = [
        (state, choose_num_ctx(state, need) if state.unavailable is None else 0) for state in states
    ]
    out = [eliminate(state, need, policy, num_ctx) for state, num_ctx in asked]
    able = [state for state, why in zip(states, out, strict=True) if why is None]
    context = ScoringContext.of(classification, states, able, need, policy)
    candidates = [
        _weigh(state, num_ctx, why, context)
        for (state, num_ctx), why in zip(asked, out, strict=True)
    ]
    ranked = sorted(
        (c for c in candidates if not c.eliminated),
        key=lambda c: (-c.score, -c.quality, c.model_id, c.provider),
    )
    return (
        *ranked,
        *sorted((c for c in candidates if c.eliminated), key=lambda c: (c.model_id, c.provider)),
    )


def _weigh(
    state: ModelState, num_ctx: int, out: tuple[str, str] | None, context: ScoringContext
) -> Candidate:
    spec = state.spec
    if state.unavailable:
        code, reason = state.unavailable
        return Candidate(
            spec.id,
            spec.label,
            spec.provider,
            eliminated=reason,
            eliminated_code=code,
            unlisted=state.unlisted,
            remote_host=state.remote_host,
        )
    if out is None and is_below_floor(state, context.shares, context.floor):
        out = "quality_floor", f"its quality is below {context.floor:.2g}, the floor of this type"
    weighing = TermInput(
        state,
        context,
        expected_quality(state, context.shares),
        estimate_time(state, num_ctx, context.times),
        *preference_of(spec, context),
    )
    weights = context.policy.weights
    terms = {name: weights[name] * term(weighing) for name, term in TERMS.items()}
    spent = weighing.seconds
    return Candidate(
        spec.id,
        spec.label,
        spec.provider,
        score=sum(terms.values()),
        terms=terms,
        eliminated=out[1] if out else None,
        eliminated_code=out[0] if out else "",
        reason=explain(weighing),
        expected_s=spent.expected,
        provenance=provenance(state),
        resident=state.resident,
        unlisted=state.unlisted,
        num_ctx=num_ctx,
        remote_host=state.remote_host,
        quality=weighing.quality,
        seconds={
            "load": spent.load,
            "prefill": spent.prefill,
            "decode": spent.decode,
            "eviction": spent.eviction,
        },
        evicts=spent.evicts,
    )


# ---------------------------------------------------------------- hard requirements


def eliminate(
    state: ModelState, need: Need, policy: Policy, num_ctx: int
) -> tuple[str, str] | None:
    """Why a model can't take the task with that context, as (code, reason), or None. Nothing here
    merely scores."""
    if state.unavailable:
        return state.unavailable
    if state.capabilities is not None and "completion" not in state.capabilities:
        return "capability", "it only embeds"
    if (
        state.capabilities is not None
        and not need.capabilities <= state.capabilities
        and (missing := sorted(need.capabilities - {"completion", *state.capabilities}))
    ):
        return "capability", f"it has no {' and no '.join(missing)}"
    limit = state.default_ctx if state.fixed_ctx else state.context_window
    tokens = required_context(state, need, limit)
    if tokens > limit:
        return "context_overflow", f"needs {tokens:,} tokens of context, it holds {limit:,}"
    return _too_large(state, policy, num_ctx)


def _too_large(state: ModelState, policy: Policy, num_ctx: int) -> tuple[str, str] | None:
    if policy.memory_bytes is None or state.resident or not state.local:
        return None
    bytes_needed = required_memory(state, num_ctx)
    if bytes_needed <= policy.memory_bytes:
        return None
    return (
        "memory",
        f"needs {bytes_needed / 1e9:.1f} GB, there are {policy.memory_bytes / 1e9:.1f} GB",
    )


# ---------------------------------------------------------------- words


def explain(weighing: TermInput) -> str:
    """Why this model, in a few words: `best for coding, loaded`."""
    state, context = weighing.state, weighing.context
    task_type = context.classification.task_type
    place = weighing.preference_rank
    parts = []
    if place == 1:
        parts.append(f"best for {task_type}")
    elif place:
        parts.append(f"choice {place} for {task_type}")
    if task_type in state.spec.strengths and not place:
        parts.append(f"good at {task_type}")
    if task_type in state.spec.weaknesses:
        parts.append(f"weak at {task_type}")
    if context.best and within_quality_margin(weighing):
        parts.append(f"as good as {context.best.spec.label} here")
    parts.append(context.named or ("" if parts else "general"))
    parts.append(remote_note(state.remote_host) or ("loaded" if state.resident else "not loaded"))
    if state.unlisted:
        parts.append("unlisted")
    return ", ".join(filter(None, parts))


def remote_note(host: str) -> str:
    """That a model runs elsewhere, and where; empty for one that does not."""
    return f"remote, {display_host(host)}" if host else ""


def provenance(state: ModelState) -> dict[str, str]:
    """Where the numbers come from: `rated`, or `measured (n=5, 2026-11-24)`."""
    believed = state.prior.source if state.prior else "rated"
    said = {
        "quality": state.estimate.source if state.estimate else believed,
        "speed": "guessed from size" if state.bytes_per_token else "rated",
    }
    if state.measured and state.measured.decode_tps:
        said["speed"] = f"measured (n={state.measured.n}, {_day(state.measured.last_at)})"
    return said


def _day(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).date().isoformat()


# ---------------------------------------------------------------- weights


def requested_weights(routing: Routing, task: Task) -> dict[str, float]:
    """The weights of a task's profile or dial. Raises UsageError for an unknown profile and for a
    dial out of bounds."""
    if task.dial is not None and task.profile != BALANCED:
        raise UsageError("profile and dial say the same thing twice", "give one of them")
    if task.dial is not None and not 0 <= task.dial <= 10:
        message = f"dial must be between 0 and 10, not {task.dial:g}"
        raise UsageError(message, "0 is speed alone, 10 is quality alone")
    try:
        return profile_weights(routing, task.profile, task.dial)
    except KeyError:
        known = ", ".join(dict.fromkeys((BALANCED, *routing.profiles)))
        message = f"no profile is called {task.profile!r}"
        raise UsageError(message, f"one of: {known}") from None


def profile_weights(routing: Routing, profile: str, dial: float | None = None) -> dict[str, float]:
    """The weights of a profile, or of the dial. Raises KeyError for a profile that routing.yaml
    does not have."""
    if dial is not None:
        return _dial_weights(routing.weights.as_dict(), dial)
    if profile == BALANCED and profile not in routing.profiles:
        return routing.weights.as_dict()
    return routing.profiles[profile].as_dict()


def _dial_weights(balanced: Mapping[str, float], dial: float) -> dict[str, float]:
    """The weights of the dial: 0 is speed alone, 5 the balanced weights, 10 quality alone; linear
    between."""
    end = "quality" if dial > 5 else "speed"
    share = abs(dial - 5) / 5
    return {
        term: weight * (1 - share) + (share if term == end else 0.0)
        for term, weight in balanced.items()
    }
