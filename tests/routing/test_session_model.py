"""When a conversation stays with its model, and when it leaves it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orch.orchestrator import build_task
from orch.routing.session_model import prefer_session_model
from orch.types import Candidate, ModelKey, Reason
from tests.support.fake_ollama import FakeOllama
from tests.support.orchestrators import TASK, fake, over, planned_order

A, B = "a:1b", "b:1b"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server, the first one rated best."""
    with fake(A, B) as running:
        yield running


async def gap(server: FakeOllama) -> float:
    """How much better the first model scores than the second."""
    async with over({"ollama": server}) as orchestrator:
        first, second = (await orchestrator.decide_task(build_task(TASK))).candidates
    return first.score - second.score


@pytest.mark.parametrize(("more", "first"), [(0.001, B), (-0.001, A)])
async def test_a_conversation_keeps_its_model_unless_another_is_better_by_more_than_session_margin(
    server: FakeOllama, more: float, first: str
) -> None:
    margin = await gap(server) + more
    async with over({"ollama": server}, session_margin=margin) as orchestrator:
        found = await planned_order(orchestrator, stay_with=("ollama", B))
    assert found[0][0] == first
    assert ("stays with this conversation" in found[0][1]) == (first == B)
    assert ("the conversation's" in found[0][1]) == (first == A)
    assert len(found) == 2


def scored(name: str, score: float) -> Candidate:
    """A candidate of one provider."""
    general = Reason("general")
    return Candidate(name, name, "ollama", score, reason="general", reasons=(general,))


def test_where_a_better_model_fails_the_conversation_s_is_next_but_for_much_better_ones() -> None:
    order = tuple(scored(name, score) for name, score in (("a", 9), ("b", 5), ("c", 3), ("d", 2)))
    asked = prefer_session_model(order, ModelKey("ollama", "d"), 2)
    assert [each.model_id for each in asked] == ["a", "b", "d", "c"]
    assert [each.reason for each in asked] == [
        "general; the conversation's d scores worse by more than 2",
        "general",
        "stays with this conversation; c is better by less than 2",
        "general",
    ]


def test_an_order_without_the_conversation_s_model_is_left_alone() -> None:
    order = (scored("a", 9), scored("b", 5))
    assert prefer_session_model(order, ModelKey("ollama", "gone"), 2) == order


async def test_the_model_of_a_session_s_former_turn_is_the_conversation_s_model(
    server: FakeOllama,
) -> None:
    server.resident = {A: 8_192, B: 8_192}
    async with over({"ollama": server}, session_margin=1) as orchestrator:
        await orchestrator.execute(TASK, session="s", model=B)
        again = await orchestrator.execute("And the lakes?", session="s")
        other = await orchestrator.execute("And the lakes?", session="t")
    assert [again.decision.model_id, other.decision.model_id] == [B, A]


async def test_a_conversation_s_model_is_known_by_its_provider_too() -> None:
    with fake(A) as one, fake(A) as two:
        async with over({"one": one, "two": two}, models=[], session_margin=1) as orchestrator:
            made = await orchestrator.runtime.router.plan(
                build_task(TASK, stay_with=ModelKey("two", A))
            )
    assert [candidate.provider for candidate in made.order] == ["two", "one"]


async def test_a_named_model_goes_before_the_conversation_s(server: FakeOllama) -> None:
    async with over({"ollama": server}, session_margin=1) as orchestrator:
        assert await planned_order(orchestrator, stay_with=("ollama", B), model=A) == [
            (A, "named by you")
        ]
