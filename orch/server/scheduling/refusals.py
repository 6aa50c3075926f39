"""The errors of requests that get no slot (pure)."""

from __future__ import annotations

from orch.errors import ProviderError
from orch.server.scheduling.queue import ProviderQueue, QueueEntry


def queue_full(queue: ProviderQueue, entry: QueueEntry, has_free_slot: bool) -> ProviderError:
    """The queue takes no more requests."""
    waiting = len(queue.waiting)
    if not waiting:
        return _refusal(
            queue, entry, f"{queue.name} is busy, and its queue takes no requests", has_free_slot
        )
    requests = "1 request is" if waiting == 1 else f"{waiting} requests are"
    return _refusal(queue, entry, f"{requests} waiting for {queue.name} already", has_free_slot)


def waited_in_vain(
    queue: ProviderQueue, entry: QueueEntry, has_free_slot: bool, *, in_turn: bool = False
) -> ProviderError:
    """The request's timeout ended, or a person's request took its place in the queue. `in_turn`:
    whether it is a chore that waited for the end of a turn."""
    request = entry.request
    waited = f"waited {request.timeout_s:g} s for {queue.name} without getting a slot"
    if entry.is_displaced:
        waited = f"a person's request took the place of a client's chore in {queue.name}'s queue"
    elif in_turn:
        waited = (
            f"{request.model.model} is in the middle of a turn; a client's chore waited for its end"
        )
    elif request.chore:
        waited = f"a client's chore {waited}"
    return _refusal(queue, entry, waited, has_free_slot)


def _refusal(
    queue: ProviderQueue, entry: QueueEntry, message: str, has_free_slot: bool
) -> ProviderError:
    code = "turn_in_progress" if entry.request.chore else "busy"
    return ProviderError(
        code, message, retry_after_s=queue.retry_after_s(), has_free_slot=has_free_slot
    )
