"""The prompts that one server is expected to hold, by what was sent to it and what it said of that:
a server that read again what it should have held has dropped it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from orch.routing.prompt_cache.slots import IdleSlot, Worth
from orch.text.prompt_chain import PromptChain, common_links, repeated_answer
from orch.types import Message

MAX_HELD, MAX_LINKS = 64, 50_000
"""Prompts remembered of one server, those sent last, and the links of their chains together, which
take 800 kB."""
TURN_S = 600.0
"""For how long a conversation that waits for a tool counts as in progress."""
REST_S = 1_800.0
"""After how long without a question a conversation is expected not to go on."""
MIN_LEARNED_BYTES = 500
"""What a server has to hold of a prompt so that its report says something: all prompts begin
alike."""


class NewPrompt(NamedTuple):
    """A prompt that is about to be sent. `session` is the conversation, empty without one."""

    chain: PromptChain
    messages: Sequence[Message]
    session: str = ""
    is_chore: bool = False


class HeldPrompt(NamedTuple):
    """A prompt that a server has read. `answer` is the hash of what it answered, 0 if the next
    prompt does not repeat that as it stands in the cache."""

    chain: PromptChain
    used_at: float
    answer: int = 0
    session: str = ""
    slot: int | None = None
    is_chore: bool = False
    is_in_turn: bool = False
    """Whether the answer ended with tool calls."""

    def worth(self, now: float) -> Worth:
        """What is lost with it."""
        idle_s = now - self.used_at
        if self.is_chore or idle_s > REST_S:
            return Worth.NOTHING
        if self.is_in_turn and idle_s < TURN_S:
            return Worth.TURN
        # a system prompt and a question: nothing was answered before
        is_question = len(self.chain.hashes) <= 3
        return Worth.QUESTION if is_question else Worth.CONVERSATION


class Match(NamedTuple):
    """What a held prompt has in common with a new one. `place` counts the prompts that were sent
    after it."""

    held: HeldPrompt
    place: int
    shared: int
    """Of the new prompt, in bytes, as its `total`."""
    total: int
    continues: bool
    """Whether the new prompt goes on with the held one, or is another form of its end."""


class HeldPrompts:
    """What one server holds, newest first. `slots` is how many prompts it answers at once: so many
    it holds at least. Belongs to one event loop; other threads may look prompts up."""

    def __init__(self, slots: int = 1) -> None:
        self.prompts: tuple[HeldPrompt, ...] = ()
        self.depth = slots
        """How many of the newest it holds, as far as is known."""
        self.busy: set[int] = set()
        """The slots that answer now, where requests name them."""
        self._freed: asyncio.Event | None = None

    def matches(self, new: NewPrompt) -> list[Match]:
        """The held prompts that begin with the same tools and the same first message."""
        first = new.chain.hashes[1]
        return [
            _match(each, place, new)
            for place, each in enumerate(self.prompts)
            if each.chain.hashes[1] == first
        ]

    def best(self, new: NewPrompt, *, trusted: bool) -> Match | None:
        """The held prompt that has the most in common with a new one; with `trusted` only of those
        that the server surely holds."""
        found = self.matches(new)
        if trusted:
            found = [each for each in found if self.is_trusted(each)]
        return max(found, key=lambda each: each.shared, default=None)

    def is_trusted(self, match: Match) -> bool:
        """Whether the server is expected to hold that prompt still."""
        return self.depth > 0 and (match.held.slot is not None or match.place < self.depth)

    def idle_slots(
        self, new: NewPrompt | None, numbers: Iterable[int], now: float
    ) -> list[IdleSlot]:
        """Those of the slots that answer nothing, each with what is in it."""
        held = {each.slot: each for each in self.prompts if each.slot is not None}
        found = {each.held.slot: each for each in self.matches(new)} if new else {}
        return [
            _idle_slot(number, held, found.get(number), now)
            for number in numbers
            if number not in self.busy
        ]

    # ---------------------------------------------------------------- changes

    def add(self, new: HeldPrompt, replaced: HeldPrompt | None) -> None:
        """Puts a prompt first, in place of the one that it continues. What was in its slot has left
        that, and may be held elsewhere."""
        kept, links = [new], len(new.chain.hashes)
        for each in self.prompts:
            links += len(each.chain.hashes)
            if len(kept) == MAX_HELD or links > MAX_LINKS:
                break
            if each is not replaced:
                is_out = each.slot is not None and each.slot == new.slot
                kept.append(each._replace(slot=None) if is_out else each)
        self.prompts = tuple(kept)

    async def wait_for_end(self) -> None:
        """Waits until a slot is free again."""
        freed = self._freed = self._freed or asyncio.Event()
        await freed.wait()

    def free(self, slot: int) -> None:
        """Notes that a slot answers nothing any more."""
        self.busy.discard(slot)
        freed, self._freed = self._freed, None
        if freed is not None:
            freed.set()

    def empty(self, slot: int) -> None:
        """Notes that nobody knows what a slot holds."""
        self.prompts = tuple(
            each._replace(slot=None) if each.slot == slot else each for each in self.prompts
        )

    def clear(self) -> None:
        """Forgets all prompts: the model was loaded anew."""
        self.prompts = ()

    def learn(self, match: Match, read_share: float | None) -> None:
        """Takes over the share of a prompt that the server read, 0 to 1 or unknown, of which it was
        thought to hold that. What it read again it has dropped, and whatever it was sent before."""
        if read_share is None or match.shared < MIN_LEARNED_BYTES:
            return
        if read_share * match.total <= match.total - match.shared / 2:
            self.depth = max(self.depth, match.place + 1)
        elif match.continues:  # another conversation may have read its beginning in another slot
            self.depth = min(self.depth, match.place)
            self.prompts = tuple(each for each in self.prompts if each is not match.held)


def _match(held: HeldPrompt, place: int, new: NewPrompt) -> Match:
    links = common_links(held.chain, new.chain)
    sizes, is_whole = new.chain.sizes, links == len(held.chain.hashes)
    shared = sizes[links - 1]
    if is_whole and held.answer and held.answer == repeated_answer(new.messages, links - 1):
        shared = sizes[links]
    # a session that asks again in other words, or whose client cut an old result short
    is_edited = bool(held.session) and held.session == new.session
    continues = is_whole or (is_edited and shared * 2 >= held.chain.size)
    return Match(held, place, shared, new.chain.size, continues)


def _idle_slot(
    number: int, held: Mapping[int, HeldPrompt], match: Match | None, now: float
) -> IdleSlot:
    prompt = held.get(number)
    if prompt is None:
        return IdleSlot(number)
    idle = IdleSlot(number, prompt.worth(now), size=prompt.chain.size, used_at=prompt.used_at)
    return idle if match is None else idle._replace(continues=match.continues, shared=match.shared)
