"""Plans a speed bench: models, their cells in interleaved rounds, prompts and context (pure)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orch.errors import OrchError, UsageError
from orch.providers.remote_models import remote_not_allowed
from orch.routing.context_size import MIN_ANSWER_TOKENS, PROMPT_MARGIN, choose_num_ctx
from orch.routing.model_state import ModelState
from orch.routing.no_candidate import how_to_get_a_model
from orch.routing.registry import Inventory
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import eliminate
from orch.routing.wording import elimination_text
from orch.storage.timings import BenchmarkSample
from orch.types import Elimination, ModelKey, Need

COLD, WARM, TOGETHER = "cold", "warm", "together"
SHORT, SHORT_TOKENS = "short", 32
NEW_TOKENS, NEW_TOKENS_SHORT = 64, 128
"""Most tokens of an answer: enough for a rate; a short prompt leaves time for more."""
OVERHEAD_TOKENS = 24
"""Approximate tokens of the nonce and the request around the words."""
TOO_LONG = "does not fit its context"
STAYS_LOADED = "not cold: it could not be unloaded"
NOT_FAILURES = frozenset({TOO_LONG, STAYS_LOADED})
"""Reasons to skip a cell that are not failures of the model."""

# ordinary words, which are one token with their leading blank: SmolLM2 counted 1,031
# for 1k and 4,031 for 4k, its template included
WORDS = (
    "time year people way day man thing woman life child world school state family student group"
    " country problem hand part place case week company system program question work government"
    " number night point home water room mother area money story fact month lot right study book"
    " eye job word business issue side kind head house service friend father power hour game line"
    " end member law car city community name president team minute idea body information back"
    " parent face others level office door health person art war history party result change"
    " morning reason research girl guy moment air teacher force education foot boy age policy music"
    " market sense nation plan college interest death experience effect use class control care"
    " field development role effort rate heart drug show leader light voice wife police mind price"
    " report decision son view relationship town road arm difference value building action model"
    " season society tax director position player record paper space ground form event official"
    " matter center couple site project activity star table need court oil situation"
).split()


@dataclass(frozen=True, slots=True)
class SpeedCell:
    """One measurement: a model after unloading (cold), loaded (warm), or with several simultaneous
    requests (together)."""

    round: int
    model: ModelKey
    kind: str
    size: str = SHORT
    concurrency: int = 1

    @property
    def name(self) -> str:
        """Unique in its bench, and the same when the bench is resumed."""
        return f"{self.round}/{'/'.join(self.model)}/{self.kind}/{self.size}/{self.concurrency}"


# ---------------------------------------------------------------- which models


def choose_models(
    survey: Inventory, named: Sequence[ModelState]
) -> tuple[list[ModelState], list[tuple[str, str]]]:
    """The named models, else all that chat and fit in memory; and those that do not fit, with the
    reason.

    A last-resort model is measured if named, or if it is the only one. Raises OrchError if nothing
    can be measured.
    """
    if named:
        for state in named:
            _check_measurable(state)
        return list({state.key: state for state in named}.values()), []
    out = {state.key: _elimination(state, survey) for state in survey.states}
    able = [state for state in survey.states if out[state.key] is None]
    if not able:
        raise _nothing_to_measure(survey, {why.code for why in out.values() if why})
    too_large = [
        (state.spec.id, elimination_text(why))
        for state in survey.states
        if (why := out[state.key]) and why.code == "memory"
    ]
    return [state for state in able if not state.spec.last_resort] or able, too_large


def _elimination(state: ModelState, survey: Inventory) -> Elimination | None:
    return eliminate(
        state, Need(prompt_tokens=1), Policy({}, {}, survey.memory_bytes), state.num_ctx
    )


def _check_measurable(state: ModelState) -> None:
    """Raises OrchError for a named model that can't be measured."""
    name = state.spec.id
    if state.is_remote_denied:
        raise remote_not_allowed(
            name, state.spec.provider, state.remote_host, listed=not state.unlisted
        )
    if state.unavailable is not None:
        down = state.unavailable.code == "provider_down"
        hint = "orch health shows what is wrong" if down else f"orch models pull {name}"
        raise OrchError(
            f"{name}: {elimination_text(state.unavailable)}",
            hint,
            code="no_provider" if down else "model_not_found",
        )
    if state.capabilities is not None and "completion" not in state.capabilities:
        raise UsageError(
            f"{name}: it is an embedding model, which gives no answers",
            "orch models shows which models chat",
        )


def _nothing_to_measure(survey: Inventory, codes: set[str]) -> OrchError:
    """The error where no model can be measured; `codes` are the reasons."""
    if "memory" in codes:
        return OrchError(
            "no model fits in the free memory",
            "name one to measure it anyway",
            code="memory",
        )
    if survey.unreachable:
        down = "; ".join(f"{name}: {why}" for name, why in survey.unreachable.items())
        return OrchError(
            f"no provider can be reached: {down}",
            how_to_get_a_model(survey.start_hint),
            code="no_provider",
        )
    kind = (
        "model that chats"
        if "capability" in codes
        else "model that runs here"
        if "remote" in codes
        else "model"
    )
    return OrchError(
        f"no {kind} is installed", "orch models pull llama3.1:8b", code="model_not_found"
    )


# ---------------------------------------------------------------- which cells


def plan_cells(
    models: Sequence[ModelKey],
    sizes: Sequence[str],
    rounds: int,
    concurrency: Sequence[int],
    never_cold: frozenset[ModelKey] = frozenset(),
) -> list[SpeedCell]:
    """All cells in order. Each round measures all models, so that a machine that slows down affects
    all alike."""
    return [
        cell
        for number in range(1, rounds + 1)
        for model in models
        for cell in _round_cells(number, model, sizes, concurrency, model not in never_cold)
    ]


def _round_cells(
    number: int, model: ModelKey, sizes: Sequence[str], concurrency: Sequence[int], cold: bool
) -> list[SpeedCell]:
    """A model's cells in one round: the cold one first, so that the others are warm."""
    first = [SpeedCell(number, model, COLD)] if cold else []
    together = [
        SpeedCell(number, model, TOGETHER, concurrency=level) for level in concurrency if level > 1
    ]
    return [*first, *(SpeedCell(number, model, WARM, size) for size in sizes), *together]


def remaining_cells(cells: Sequence[SpeedCell], rows: Iterable[BenchmarkSample]) -> list[SpeedCell]:
    """The cells without samples, except those of rounds in which their model failed."""
    rows = list(rows)
    done, failed = (
        {row.cell for row in rows},
        {(row.round, ModelKey(row.provider, row.model)) for row in rows if is_failure(row)},
    )
    return [
        cell for cell in cells if cell.name not in done and (cell.round, cell.model) not in failed
    ]


def is_failure(row: BenchmarkSample) -> bool:
    """Whether the model failed; a cell that was skipped for a reason is not a failure."""
    return row.error is not None and row.error not in NOT_FAILURES


# ---------------------------------------------------------------- prompts


def prompt_tokens(size: str) -> int:
    """Tokens of a prompt size: 32 for `short`, 1,000 for `1k`, 500 for `500`."""
    if size == SHORT:
        return SHORT_TOKENS
    return int(size[:-1]) * 1000 if size.endswith("k") else int(size)


def new_tokens(size: str) -> int:
    """Most tokens of the answer."""
    return NEW_TOKENS_SHORT if size == SHORT else NEW_TOKENS


def make_prompt(size: str, nonce: str) -> str:
    """A prompt of about that many tokens. The nonce starts it and seeds the rest, so that no server
    has a prefix in its cache."""
    words = random.Random(nonce).choices(WORDS, k=max(prompt_tokens(size) - OVERHEAD_TOKENS, 4))
    return f"{nonce} {' '.join(words)}.\nTell a long story with these words."


def context_for_size(size: str) -> int:
    """Tokens of context for a prompt of that size and its answer, with orch's margin for a wrong
    estimate."""
    return int(prompt_tokens(size) * PROMPT_MARGIN) + new_tokens(size) + MIN_ANSWER_TOKENS


def bench_num_ctx(state: ModelState, sizes: Iterable[str]) -> int:
    """One context size for all cells of a model, so that it is not reloaded between them: the
    router's, for the longest prompt that fits.

    What happens to be loaded is ignored, so that a resumed bench measures the same.
    """
    plain = state._replace(resident_ctx=None, measured=None)
    limit = plain.num_ctx if state.fixed_ctx else state.context_window
    longest = max(
        (context_for_size(size) for size in (SHORT, *sizes) if context_for_size(size) <= limit),
        default=0,
    )
    return choose_num_ctx(plain, Need(prompt_tokens=longest, max_tokens=1))
