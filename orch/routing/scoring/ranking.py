"""Ranks the models for a task: hard requirements and the floor eliminate with a reason, four
weighted terms make a score (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from orch.config.spec import Routing
from orch.errors import UsageError
from orch.providers.remote_models import display_host
from orch.routing.context_size import choose_num_ctx, required_context
from orch.routing.machine.placement import MachineMemory
from orch.routing.model_state import UNKNOWN_CTX, ModelState, required_memory
from orch.routing.scoring.expected_time import (
    MachinePace,
    TimeEstimate,
    estimate_time,
    new_tokens,
)
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.score_terms import (
    TERM_FUNCTIONS,
    ScoringContext,
    TermInput,
    expected_quality,
    is_below_floor,
    preference_of,
    within_quality_margin,
)
from orch.routing.wording import reason_text, with_elimination
from orch.text.prompt import Task
from orch.types import Candidate, Classification, Elimination, Need, Reason

LEAST_NAMED_BYTES = 1_000_000_000
"""What other programs hold is told from here on."""
BALANCED = "balanced"
"""The profile that the `weights` of routing.yaml belong to."""


def rank_candidates(
    classification: Classification,
    states: Sequence[ModelState],
    need: Need,
    policy: Policy,
    pace: MachinePace | None = None,
) -> tuple[Candidate, ...]:
    """Every model as a Candidate: those that can take the task by falling score, then the
    eliminated ones. `pace` is that of these states, if it was computed before.

    The order does not depend on the order of `states`: ties break by quality, then by id.
    """
    contexts = [choose_num_ctx(s, need) if s.unavailable is None else 0 for s in states]
    eliminations = [eliminate(s, need, policy, n) for s, n in zip(states, contexts, strict=True)]
    able = [s for s, out in zip(states, eliminations, strict=True) if out is None]
    context = ScoringContext.of(classification, states, able, need, policy, pace)
    candidates = [
        _score(state, num_ctx, out, context)
        for state, num_ctx, out in zip(states, contexts, eliminations, strict=True)
    ]
    ranked = sorted(
        (c for c in candidates if not c.eliminated),
        key=lambda c: (-c.score, -c.quality, c.model_id, c.provider),
    )
    return (
        *ranked,
        *sorted((c for c in candidates if c.eliminated), key=lambda c: (c.model_id, c.provider)),
    )


def _score(
    state: ModelState, num_ctx: int, elimination: Elimination | None, context: ScoringContext
) -> Candidate:
    spec = state.spec
    if state.unavailable:
        candidate = Candidate(
            spec.id,
            spec.label,
            spec.provider,
            unlisted=state.unlisted,
            remote_host=state.remote_host,
        )
        return with_elimination(candidate, state.unavailable)
    if elimination is None and is_below_floor(state, context.shares, context.floor):
        elimination = Elimination("quality_floor", {"floor": context.floor})
    scored = TermInput(
        state,
        context,
        expected_quality(state, context.shares),
        estimate_time(state, num_ctx, context.times),
        *preference_of(spec, context),
    )
    weights, time = context.policy.weights, scored.seconds
    # decisions that were recorded before a term existed have no weight for it
    terms = {name: weights.get(name, 0.0) * term(scored) for name, term in TERM_FUNCTIONS.items()}
    reasons = tuple(explain(scored))
    # made in one piece: each copy of so many fields takes as long as a term
    candidate = Candidate(
        spec.id,
        spec.label,
        spec.provider,
        score=sum(terms.values()),
        terms=terms,
        expected_s=time.expected,
        provenance=provenance(state) | prefill_provenance(state, context.times.need, time),
        resident=state.resident,
        num_ctx=num_ctx if num_ctx < UNKNOWN_CTX else None,
        quality=scored.quality,
        seconds=time.parts,
        evicts=time.evicts,
        unlisted=state.unlisted,
        remote_host=state.remote_host,
        reasons=reasons,
        reason=reason_text(reasons),
    )
    return candidate if elimination is None else with_elimination(candidate, elimination)


def named_candidate(state: ModelState, need: Need, policy: Policy) -> Candidate:
    """A model that was named and is compared with no other: what rules it out is checked, and it
    has no score, no terms and no expected seconds."""
    num_ctx = choose_num_ctx(state, need) if state.unavailable is None else 0
    elimination = eliminate(state, need, policy, num_ctx)
    reasons = (Reason("named"), *remote_reasons(state.remote_host))
    candidate = Candidate(
        state.spec.id,
        state.spec.label,
        state.spec.provider,
        resident=state.resident,
        num_ctx=num_ctx if num_ctx < UNKNOWN_CTX else None,
        unlisted=state.unlisted,
        remote_host=state.remote_host,
        reasons=reasons,
        reason=reason_text(reasons),
    )
    return candidate if elimination is None else with_elimination(candidate, elimination)


# ---------------------------------------------------------------- hard requirements


def eliminate(state: ModelState, need: Need, policy: Policy, num_ctx: int) -> Elimination | None:
    """Why a model can't take the task with that context, if it can't. Nothing here only lowers a
    score."""
    if state.unavailable:
        return state.unavailable
    if missing := _missing_capabilities(state, need):
        tasks = {"tasks": sorted(state.capabilities or ())} if missing == ["completion"] else {}
        return Elimination("capability", {"capabilities": missing, **tasks})
    limit = state.default_ctx if state.fixed_ctx else state.context_window
    tokens = required_context(state, need, limit)
    if tokens > limit:
        return Elimination("context_overflow", {"tokens": tokens, "limit": limit})
    return _too_large(state, policy, num_ctx)


def _missing_capabilities(state: ModelState, need: Need) -> list[str]:
    if state.capabilities is None:  # servers take tools and images, or say that they don't
        return sorted(need.capabilities & {"insert"})
    if "completion" not in state.capabilities:
        return ["completion"]
    return sorted(need.capabilities - state.capabilities - state.untold)


def _too_large(state: ModelState, policy: Policy, num_ctx: int) -> Elimination | None:
    memory = policy.room
    if memory is None or state.resident is not False or not state.local:
        return None
    needed = required_memory(state, num_ctx)
    available = memory.available_bytes(state.key)
    if needed <= available:
        return None
    params = {"needed_gb": needed / 1e9, "available_gb": available / 1e9}
    return Elimination("memory", params | _held(memory, state.spec.provider))


def _held(memory: MachineMemory, provider: str) -> dict[str, Any]:
    """Where memory is for models and what keeps the rest, as far as the devices were read."""
    held: dict[str, Any] = {}
    if memory.gpus is not None and memory.main is not None:
        held["gpus_gb"] = memory.gpus.capacity_bytes / 1e9
        held["main_gb"] = memory.main.capacity_bytes / 1e9
    part = memory.gpus or memory.main
    if part is not None and (part.others_bytes or 0) >= LEAST_NAMED_BYTES:
        held["others_gb"] = (part.others_bytes or 0) / 1e9
    staying = [each for each in memory.resident if not memory.may_leave(each, provider)]
    if staying:
        held["staying"] = [
            {"model": each.key.model.removesuffix(":latest"), "gb": each.size_bytes / 1e9}
            for each in staying
        ]
    return held


# ---------------------------------------------------------------- reasons


def explain(scored: TermInput) -> list[Reason]:
    """Why this model: `best for coding, loaded`."""
    state, context = scored.state, scored.context
    task_type, rank = str(context.classification.task_type), scored.preference_rank
    reasons = []
    if rank == 1:
        reasons.append(Reason("best_for", {"task_type": task_type}))
    elif rank:
        reasons.append(Reason("choice_for", {"rank": rank, "task_type": task_type}))
    elif task_type in state.spec.strengths:
        reasons.append(Reason("strength", {"task_type": task_type}))
    if task_type in state.spec.weaknesses:
        reasons.append(Reason("weakness", {"task_type": task_type}))
    if context.best and within_quality_margin(scored):
        reasons.append(Reason("as_good_as", {"model": context.best.spec.label}))
    if context.named_shares:
        reasons.append(Reason("task_types", {"shares": context.named_shares}))
    if not reasons:
        reasons.append(Reason("general"))
    return [*reasons, *_placement(state)]


RESIDENCY = {True: "loaded", False: "not_loaded", None: "load_unknown"}
"""The reason for each state of a model, which its server may not tell."""


def _placement(state: ModelState) -> list[Reason]:
    """Where the model runs, and whether it is loaded and listed."""
    remote = remote_reasons(state.remote_host)
    reasons = remote or [Reason(RESIDENCY[state.resident])]
    return [*reasons, Reason("unlisted")] if state.unlisted else reasons


def remote_reasons(host: str) -> list[Reason]:
    """That the model runs on another machine, if it does."""
    return [Reason("remote", {"host": display_host(host)})] if host else []


def provenance(state: ModelState) -> dict[str, str]:
    """Where the numbers come from: `rated`, `guessed from size`, or `measured (n=5,
    2026-11-24)`."""
    measured, prior = state.measured, state.prior.source if state.prior else "rated"
    speed = "guessed from size" if state.bytes_per_token or state.speed_guessed else "rated"
    if state.speed_guessed and not (state.bytes_per_token or state.active_b):
        speed = "guessed, its size is unknown"
    if measured and measured.decode_tps:
        speed = f"measured (n={measured.n}, {_day(measured.last_at)})"
    return {"quality": state.estimate.source if state.estimate else prior, "speed": speed}


def prefill_provenance(state: ModelState, need: Need, time: TimeEstimate) -> dict[str, str]:
    """What of the prompt is read anew, and what its server holds of it: `prefill of 412 new tokens,
    7,900 cached`; nothing where it holds none."""
    if not state.cached_tokens or time.load:
        return {}
    new = new_tokens(state, need, loads=False)
    return {"prefill": f"prefill of {new:,} new tokens, {state.cached_tokens:,} cached"}


@lru_cache(maxsize=256)
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
