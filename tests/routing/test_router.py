"""Each sentence about who is asked first, as a test that fails when the sentence is no longer true:
conversations, names, memory that is taken, nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orch import Orchestrator
from orch.orchestrator import build_task
from orch.routing.machine.admission import NoQueue, SlotRequest
from orch.text.prompt import estimate_text_tokens
from orch.types import Reason, TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orchestrators import TASK, Json, fake, over, planned_order, refusal

A, B = "a:1b", "b:1b"
CLEAR = "Write a poem about the sea"
IMAGE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
    }
]


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server, the first one rated best."""
    with fake(A, B) as running:
        yield running


class FullGate(NoQueue):
    """Models that are not loaded would wait for memory."""

    def wait_reason(self, request: SlotRequest) -> Reason | None:
        """Only the first model is not loaded."""
        return Reason("slot_in_use") if request.model.model == A else None


# ---------------------------------------------------------------- conversations


# ---------------------------------------------------------------- memory that is taken


async def test_a_loaded_model_goes_before_one_that_would_wait_for_memory(
    server: FakeOllama,
) -> None:
    server.resident[B] = 8_192
    async with over(
        {"ollama": server},
        gate=FullGate(),
        weights={"fit": 0, "quality": 1, "speed": 0, "confidence": 0},
    ) as orchestrator:
        found = await planned_order(orchestrator)
    assert [name for name, _ in found] == [B, A]
    assert found[0][1].endswith("a:1b would wait for memory: its slot is in use")


async def test_nobody_goes_before_it_where_no_other_model_is_loaded(server: FakeOllama) -> None:
    async with over({"ollama": server}, gate=FullGate()) as orchestrator:
        assert [name for name, _ in await planned_order(orchestrator)] == [A, B]


async def test_a_named_model_waits_for_its_memory(server: FakeOllama) -> None:
    server.resident[B] = 8_192
    async with over({"ollama": server}, gate=FullGate()) as orchestrator:
        assert await planned_order(orchestrator, model=A) == [(A, "named by you")]


# ---------------------------------------------------------------- names


NAMES: list[Json] = [
    {"id": A, "name": "the one"},
    {"id": B, "aliases": ["the one", "short"], "name": "B"},
]


@pytest.mark.parametrize(
    ("name", "model"), [("the one", B), ("short", B), (A, A), ("ollama/a:1b", A), ("B", B)]
)
async def test_a_name_is_an_id_then_an_alias_then_provider_and_id_then_a_display_name(
    server: FakeOllama, name: str, model: str
) -> None:
    async with over({"ollama": server}, models=NAMES) as orchestrator:
        assert (await planned_order(orchestrator, model=name))[0] == (model, "named by you")


async def test_latest_is_the_tag_of_a_name_without_one() -> None:
    with fake("plain") as server:
        async with over({"ollama": server}, models=[{"id": "plain"}]) as orchestrator:
            assert [
                (await planned_order(orchestrator, model=name))[0][0]
                for name in ("plain", "plain:latest")
            ] == ["plain", "plain"]


async def test_an_unknown_name_names_the_nearest_one(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        error = await refusal(orchestrator, model="a:1c")
    assert (error.code, error.exit_code, error.hint) == ("model_not_found", 4, "did you mean a:1b?")


# ---------------------------------------------------------------- a named model


FLOORS = {"task_types": {str(name): {"quality_floor": 5} for name in TaskType}}


@pytest.mark.parametrize(
    ("models", "routing", "warned"),
    [
        ([{"id": A, "memory_gb": 500}], {}, True),
        ([{"id": A, "quality_rating": 1}, {"id": B}], FLOORS, False),
        ([{"id": A, "last_resort": True}, {"id": B}], {}, False),
    ],
    ids=["memory", "floor", "last resort"],
)
async def test_naming_a_model_overrules_memory_floor_and_last_resort(
    server: FakeOllama, models: list[dict[str, Any]], routing: dict[str, Any], warned: bool
) -> None:
    async with over({"ollama": server}, models=models, **routing) as orchestrator:
        made = await orchestrator.runtime.router.plan(build_task(TASK, model=A))
    assert [(each.model_id, each.eliminated, each.eliminated_code) for each in made.order] == [
        (A, None, "")
    ]
    assert bool(made.warnings) is warned


async def test_naming_a_model_overrules_nothing_that_it_can_not_do(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        errors = [
            await refusal(orchestrator, "", model=A, messages=IMAGE),
            await refusal(orchestrator, "word " * 100_000, model=A),
        ]
        server.remove(A)
        errors.append(await refusal(orchestrator, model=A))
    assert [(error.code, error.exit_code) for error in errors] == [
        ("usage", 2),
        ("context_overflow", 5),
        ("model_not_found", 4),
    ]


@pytest.mark.parametrize(("fallback", "found"), [(None, [A]), (False, [A]), (True, [A, B])])
async def test_a_named_model_is_replaced_only_where_the_caller_wishes_it(
    server: FakeOllama, fallback: bool | None, found: list[str]
) -> None:
    async with over({"ollama": server}) as orchestrator:
        assert [
            name for name, _ in await planned_order(orchestrator, model=A, fallback=fallback)
        ] == found


async def test_an_ignored_unlisted_model_answers_where_it_is_named_and_replaces_nobody(
    server: FakeOllama,
) -> None:
    server.add(FakeModel("c:1b"))
    data: dict[str, Any] = {
        "unlisted": "ignore",
        "providers": {"ollama": {"kind": "ollama", "base_url": server.url}},
        "models": [{"id": A}],
    }
    async with Orchestrator(data, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
        assert [name for name, _ in await planned_order(orchestrator)] == [A]
        assert [name for name, _ in await planned_order(orchestrator, model="c:1b")] == ["c:1b"]
        assert [name for name, _ in await planned_order(orchestrator, model=A, fallback=True)] == [
            A
        ]


# ---------------------------------------------------------------- nobody


# ---------------------------------------------------------------- what is put before the question


async def test_what_memory_recalls_leaves_the_messages_as_they_are_and_counts_as_prompt(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        made = await orchestrator.runtime.router.plan(build_task(TASK, system_prompt="be brief"))
    recalled = "You were told of a lake before."
    with_more = made.with_recalled(recalled)
    assert (with_more.messages, with_more.recalled) == (made.messages, recalled)
    more_tokens = estimate_text_tokens(recalled)
    assert with_more.need.prompt_tokens == made.need.prompt_tokens + more_tokens
    assert with_more.order == made.order


# ---------------------------------------------------------------- what the decision tells


async def test_a_decision_tells_profile_weights_pin_and_the_hash_of_its_configuration(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        plain = await orchestrator.decide_task(build_task(TASK))
        dialled = await orchestrator.decide_task(build_task(TASK, dial=10, model=B))
        configured = orchestrator.runtime.config.hash
    assert (plain.profile, plain.pinned, plain.config_hash) == ("balanced", False, configured)
    assert (dialled.profile, dialled.pinned, dialled.weights["quality"]) == ("dial", True, 1.0)
    assert plain.prompt_tokens > 0
