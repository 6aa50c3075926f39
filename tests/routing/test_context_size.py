"""How much context a task takes, and with how much a model is asked: max_tokens is a cap, never a
reservation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.config.spec import ModelSpec
from orch.execution.request import Prompt, build_chat_request
from orch.providers.chat import ChatRequest
from orch.routing.context_size import (
    MIN_ANSWER_TOKENS,
    answer_room,
    choose_num_ctx,
    free_context,
    padded_tokens,
    required_context,
    wished_room,
)
from orch.routing.model_state import ModelState
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import eliminate
from orch.text.prompt import Task
from orch.types import Need
from tests.support.untimed import untimed

ANY = Policy({}, {})
MOST_TOKENS = st.none() | st.integers(1, 1_000_000)
WINDOWS = st.integers(256, 262_144)


def model(
    window: int = 32_768, *, num_ctx: int | None = None, max_tokens: int | None = None, **more: Any
) -> ModelState:
    """An installed model of that window; `num_ctx` and `max_tokens` are what models.yaml says."""
    return ModelState(
        ModelSpec(id="m", num_ctx=num_ctx, max_tokens=max_tokens), context_window=window, **more
    )


def asked(state: ModelState, need: Need, shown: str = "") -> ChatRequest:
    """What the model is asked for such a need."""
    options = {"max_tokens": need.max_tokens} if need.max_tokens else {}
    return build_chat_request(
        Task(text="hi", options=options),
        Prompt([{"role": "user", "content": "hi"}], partial=shown),
        need,
        state,
    )


@pytest.mark.parametrize(
    ("max_tokens", "num_ctx", "room"),
    [
        (None, 8_192, 2_048),
        (None, 4_096, 1_024),
        (None, 131_072, 2_048),
        (100, 8_192, 100),
        (32_000, 8_192, 2_048),
        (32_000, 1_024, 256),
    ],
)
def test_the_room_kept_for_an_answer_is_the_least_of_the_cap_2048_and_a_quarter(
    max_tokens: int | None, num_ctx: int, room: int
) -> None:
    assert answer_room(Need(10, max_tokens), num_ctx) == room


@pytest.mark.parametrize(
    ("prompt", "num_ctx"),
    [
        (300, 8_192),
        (6_144, 8_192),
        (6_145, 16_384),
        (14_336, 16_384),
        (14_337, 32_768),
        (30_720, 32_768),
        (31_000, 32_768),
    ],
)
def test_the_context_grows_to_the_next_power_of_two_that_holds_prompt_and_answer(
    prompt: int, num_ctx: int
) -> None:
    assert choose_num_ctx(model(), Need(prompt)) == num_ctx


def test_the_room_that_is_kept_grows_with_the_context_that_is_considered() -> None:
    assert choose_num_ctx(model(num_ctx=1_024), Need(1_700)) == 4_096
    assert choose_num_ctx(model(num_ctx=1_024), Need(1_500)) == 2_048


@untimed
@given(WINDOWS, st.none() | st.integers(256, 65_536), MOST_TOKENS, st.floats(0, 1), st.booleans())
def test_a_small_prompt_fits_whatever_length_of_answer_is_allowed(
    window: int, num_ctx: int | None, max_tokens: int | None, share: float, fixed_ctx: bool
) -> None:
    state = model(window, num_ctx=num_ctx, fixed_ctx=fixed_ctx)
    need = Need(int(share * min(window, state.default_ctx) * 3 / 4), max_tokens)
    assert eliminate(state, need, ANY, choose_num_ctx(state, need)) is None


@untimed
@given(
    WINDOWS,
    st.none() | st.integers(256, 65_536),
    MOST_TOKENS,
    MOST_TOKENS,
    st.integers(0, 300_000),
    st.booleans(),
)
def test_prompt_and_answer_never_take_more_than_the_context_that_is_asked_for(
    window: int,
    num_ctx: int | None,
    max_tokens: int | None,
    rated: int | None,
    prompt: int,
    fixed_ctx: bool,
) -> None:
    state, need = (
        model(window, num_ctx=num_ctx, max_tokens=rated, fixed_ctx=fixed_ctx),
        Need(prompt, max_tokens),
    )
    request, context = asked(state, need), choose_num_ctx(state, need)
    if eliminate(state, need, ANY, context) is None:
        assert required_context(state, need, context) <= context <= window
        assert request.num_ctx == (None if fixed_ctx else context)
        assert prompt + (request.max_tokens or 0) <= context
        assert request.max_tokens is None or request.max_tokens >= min(
            MIN_ANSWER_TOKENS, max_tokens or rated or MIN_ANSWER_TOKENS
        )


@untimed
@given(WINDOWS, MOST_TOKENS, st.integers(0, 100_000))
def test_a_greater_cap_never_rules_a_model_out_that_could_answer_without_one(
    window: int, max_tokens: int | None, prompt: int
) -> None:
    state = model(window)
    if eliminate(state, Need(prompt), ANY, 0) is None:
        assert eliminate(state, Need(prompt, max_tokens), ANY, 0) is None


def test_a_prompt_that_nearly_fills_the_window_still_gets_half_of_the_promised_room() -> None:
    assert asked(model(), Need(30_000)).max_tokens == 1_024


def test_text_to_go_on_from_counts_as_prompt() -> None:
    assert asked(model(), Need(10), shown="word " * 8_000).num_ctx == 16_384


# ---------------------------------------------------------------- with how much a model is asked


def loaded(resident_ctx: int, window: int = 32_768, **more: Any) -> ModelState:
    """A model that is loaded with that context."""
    return model(window, resident=True, resident_ctx=resident_ctx, **more)


@pytest.mark.parametrize(
    ("state", "prompt", "num_ctx"),
    [
        (loaded(4_096), 300, 4_096),
        (loaded(16_384), 300, 16_384),
        (loaded(4_096, num_ctx=2_048), 300, 4_096),
        (loaded(4_096), 4_000, 8_192),
        (loaded(4_096), 7_000, 16_384),
        (loaded(16_384, num_ctx=2_048), 16_000, 32_768),
        (loaded(4_096, num_ctx=6_000), 4_000, 6_000),
        (loaded(16_384, 12_000), 300, 12_000),
    ],
)
def test_what_is_loaded_is_used_as_it_is_where_it_holds_the_task(
    state: ModelState, prompt: int, num_ctx: int
) -> None:
    assert choose_num_ctx(state, Need(prompt)) == num_ctx


@pytest.mark.parametrize(
    ("state", "num_ctx"),
    [
        (model(), 8_192),
        (model(4_096), 4_096),
        (model(modelfile_ctx=32_768), 32_768),
        (model(modelfile_ctx=512), 512),
        (model(num_ctx=2_048, modelfile_ctx=32_768), 2_048),
        (model(16_384, modelfile_ctx=32_768), 16_384),
    ],
)
def test_a_model_that_is_not_loaded_is_loaded_as_models_yaml_says_else_its_modelfile_else_with_8192(
    state: ModelState, num_ctx: int
) -> None:
    assert choose_num_ctx(state, Need(100)) == num_ctx


@pytest.mark.parametrize(
    ("state", "wish", "num_ctx"),
    [
        (loaded(8_192), 3_000, 8_192),
        (loaded(8_192), 8_192, 8_192),
        (loaded(4_096), 6_000, 8_192),
        (loaded(8_192), 9_145, 16_384),
        (model(), 6_000, 6_000),
        (model(), 512, 512),
        (model(), 9_145, 9_145),
        (model(), 50_000, 32_768),
        (loaded(8_192), 50_000, 32_768),
    ],
)
def test_a_context_that_the_caller_asks_for_is_a_minimum(
    state: ModelState, wish: int, num_ctx: int
) -> None:
    assert choose_num_ctx(state, Need(100, num_ctx=wish)) == num_ctx


@untimed
@given(
    st.integers(256, 65_536), WINDOWS, st.integers(1, 100_000), MOST_TOKENS, st.integers(0, 100_000)
)
def test_a_wish_for_less_than_is_loaded_never_reloads(
    resident: int, window: int, wish: int, max_tokens: int | None, prompt: int
) -> None:
    state = loaded(resident, max(window, resident))
    as_loaded = choose_num_ctx(state, Need(prompt, max_tokens)) == resident
    assert (choose_num_ctx(state, Need(prompt, max_tokens, num_ctx=wish)) == resident) == (
        as_loaded and min(wish, state.context_window) <= resident
    )


@untimed
@given(
    st.none() | st.integers(256, 65_536), WINDOWS, st.integers(1, 100_000), st.integers(0, 100_000)
)
def test_nobody_gets_less_context_than_was_asked_for(
    resident: int | None, window: int, wish: int, prompt: int
) -> None:
    state = model(window, resident=resident is not None, resident_ctx=resident)
    assert min(wish, window) <= choose_num_ctx(state, Need(prompt, num_ctx=wish)) <= window


# ---------------------------------------------------------------- room that an answer would like

THINKS = frozenset({"completion", "thinking", "tools"})


def agents(prompt: int, max_tokens: int | None = None, *, begins: bool = False) -> Need:
    """The need of a request with tools."""
    return Need(prompt, max_tokens, frozenset({"completion", "tools"}), begins=begins)


@pytest.mark.parametrize(
    ("state", "need", "room"),
    [
        (model(), Need(10), 0),
        (model(), agents(10), 8_192),
        (model(), agents(10, 32_000), 8_192),
        (model(), agents(10, 4_000), 4_000),
        (model(), agents(10, 2_000), 0),
        (model(max_tokens=4_096), agents(10), 4_096),
        (model(16_384), agents(10), 4_096),
        (model(4_096), agents(10), 0),
        (model(capabilities=THINKS), Need(10), 6_144),
        (model(capabilities=THINKS, modelfile_ctx=4_096), Need(10), 3_072),
        (model(65_536, capabilities=THINKS, num_ctx=32_768), Need(10), 8_192),
        (model(), agents(10)._replace(num_ctx=8_192), 0),
    ],
)
def test_agents_and_models_that_think_would_like_more_room(
    state: ModelState, need: Need, room: int
) -> None:
    assert wished_room(state, need) == room


@pytest.mark.parametrize(
    ("state", "need", "num_ctx"),
    [
        (model(131_072), agents(14_000), 32_768),
        (model(131_072), agents(300), 16_384),
        (model(131_072), agents(300, 1_000), 8_192),
        (model(20_000), agents(14_000), 20_000),
        (model(131_072, memory_ctx=30_000), agents(14_000), 16_384),
        (model(131_072, memory_ctx=70_000), agents(30_000), 65_536),
        (model(131_072, memory_ctx=0), agents(14_000), 16_384),
        (model(131_072, capabilities=THINKS), Need(1_000), 8_192),
        (model(131_072, capabilities=THINKS), Need(4_000), 16_384),
        (model(131_072, capabilities=THINKS, modelfile_ctx=4_096), Need(500), 4_096),
    ],
)
def test_a_model_is_loaded_with_the_wished_room_where_window_and_memory_allow_it(
    state: ModelState, need: Need, num_ctx: int
) -> None:
    assert choose_num_ctx(state, need) == num_ctx


@pytest.mark.parametrize(
    ("resident", "need", "num_ctx"),
    [
        (16_384, agents(10_000), 16_384),
        (16_384, agents(14_000), 32_768),
        (16_384, agents(10_000, begins=True), 32_768),
        (32_768, agents(14_000, begins=True), 32_768),
        (65_536, agents(300, begins=True), 65_536),
        (4_096, Need(300, begins=True), 4_096),
    ],
)
def test_a_loaded_model_is_reloaded_for_the_wish_at_the_first_question_or_for_want_of_room(
    resident: int, need: Need, num_ctx: int
) -> None:
    assert choose_num_ctx(loaded(resident, 131_072), need) == num_ctx


def test_a_chat_with_a_model_that_thinks_keeps_what_another_client_has_loaded() -> None:
    state = loaded(4_096, capabilities=THINKS)
    assert choose_num_ctx(state, Need(300, begins=True)) == 4_096
    assert choose_num_ctx(state, Need(2_900, begins=True)) == 16_384


def test_an_agent_that_asks_for_32000_tokens_gets_more_than_8192_of_them() -> None:
    request = asked(model(131_072), agents(14_000, 32_000, begins=True))
    assert (request.num_ctx, request.max_tokens) == (32_768, 32_768 - 16_800 - MIN_ANSWER_TOKENS)


STATES = st.builds(
    lambda window, memory, resident, think: model(
        window,
        memory_ctx=memory,
        resident=resident is not None,
        resident_ctx=min(resident, window) if resident else None,
        capabilities=THINKS if think else None,
    ),
    WINDOWS,
    st.none() | st.integers(0, 300_000),
    st.none() | st.integers(256, 262_144),
    st.booleans(),
)
AGENTS = st.builds(
    lambda prompt, most, begins: agents(prompt, most, begins=begins),
    st.integers(0, 300_000),
    MOST_TOKENS,
    st.booleans(),
)


@untimed
@given(STATES, AGENTS)
def test_the_wish_never_leaves_the_window_nor_the_memory_and_never_rules_a_model_out(
    state: ModelState, need: Need
) -> None:
    plain = need._replace(capabilities=frozenset({"completion"}))
    chosen = choose_num_ctx(state, need)
    needed = choose_num_ctx(state._replace(capabilities=None), plain)
    assert needed <= chosen <= state.context_window
    if chosen > needed:
        assert chosen <= (state.memory_ctx or chosen)
    assert (eliminate(state, need, ANY, chosen) is None) == (
        eliminate(state, plain, ANY, needed) is None
    )


@untimed
@given(STATES, AGENTS, st.integers(0, 300_000))
def test_a_longer_prompt_never_gets_a_smaller_context(
    state: ModelState, need: Need, more: int
) -> None:
    longer = need._replace(prompt_tokens=need.prompt_tokens + more)
    assert choose_num_ctx(state, need) <= choose_num_ctx(state, longer)


@untimed
@given(STATES, AGENTS)
def test_contexts_are_powers_of_two_so_that_the_turns_of_a_session_agree(
    state: ModelState, need: Need
) -> None:
    chosen = choose_num_ctx(state, need)
    own = {state.resident_ctx, state.default_ctx, state.context_window}
    assert chosen in own or chosen.bit_count() == 1


@untimed
@given(STATES, AGENTS | st.builds(Need, st.integers(0, 300_000), MOST_TOKENS))
def test_what_memory_recalls_fits_without_another_context(state: ModelState, need: Need) -> None:
    free = free_context(state, need)
    longer = need._replace(prompt_tokens=need.prompt_tokens + max(free, 0))
    assert choose_num_ctx(state, longer) == choose_num_ctx(state, need)


def test_a_loaded_context_that_holds_the_wished_room_is_not_grown_to_a_power_of_two() -> None:
    loaded = model(16_388, resident=True, resident_ctx=16_387)
    assert choose_num_ctx(loaded, agents(10_227, begins=True)) == 16_387


@untimed
@given(WINDOWS, st.lists(st.integers(1, 4_000), min_size=2, max_size=60), MOST_TOKENS)
def test_a_session_that_grows_reloads_only_for_want_of_room(
    window: int, turns: list[int], most: int | None
) -> None:
    state, prompt, reloads = model(window), 0, 0
    for at, more in enumerate(turns):
        prompt += more
        need = agents(prompt, most, begins=at == 0)
        chosen = choose_num_ctx(state, need)
        if state.resident_ctx and chosen != state.resident_ctx:
            reloads += 1
            assert chosen > state.resident_ctx
            left = state.resident_ctx - padded_tokens(state, need) - MIN_ANSWER_TOKENS
            assert left < answer_room(need, state.resident_ctx)
        state = state._replace(resident=True, resident_ctx=chosen)
    assert reloads <= 6  # 8,192 is doubled five times up to the longest window
