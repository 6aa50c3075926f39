"""How much of a prompt was read, and what is held of it afterwards."""

from __future__ import annotations

import pytest

from orch.config.spec import ModelSpec
from orch.providers.chat import Completion
from orch.routing.model_state import ModelState
from orch.routing.prompt_cache.held_prompts import NewPrompt
from orch.routing.prompt_cache.sent_prompt import SentPrompt
from orch.text.prompt import Task, prepare_task
from orch.text.prompt_chain import answer_hash, prompt_chain
from orch.types import SpeedStats

STATE = ModelState(ModelSpec(id="a"))
MEASURED = STATE._replace(measured=SpeedStats(3, 0.0, prefill_tps=100.0))


@pytest.mark.parametrize(
    ("completion", "state", "share"),
    [
        (Completion(prompt_tokens=1_000, cached_tokens=900), STATE, 0.1),
        (Completion(prompt_tokens=1_000, cached_tokens=0, prefill_s=0.1), MEASURED, 1.0),
        # Ollama counts the cached tokens and the seconds of the others
        (Completion(prompt_tokens=1_000, prefill_s=2.5), MEASURED, 0.25),
        (Completion(prompt_tokens=1_000, prefill_s=60.0), MEASURED, 1.0),
        (Completion(prompt_tokens=1_000, prefill_s=2.5), STATE, None),
        (Completion(prompt_tokens=1_000), MEASURED, None),
        (Completion(prompt_tokens=0, cached_tokens=0), MEASURED, None),
        (Completion(), MEASURED, None),
    ],
)
def test_the_share_of_a_prompt_that_was_read(
    completion: Completion, state: ModelState, share: float | None
) -> None:
    assert SentPrompt(completion).read_share(state) == pytest.approx(share)


def new_prompt() -> NewPrompt:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    chain = prompt_chain(prepare_task(Task(text="", messages=tuple(messages))))
    assert chain is not None
    return NewPrompt(chain, messages, "session", is_chore=True)


def test_a_prompt_is_held_with_its_answer() -> None:
    new = new_prompt()
    held = SentPrompt(Completion(), text="yes", calls=1).held_prompt(new, 2, 7.0)
    assert (held.chain, held.answer) == (new.chain, answer_hash("yes", 1))
    assert (held.session, held.slot, held.used_at) == ("session", 2, 7.0)
    assert (held.is_chore, held.is_in_turn) == (True, True)


def test_what_the_next_prompt_does_not_repeat_is_not_held() -> None:
    new = new_prompt()
    changed = SentPrompt(Completion(), text="yes", is_changed=True).held_prompt(new, None, 0.0)
    assert (changed.chain, changed.answer) == (new.chain.without_last(), 0)
    thought = SentPrompt(Completion(), text="yes", has_thought=True).held_prompt(new, None, 0.0)
    assert (thought.chain, thought.answer) == (new.chain, 0)
