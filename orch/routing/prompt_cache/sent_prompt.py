"""What became of a prompt that was sent: how much of it the server read, and what it holds now
(pure)."""

from __future__ import annotations

from typing import NamedTuple

from orch.providers.chat import Completion
from orch.routing.model_state import ModelState
from orch.routing.prompt_cache.held_prompts import HeldPrompt, NewPrompt
from orch.text.prompt_chain import answer_hash


class SentPrompt(NamedTuple):
    """The end of its answer, the seconds of the load before it, the answer's text and how many
    tools it called."""

    completion: Completion
    load_s: float = 0.0
    text: str = ""
    calls: int = 0
    is_changed: bool = False
    """Whether the last message was sent otherwise than the next prompt will repeat it, such as with
    what memory found."""
    has_thought: bool = False
    """Whether the server has thoughts before the answer, which templates leave out afterwards."""

    def read_share(self, state: ModelState) -> float | None:
        """The share of the prompt that the server read, 0 to 1: as it says, else by the seconds
        that took at the model's measured speed; None if neither is known."""
        tokens, cached = self.completion.prompt_tokens, self.completion.cached_tokens
        if not tokens:
            return None
        if cached is not None:
            return 1.0 - cached / tokens
        speed = state.measured.prefill_tps if state.measured else None
        if self.completion.prefill_s is None or speed is None:
            return None
        return min(self.completion.prefill_s * speed / tokens, 1.0)

    def held_prompt(self, new: NewPrompt, slot: int | None, now: float) -> HeldPrompt:
        """What the server holds behind it."""
        is_gone = self.is_changed or self.has_thought
        return HeldPrompt(
            chain=new.chain.without_last() if self.is_changed else new.chain,
            used_at=now,
            answer=0 if is_gone else answer_hash(self.text, self.calls),
            session=new.session,
            slot=slot,
            is_chore=new.is_chore,
            is_in_turn=self.calls > 0,
        )
