"""What all servers hold: how much of a prompt is new, and where it is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orch.config.spec import ModelSpec
from orch.providers.chat import Completion
from orch.routing.model_state import ModelState
from orch.routing.prompt_cache.prompt_caches import MAX_ADDRESSES, MAX_MODELS, PromptCaches
from orch.routing.prompt_cache.sent_prompt import SentPrompt
from orch.text.prompt import PreparedTask, Task, prepare_task
from orch.types import ModelKey

LONG = "a long text of many words " * 40
STATE = ModelState(ModelSpec(id="a", provider="p"), resident=True, slots=2)
KEY = STATE.key
STATES = {KEY: STATE}


class Provider:
    """A provider whose requests may name a slot."""

    def __init__(self, own_slots: int = 2) -> None:
        self.own_slots = own_slots


PLAIN: Any = object()
"""A provider that chooses its slots itself."""


class Caches:
    """The caches at work, with a clock that stands still."""

    def __init__(self) -> None:
        self.caches = PromptCaches(clock=lambda: 100.0)

    def prepared(self, *texts: str, **fields: Any) -> PreparedTask:
        roles = ("system", "user", "assistant", "user", "assistant", "user")
        messages = [
            {"role": role, "content": f"{text} {LONG}"}
            for role, text in zip(roles, texts, strict=False)
        ]
        return self.caches.with_chain(
            prepare_task(Task(text="", messages=tuple(messages), **fields))
        )

    async def send(
        self,
        prepared: PreparedTask,
        completion: Completion = Completion(),
        provider: Any = PLAIN,
        state: ModelState = STATE,
        load_s: float = 0.0,
        calls: int = 0,
    ) -> int | None:
        """Sends a prompt that is answered; returns its slot."""
        use = await self.caches.begin(state, prepared, provider)
        use.end(SentPrompt(completion, load_s, f"answer {LONG}", calls))
        return use.slot

    def cached_share(self, prepared: PreparedTask, state: ModelState = STATE) -> float:
        found = self.caches.cached_states({KEY: state}, prepared)
        return found[KEY].cached_tokens / prepared.need.prompt_tokens if found else 0.0


@pytest.fixture
def caches() -> Caches:
    return Caches()


async def test_the_next_turn_has_only_its_question_new(caches: Caches) -> None:
    await caches.send(caches.prepared("s", "q1"))
    again = caches.prepared("s", "q1", "answer", "q2")
    assert caches.cached_share(again) == pytest.approx(0.75, abs=0.01)
    assert caches.cached_share(caches.prepared("s", "other")) == pytest.approx(0.5, abs=0.01)
    assert caches.cached_share(caches.prepared("t", "q1", "answer", "q2")) == 0.0


async def test_a_model_that_was_not_asked_has_nothing(caches: Caches) -> None:
    await caches.send(caches.prepared("s", "q1"))
    other = STATE._replace(spec=ModelSpec(id="b", provider="p"))
    states = {KEY: STATE, other.key: other}
    assert caches.caches.cached_states(states, caches.prepared("s", "q1")).keys() == {KEY}


async def test_what_is_not_loaded_or_was_loaded_anew_holds_nothing(caches: Caches) -> None:
    await caches.send(caches.prepared("s", "q1"))
    again = caches.prepared("s", "q1", "answer", "q2")
    assert caches.cached_share(again, STATE._replace(resident=False)) == 0.0
    assert caches.cached_share(again, STATE._replace(resident=None)) > 0.0
    await caches.send(caches.prepared("other", "q"), load_s=2.0)
    assert caches.cached_share(again) == 0.0


async def test_a_model_that_was_unloaded_meanwhile_holds_nothing(caches: Caches) -> None:
    first = caches.prepared("s", "q1")
    await caches.send(first)
    await caches.send(caches.prepared("t", "q"), state=STATE._replace(resident=False))
    assert caches.cached_share(first) == 0.0


async def test_what_a_server_reads_again_it_is_not_thought_to_hold(caches: Caches) -> None:
    await caches.send(caches.prepared("s", "q1"))
    again = caches.prepared("s", "q1", "answer", "q2")
    await caches.send(again, Completion(prompt_tokens=2_000, cached_tokens=0))
    third = caches.prepared("s", "q1", "answer", "q2", "answer", "q3")
    assert caches.cached_share(third) == 0.0
    await caches.send(third, Completion(prompt_tokens=3_000, cached_tokens=2_000))
    assert caches.cached_share(third) == pytest.approx(1.0, abs=0.01)


async def test_a_failed_call_holds_nothing_new(caches: Caches) -> None:
    prepared = caches.prepared("s", "q1")
    use = await caches.caches.begin(STATE, prepared, PLAIN)
    use.end(None)
    assert caches.cached_share(prepared) == 0.0


async def test_a_conversation_keeps_its_slot_while_others_share_the_other_one(
    caches: Caches,
) -> None:
    provider = Provider()
    own = await caches.send(caches.prepared("s", "q1"), provider=provider, calls=1)
    for number in range(3):
        chore = caches.prepared(f"title {number}", "q", chore="title")
        assert await caches.send(chore, provider=provider) == 1 - (own or 0)
    again = caches.prepared("s", "q1", "answer", "q2")
    assert await caches.send(again, provider=provider) == own
    assert caches.cached_share(again) > 0.9


async def test_a_summary_of_a_session_in_a_turn_takes_the_sessions_slot(caches: Caches) -> None:
    provider = Provider()
    own = await caches.send(caches.prepared("s", "q1"), provider=provider, calls=1)
    summary = caches.prepared("s", "q1", "answer", "sum it up", chore="summary", chore_joins=True)
    assert await caches.send(summary, provider=provider) == own


async def test_a_title_with_its_sessions_id_leaves_the_sessions_slot(caches: Caches) -> None:
    provider = Provider()
    named = {"session": "a", "affinity": "a"}
    own = await caches.send(caches.prepared("s", "q1", **named), provider=provider)
    title = caches.prepared("s", "title", session="a", chore="title")
    assert await caches.send(title, provider=provider) == 1 - (own or 0)
    again = caches.prepared("s", "q1", "answer", "q2", **named)
    assert await caches.send(again, provider=provider) == own


async def test_a_summary_leaves_the_conversation_its_slot(caches: Caches) -> None:
    provider = Provider()
    own = await caches.send(caches.prepared("s", "q1"), provider=provider)
    summary = caches.prepared("s", "q1", "answer", "sum it up", chore="compaction")
    assert await caches.send(summary, provider=provider) == own
    for name in ("t", "u"):
        chore = caches.prepared(name, "q", chore="title")
        assert await caches.send(chore, provider=provider) == 1 - (own or 0)
    again = caches.prepared("s", "q1", "answer", "q2")
    assert await caches.send(again, provider=provider) == own


async def test_a_slot_is_busy_until_its_call_has_ended(caches: Caches) -> None:
    provider: Any = Provider()
    prepared = caches.prepared("s", "q1")
    uses = [await caches.caches.begin(STATE, prepared, provider) for _ in range(2)]
    assert [use.slot for use in uses] == [0, 1]
    later = [
        asyncio.create_task(caches.caches.begin(STATE, each, provider))
        for each in (prepared, prepare_task(Task(text="x")), prepared)
    ]
    await asyncio.sleep(0)
    later[0].cancel()  # its client has gone
    await asyncio.wait(later, timeout=0.01)
    assert [each.done() for each in later] == [True, False, False]
    for number, use in zip((1, 2), reversed(uses), strict=True):
        use.end(None)
        assert (await later[number]).slot == use.slot


async def test_a_call_that_broke_off_leaves_the_conversation_its_slot(caches: Caches) -> None:
    provider: Any = Provider()
    await caches.send(caches.prepared("t", "q"), provider=provider)
    own = await caches.send(caches.prepared("s", "q1"), provider=provider)
    again = caches.prepared("s", "q1", "answer", "q2")
    use = await caches.caches.begin(STATE, again, provider)
    use.end(None)
    assert (use.slot, await caches.send(again, provider=provider)) == (own, own)


@pytest.mark.parametrize(
    ("provider", "state"),
    [(PLAIN, STATE), (Provider(), STATE._replace(slots=1))],
)
async def test_no_slot_is_named_where_the_server_chooses(
    caches: Caches, provider: Any, state: ModelState
) -> None:
    assert await caches.send(caches.prepared("s", "q"), provider=provider, state=state) is None


async def test_a_raw_prompt_takes_a_slot_whose_content_is_then_unknown(caches: Caches) -> None:
    provider: Any = Provider(1)
    await caches.send(caches.prepared("s", "q1"), provider=provider)
    use = await caches.caches.begin(STATE, prepare_task(Task(text="x")), provider)
    use.end(SentPrompt(Completion()))
    assert use.slot == 0


async def test_the_address_that_has_the_prompt_is_preferred(caches: Caches) -> None:
    one, two = Completion(address="http://one"), Completion(address="http://two")
    await caches.send(caches.prepared("s", "q1"), one)
    await caches.send(caches.prepared("t", "q1"), two)
    uses = [
        await caches.caches.begin(STATE, caches.prepared(name, "q1", "answer", "q2"), PLAIN)
        for name in ("s", "t", "u")
    ]
    assert [use.address for use in uses] == ["http://one", "http://two", ""]


async def test_clients_do_not_see_what_others_asked(caches: Caches) -> None:
    await caches.send(caches.prepared("s", "q1", client="one"))
    assert caches.cached_share(caches.prepared("s", "q1", client="two")) == 0.0


async def test_no_more_than_some_servers_are_remembered(caches: Caches) -> None:
    prepared = caches.prepared("s", "q1")
    for number in range(MAX_ADDRESSES + 5):
        await caches.send(prepared, Completion(address=f"http://{number}"))
    for number in range(MAX_MODELS + 5):
        state = STATE._replace(spec=ModelSpec(id=str(number), provider="p"))
        await caches.send(prepared, state=state)
    names = caches.caches._servers.keys()
    assert len(names) == MAX_MODELS
    assert ModelKey("p", str(MAX_MODELS + 4)) in names
    assert KEY not in names
