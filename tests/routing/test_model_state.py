"""The memory that a model needs, and the context that fits in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.config.spec import ModelSpec
from orch.routing.model_state import ModelState, required_memory
from tests.support.scoring import state
from tests.support.untimed import untimed


def _model(**known: Any) -> ModelState:
    """An installed model of which that is known."""
    return ModelState(ModelSpec(id="m"), context_window=32_768, **known)


SLIDING = _model(kv_bytes_per_token=10, kv_window_bytes=30, kv_window_tokens=2_000)


@pytest.mark.parametrize(
    ("state", "budget", "tokens"),
    [
        (_model(size_bytes=5 * 10**9, kv_bytes_per_token=100_000), 6 * 10**9, 10_000),
        (_model(size_bytes=5 * 10**9, kv_bytes_per_token=100_000), 4 * 10**9, 0),
        (_model(size_bytes=5 * 10**9, kv_bytes_per_token=100_000), None, None),
        (_model(size_bytes=5 * 10**9), 6 * 10**9, None),
        (SLIDING._replace(size_bytes=0), 2_000 * 40, 2_000),
        (SLIDING._replace(size_bytes=0), 2_000 * 40 + 1_000 * 10, 3_000),
        (_model(size_bytes=5, kv_bytes_per_token=1, local=False), 10**9, None),
    ],
)
def test_the_context_that_fits_in_memory_is_what_the_weights_leave(
    state: ModelState, budget: int | None, tokens: int | None
) -> None:
    assert state.within(budget).memory_ctx == tokens


def test_memory_is_weights_and_cache_or_what_was_rated_where_that_is_more() -> None:
    cached = state("a", size_bytes=5 * 10**9, kv_bytes_per_token=100_000)
    assert required_memory(cached, 10_000) == 6 * 10**9
    assert (
        required_memory(cached._replace(spec=replace(cached.spec, memory_gb=7.0)), 10_000)
        == 7 * 10**9
    )
    assert required_memory(state("a", size_bytes=5 * 10**9), 10_000) == int(5.5 * 10**9)


def test_layers_with_a_sliding_window_take_no_more_memory_beyond_it() -> None:
    sizes = [required_memory(SLIDING, num_ctx) for num_ctx in (1_000, 2_000, 4_000)]
    assert sizes == [40_000, 80_000, 100_000]


@untimed
@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 50), st.integers(0, 5_000))
def test_the_context_that_fits_in_memory_fits_and_one_token_more_does_not(
    budget: int, per_token: int, in_window: int, window: int
) -> None:
    state = SLIDING._replace(
        kv_bytes_per_token=per_token, kv_window_bytes=in_window, kv_window_tokens=window
    )
    longest = state.within(budget).memory_ctx
    assert longest is not None
    assert required_memory(state, longest) <= budget < required_memory(state, longest + 1)
