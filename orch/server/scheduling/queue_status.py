"""The status of a provider's queue as `/orch/health` and the page show it: running and waiting
requests with the reasons why they wait (pure)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from orch.routing.wording import reason_text
from orch.server.scheduling.queue import ProviderQueue, QueueEntry, predict_order
from orch.server.scheduling.residency import Residency
from orch.types import Reason


def queue_status(
    queue: ProviderQueue,
    now: float,
    residency: Residency,
    blocked: QueueEntry | None,
    held_back: Collection[QueueEntry] = (),
) -> dict[str, Any]:
    """JSON-able: the running requests, and the waiting ones in their predicted order; `blocked` is
    the overdue entry that others must make room for, `held_back` are the chores that wait for a
    turn's end."""
    order = predict_order(queue.waiting, queue.snapshot(now, residency.loaded()))
    return {
        "parallel": queue.slots,
        "queue_bound": queue.max_waiting,
        "running": [
            {**_entry_status(entry), "for_s": round(now - entry.since, 1)}
            for entry in queue.running
        ],
        "waiting": [
            {
                "position": position,
                **_entry_status(entry),
                "priority": _priority(entry),
                "waited_s": round(now - entry.since, 1),
                **_reason_fields(
                    _wait_reason(queue, entry, residency, blocked, entry in held_back)
                ),
            }
            for position, entry in enumerate(order, 1)
        ],
    }


def _priority(entry: QueueEntry) -> str:
    if entry.request.batch:
        return "batch"
    return "chore" if entry.request.chore else "interactive"


def _wait_reason(
    queue: ProviderQueue,
    entry: QueueEntry,
    residency: Residency,
    blocked: QueueEntry | None,
    is_held_back: bool,
) -> Reason:
    """Why an entry waits: for memory, for a slot, or for a more urgent entry."""
    shortage = residency.shortage(entry.model, entry.request)
    if shortage is not None:
        return shortage
    if queue.is_full and queue.slots == 1:
        return Reason("slot_in_use")
    if queue.is_full:
        return Reason("slots_in_use", {"slots": queue.slots})
    if is_held_back:
        return Reason("turn_in_progress")
    if blocked is not None:
        return Reason("overtaken", {"model": blocked.request.model.model})
    return Reason("starting")


def _entry_status(entry: QueueEntry) -> dict[str, Any]:
    return {
        "run_id": entry.request.run_id,
        "model": entry.request.model[1],
        "client": entry.request.client,
    }


def _reason_fields(reason: Reason) -> dict[str, Any]:
    """A sentence, and the value that it is made of."""
    value = {"code": reason.code, "params": reason.params}
    return {"reason": reason_text([reason]), "reasons": [value]}
