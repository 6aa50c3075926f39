"""The plan of a speed bench: which models, which cells in which order, which prompts."""

from __future__ import annotations

import pytest

from orch.bench.speed_plan import (
    COLD,
    TOGETHER,
    TOO_LONG,
    WARM,
    bench_num_ctx,
    choose_models,
    make_prompt,
    plan_cells,
    prompt_tokens,
    remaining_cells,
)
from orch.config.spec import ModelSpec
from orch.errors import OrchError
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.types import Elimination
from tests.support.bench_samples import ONE, TWO, row


def test_a_round_goes_through_every_model_and_each_ones_load_comes_first() -> None:
    cells = plan_cells([ONE, TWO], ["short", "1k"], 2, [1, 2])
    turn = [(COLD, "short", 1), (WARM, "short", 1), (WARM, "1k", 1), (TOGETHER, "short", 2)]
    assert [(cell.round, cell.model) for cell in cells] == [
        (number, model) for number in (1, 2) for model in (ONE, TWO) for _ in turn
    ]
    assert [(cell.kind, cell.size, cell.concurrency) for cell in cells] == turn * 4


def test_a_provider_that_cannot_unload_has_no_cold_cells() -> None:
    assert [cell.kind for cell in plan_cells([ONE], ["short"], 2, [1], frozenset({ONE}))] == [
        WARM,
        WARM,
    ]


def test_a_failed_model_is_skipped_until_the_next_round() -> None:
    cells = plan_cells([ONE, TWO], ["short"], 2, [1])
    rows = [row(cells[0], error="status 500")]
    assert remaining_cells(cells, rows) == [
        cell for cell in cells if (cell.round, cell.model) != (1, ONE)
    ]


def test_a_size_that_does_not_fit_is_not_a_failure_of_the_model() -> None:
    cells = plan_cells([ONE], ["4k", "short"], 1, [1])
    assert remaining_cells(cells, [row(cells[0]), row(cells[1], error=TOO_LONG)]) == cells[2:]


@pytest.mark.parametrize("size", ["short", "1k", "4k"])
def test_no_two_prompts_begin_alike_and_their_length_is_about_what_was_asked(size: str) -> None:
    first, second = make_prompt(size, "4f0c2a9be1d77a35"), make_prompt(size, "a1d77a354f0c2a9b")
    assert first[:8] != second[:8]
    assert first[20:60] != second[20:60]
    assert prompt_tokens(size) * 0.5 <= len(first.split()) <= prompt_tokens(size)


@pytest.mark.parametrize(
    ("sizes", "window", "loaded", "num_ctx"),
    [
        (["short", "4k"], 32_768, None, 8192),
        (["4k", "16k"], 32_768, None, 32_768),
        (["short", "4k"], 2048, None, 2048),
        (["short"], 32_768, 16_384, 8192),
    ],
)
def test_one_context_serves_all_sizes_whatever_happens_to_be_loaded(
    sizes: list[str], window: int, loaded: int | None, num_ctx: int
) -> None:
    state = ModelState(
        ModelSpec(id="m"), resident=loaded is not None, resident_ctx=loaded, context_window=window
    )
    assert bench_num_ctx(state, sizes) == num_ctx


def survey(*states: ModelState) -> Inventory:
    """What is there, with 8 GB for models."""
    return Inventory(states, {}, 8_000_000_000)


def test_embedders_large_models_and_the_last_resort_are_not_measured_unasked() -> None:
    fine, huge = (
        ModelState(ModelSpec(id="fine")),
        ModelState(ModelSpec(id="huge"), size_bytes=40_000_000_000),
    )
    last = ModelState(ModelSpec(id="last", last_resort=True))
    embeds = ModelState(ModelSpec(id="embeds"), capabilities=frozenset({"embedding"}))
    assert choose_models(survey(huge, last, fine, embeds), []) == (
        [fine],
        [("huge", "needs 44.0 GB, there are 8.0 GB")],
    )
    assert choose_models(survey(last, embeds), []) == ([last], [])
    assert choose_models(survey(huge, last, fine), [huge, last, huge]) == ([huge, last], [])


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (ModelState(ModelSpec(id="m"), unavailable=Elimination("not_installed")), 4),
        (
            ModelState(
                ModelSpec(id="m"),
                unavailable=Elimination("provider_down", {"provider": "p", "why": "refused"}),
            ),
            3,
        ),
        (ModelState(ModelSpec(id="m"), capabilities=frozenset({"embedding"})), 2),
    ],
)
def test_a_named_model_that_cannot_be_asked_is_refused(state: ModelState, code: int) -> None:
    with pytest.raises(OrchError) as caught:
        choose_models(survey(state), [state])
    assert caught.value.exit_code == code
