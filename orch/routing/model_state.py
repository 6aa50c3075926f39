"""One model as it is now, and the context and memory that a task needs of it (pure)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from orch.config.spec import ModelSpec
from orch.text.model_names import full_name
from orch.text.prompt import PreparedTask
from orch.types import Elimination, Estimate, ModelKey, Prior, SpeedStats

DEFAULT_NUM_CTX = 8_192
UNKNOWN_CTX = 1 << 20
"""Stands for the context of a model whose server does not tell: an unknown limit does not eliminate
it."""
MIN_TOKEN_RATIO, MAX_TOKEN_RATIO = 0.5, 4.0
"""Bounds of the correction of token estimates: a token holds three digits with Llama 3, and scripts
missing from a small vocabulary take several tokens a character."""
SAME_PROMPT = 0.05
"""The relative distance within which two estimates count as one prompt."""

NEXT_USE_PRIOR, NEXT_USE_WEIGHT = 0.5, 4
"""The probability that a loaded model is used next, and the tasks at which it weighs half."""


class ModelState(NamedTuple):
    """One model as it stands now: its facts, and what its provider and the journal say."""

    spec: ModelSpec
    unavailable: Elimination | None = None
    local: bool = True
    resident: bool | None = False
    """Whether it is loaded; None if its server does not say: then no load is expected, and it does
    not count as loaded."""
    resident_ctx: int | None = None
    resident_bytes: int = 0
    vram_bytes: int | None = None
    """How much of `resident_bytes` is on GPUs; None if its server does not say."""
    size_bytes: int = 0
    digest: str = ""
    capabilities: frozenset[str] | None = None
    untold: frozenset[str] = frozenset()
    """With `capabilities`: those that its server is silent about."""
    context_window: int = DEFAULT_NUM_CTX
    kv_bytes_per_token: int | None = None
    kv_window_bytes: int = 0
    """The KV cache of its layers with a sliding window, in bytes per token, of which they keep
    `kv_window_tokens` at most."""
    kv_window_tokens: int = 0
    memory_ctx: int | None = None
    """The longest context that fits in this machine's memory; None if that is unknown."""
    modelfile_ctx: int | None = None
    """The context that its Modelfile sets."""
    bytes_per_token: int = 0
    """Bytes of weights read per token, if the speed is guessed from them; 0 if it is rated, or if
    the size is unknown."""
    speed_guessed: bool = False
    """Whether the speed rating is a guess from the size, not a person's or the shipped one."""
    parameters_b: float | None = None
    active_b: float | None = None
    """Billions of parameters, all and those that a token takes."""
    parameters_guessed: bool = False
    """Whether they come from the model's name instead of its provider."""
    status: str = ""
    """The server's word: loaded, loading, sleeping, downloading, unloaded or failed."""
    measured: SpeedStats | None = None
    unlisted: bool = False
    fixed_ctx: bool = False
    closes_answers: bool = False
    """Whether its template keeps it from going on within the last message."""
    prior: Prior | None = None
    """The expected quality before any grade; None if its provider does not have the model."""
    estimate: Estimate | None = None
    """What was learned of its quality at this task; None if nothing was graded."""
    next_use_probability: float = NEXT_USE_PRIOR
    """The probability that it takes the next task."""
    remote_host: str = ""
    """The machine on which its provider runs it, empty for the provider's own. If that is not
    allowed, `unavailable` says so (`remote`)."""
    slots: int | None = None
    """How many requests it answers at once; None if its server does not say."""
    cached_tokens: int = 0
    """Of the prompt in question, how much its server is expected to hold from the turns before; 0
    where that is not known. It counts only while the model stays loaded as it is."""

    @property
    def key(self) -> ModelKey:
        """Provider and id."""
        return ModelKey(self.spec.provider, self.spec.id)

    @property
    def identity(self) -> tuple[str, str]:
        """Provider and digest, which all names of one model share; the full name if the provider
        has no digests."""
        return self.spec.provider, self.digest or full_name(self.spec.id)

    @property
    def default_ctx(self) -> int:
        """The context it is loaded with unless a task needs more: from models.yaml, else its
        Modelfile, else 8,192; at most its window."""
        usual = self.context_window if self.fixed_ctx else DEFAULT_NUM_CTX
        return min(self.spec.num_ctx or self.modelfile_ctx or usual, self.context_window)

    @property
    def is_installed(self) -> bool:
        """Whether its provider has it, even if it must not be called."""
        return self.unavailable is None or self.is_remote_denied

    @property
    def is_remote_denied(self) -> bool:
        """Whether it runs on another machine and models.yaml does not allow that."""
        return self.unavailable is not None and self.unavailable.code == "remote"

    @property
    def can_chat(self) -> bool:
        """Whether the model generates text, as far as its provider tells; others only embed."""
        return self.capabilities is None or "completion" in self.capabilities

    @property
    def thinks(self) -> bool:
        """Whether its provider says that it can think."""
        return self.capabilities is not None and "thinking" in self.capabilities

    @property
    def num_ctx(self) -> int:
        """The context it is loaded with now, at most its window; else its default."""
        return (
            min(self.resident_ctx, self.context_window)
            if self.resident_ctx and not self.fixed_ctx
            else self.default_ctx
        )

    def within(self, memory_bytes: int | None) -> ModelState:
        """The model with the longest context whose KV cache fits in so many bytes beside the
        weights; with none where one of these is unknown, or where it does not run on this
        machine."""
        if memory_bytes is None or not self.kv_bytes_per_token or not self.local:
            return self
        left = max(memory_bytes - self.size_bytes, 0)
        inside = left // (self.kv_bytes_per_token + self.kv_window_bytes)
        if inside < self.kv_window_tokens:
            return self._replace(memory_ctx=inside)
        beyond = left - self.kv_window_bytes * self.kv_window_tokens
        return self._replace(memory_ctx=beyond // self.kv_bytes_per_token)

    def kv_cache_bytes(self, num_ctx: int) -> int:
        """Bytes of the KV cache with that context; 0 if unknown."""
        in_window = min(num_ctx, self.kv_window_tokens)
        return (self.kv_bytes_per_token or 0) * num_ctx + self.kv_window_bytes * in_window

    def corrected_tokens(self, estimate: int) -> int:
        """An estimate corrected by earlier counts of this model's server: of a refused prompt of
        the same length, else by the usual ratio."""
        if self.measured is None:
            return estimate
        recount = self.recount(estimate)
        if recount is not None:
            return recount
        ratio = self.measured.token_ratio or 1.0
        return math.ceil(estimate * min(max(ratio, MIN_TOKEN_RATIO), MAX_TOKEN_RATIO))

    def recount(self, estimate: int) -> int | None:
        """The count of a refused prompt, scaled to an estimate close to it: most likely it is the
        same prompt, repeated or continued."""
        for estimated, counted in self.measured.recounts if self.measured else ():
            if abs(estimate - estimated) <= estimated * SAME_PROMPT:
                return math.ceil(estimate * counted / estimated)
        return None


def next_use_probability(count: int, total: int) -> float:
    """The probability that a model takes the next task if it took `count` of the last `total`."""
    return (NEXT_USE_PRIOR * NEXT_USE_WEIGHT + count) / (NEXT_USE_WEIGHT + total)


def with_token_count(state: ModelState, estimate: int, counted: int) -> ModelState:
    """The model after its server counted a prompt that was estimated otherwise."""
    measured = state.measured or SpeedStats(0, 0.0)
    return state._replace(
        measured=replace(measured, recounts=((estimate, counted), *measured.recounts))
    )


def with_counts(
    states: dict[ModelKey, ModelState], prepared: PreparedTask
) -> dict[ModelKey, ModelState]:
    """The models with what their servers counted of a prompt before it was sent."""
    estimate, counts = prepared.need.prompt_tokens, prepared.counts
    if not counts:
        return states
    return states | {
        key: with_token_count(states[key], estimate, counts[key])
        for key in states.keys() & counts.keys()
    }


def required_memory(state: ModelState, num_ctx: int) -> int:
    """Bytes of weights and KV cache at that context. `memory_gb` of models.yaml counts as weights
    and usual context together."""
    if state.remote_host:
        return 0
    rated = int((state.spec.memory_gb or 0) * 1e9)
    if state.kv_bytes_per_token is not None:
        return max(state.size_bytes + state.kv_cache_bytes(num_ctx), rated)
    return max(rated, int(state.size_bytes * 1.1))


def held_memory(state: ModelState) -> int:
    """Bytes that a loaded model holds: as its server says, else by its size and context."""
    return state.resident_bytes or required_memory(state, state.num_ctx)
