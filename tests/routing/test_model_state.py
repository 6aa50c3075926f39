"""How much context a task takes, and with how much a model is asked: max_tokens is a cap, never a
reservation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.config.spec import ModelSpec
from orch.execution.request import MIN_ANSWER_TOKENS, Prompt, build_chat_request
from orch.providers.chat import ChatRequest
from orch.routing.model_state import (
    ModelState,
    answer_room,
    choose_num_ctx,
    required_context,
    required_memory,
)
from orch.routing.policy import Policy
from orch.routing.ranking import eliminate
from orch.text.prompt import Task
from orch.types import Need
from tests.support.scoring import state

ANY = Policy({}, {})
MOST_TOKENS = st.none() | st.integers(1, 1_000_000)
WINDOWS = st.integers(256, 262_144)
untimed = settings(deadline=None)


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


def test_memory_is_weights_and_cache_or_what_was_rated_where_that_is_more() -> None:
    cached = state("a", size_bytes=5 * 10**9, kv_bytes_per_token=100_000)
    assert required_memory(cached, 10_000) == 6 * 10**9
    assert (
        required_memory(cached._replace(spec=replace(cached.spec, memory_gb=7.0)), 10_000)
        == 7 * 10**9
    )
    assert required_memory(state("a", size_bytes=5 * 10**9), 10_000) == int(5.5 * 10**9)
