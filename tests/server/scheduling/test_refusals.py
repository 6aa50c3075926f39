"""What a request without a slot is told."""

from __future__ import annotations

from orch.routing.machine.admission import SlotRequest
from orch.server.scheduling.queue import ProviderQueue, QueueEntry
from orch.server.scheduling.refusals import queue_full, waited_in_vain
from orch.types import ModelKey

MODEL = ModelKey("ollama", "a:8b")


def entry(*, chore: bool = False) -> QueueEntry:
    return QueueEntry(SlotRequest("r", MODEL, chore=chore, timeout_s=30), MODEL, 1, 0.0)


def queue(waiting: int = 0) -> ProviderQueue:
    entries = {entry(): None for _ in range(waiting)}
    return ProviderQueue(name="ollama", slots=1, max_waiting=2, overdue_s=30, waiting=entries)


def test_a_full_queue_says_how_many_wait() -> None:
    texts = [queue_full(queue(n), entry(), False).message for n in (0, 1, 2)]
    assert texts == [
        "ollama is busy, and its queue takes no requests",
        "1 request is waiting for ollama already",
        "2 requests are waiting for ollama already",
    ]


def test_a_chore_is_told_of_the_turn_and_a_person_of_the_wait() -> None:
    person = waited_in_vain(queue(), entry(), True)
    chore = waited_in_vain(queue(), entry(chore=True), True, in_turn=True)
    assert (person.code, person.has_free_slot) == ("busy", True)
    assert "waited 30 s for ollama" in person.message
    assert (chore.code, chore.retry_after_s) == ("turn_in_progress", 1.0)
    assert "a:8b" in chore.message
