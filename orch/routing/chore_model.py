"""Which model takes a chore that names none: a loaded one that no session uses."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orch.routing.machine.admission import Admission
from orch.routing.session_model import Order, move_to_front
from orch.routing.wording import with_reasons
from orch.types import Candidate, ModelKey, Reason


def order_for_chore(
    able: Sequence[Candidate], admission: Admission, resorts: Collection[ModelKey]
) -> Order:
    """The models that may take a chore in the order in which they are asked: those that need no
    load, first those that hold no turn's prompt, then those that no request uses, then the fastest.

    Only if there are none a model is loaded, the fastest to answer, which a small one is; one that
    would unload another is the last choice, and a last resort comes behind all.
    """
    ready = [each for each in able if _is_ready(each) and each.key not in resorts]
    if ready:
        held, used = admission.in_turn(), admission.in_use()
        ready.sort(
            key=lambda each: (
                each.resident is None,
                each.key in held,
                each.key in used,
                each.expected_s,
            )
        )
        return _with_reason(ready, Reason("chore"))
    others = sorted(able, key=lambda each: (each.key in resorts, each.evicts > 0, each.expected_s))
    return _with_reason(others, Reason("chore_loads"))


def order_of_session(order: Order, session_model: ModelKey | None) -> Order:
    """The session's model first, whatever scores better: it holds the beginning of the prompt."""
    kept = next((each for each in order if each.key == session_model), None)
    if kept is None:
        return order
    return move_to_front(order, with_reasons(kept, Reason("chore_of_session")))


def _is_ready(candidate: Candidate) -> bool:
    """Whether it answers without being loaded, as far as its server tells."""
    return candidate.resident is not False and not candidate.seconds.get("load")


def _with_reason(order: Sequence[Candidate], reason: Reason) -> Order:
    return (with_reasons(order[0], reason), *order[1:])
