"""The context a task needs of a model: prompt, room for the answer, what is loaded (pure)."""

from __future__ import annotations

from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.types import Need

CLOSE = (0.8, 1.6)
"""The shares of the context between which an estimate does not tell what fits: code has up to 1.5
times the tokens that are estimated, prose four fifths."""
ANSWER_ROOM = 2_048
"""Tokens kept free for an answer at most: clients send max_tokens 32,000 with every question."""
WISHED_ROOM = 8_192
"""Tokens that an agent's answer would like to have: it writes whole files as arguments."""
PROMPT_MARGIN = 1.2
"""Room for a longer prompt than estimated: Ollama must not drop context while it generates."""
MIN_ANSWER_TOKENS = 16
"""Tokens of an answer that are always allowed."""


def answer_room(need: Need, num_ctx: int) -> int:
    """Tokens to keep free for the answer in that context: the least of max_tokens, 2,048 and a
    quarter of it. max_tokens is a cap, never a reservation."""
    return min(need.max_tokens or ANSWER_ROOM, ANSWER_ROOM, num_ctx // 4)


def required_context(state: ModelState, need: Need, num_ctx: int) -> int:
    """Tokens of context for prompt and answer, if the model is loaded with `num_ctx`."""
    return state.corrected_tokens(need.prompt_tokens) + answer_room(need, num_ctx)


def wished_room(state: ModelState, need: Need) -> int:
    """Tokens that the answer would like to have; 0 if it makes do with `answer_room`.

    A task with tools would like 8,192, a model that thinks as much, but no more than three
    quarters of its usual context, which a short question then leaves as it is: thoughts use up the
    answer's tokens before the first visible word. Neither would like more than max_tokens or a
    quarter of the window. A caller that names its own context has no such wish.
    """
    if need.num_ctx or not (_has_tools(need) or state.thinks):
        return 0
    most = WISHED_ROOM if _has_tools(need) else min(WISHED_ROOM, state.default_ctx * 3 // 4)
    cap = need.max_tokens or state.spec.max_tokens or most
    room = min(most, cap, state.context_window // 4)
    return room if room > answer_room(need, state.context_window) else 0


def padded_tokens(state: ModelState, need: Need) -> int:
    """The tokens of the prompt with a margin for an estimate that is too low; without one where
    its server has counted it."""
    counted = state.recount(need.prompt_tokens)
    if counted is not None:
        return counted
    # a ratio below 1 was learned from other texts: it saves context, but does not make room for
    # more answer
    estimate = max(state.corrected_tokens(need.prompt_tokens), need.prompt_tokens)
    return int(estimate * PROMPT_MARGIN)


def choose_num_ctx(state: ModelState, need: Need) -> int:
    """The context to call a model with: what the task needs, or more where the answer would like
    more room and a load is due anyway.

    Needed is the loaded context if it holds the task, else its default, else the next power of two
    that does, at most its window. A wish takes the next power of two that holds prompt and wished
    room, else the longest that window and memory allow. It reloads a loaded model in two cases
    only: a conversation with tools begins (growing once is cheaper than later, with its prefix
    cached), or what is left for the answer is less than `answer_room`.

    The caller's num_ctx is a minimum. It is exact only while nothing is loaded: clients send
    another number with each turn.
    """
    if state.fixed_ctx:
        return state.default_ctx
    needed = _needed_context(state, need)
    room = wished_room(state, need)
    if not room or _stays_loaded(state, need, needed):
        return needed
    wished = padded_tokens(state, need) + room + MIN_ANSWER_TOKENS
    longer = max(wished, state.default_ctx)
    return needed if needed >= wished else max(needed, _allowed_context(state, longer))


def is_close_to_limit(state: ModelState, need: Need) -> bool:
    """Whether the estimate of a prompt can't tell if it fits the context of a loaded model, which
    its server fixes; not where the server has counted it."""
    if not (state.fixed_ctx and state.resident) or state.unavailable:
        return False
    limit = state.default_ctx
    if limit >= UNKNOWN_CTX or state.recount(need.prompt_tokens) is not None:
        return False
    return CLOSE[0] * limit <= required_context(state, need, limit) <= CLOSE[1] * limit


def free_context(state: ModelState, need: Need) -> int:
    """Tokens that fit before the prompt without another context."""
    num_ctx, room = choose_num_ctx(state, need), wished_room(state, need)
    free = num_ctx - required_context(state, need, num_ctx)
    if not room:
        return free
    left = num_ctx - padded_tokens(state, need) - MIN_ANSWER_TOKENS
    left -= room if left >= room else answer_room(need, num_ctx)
    # behind a context that the wish alone made so long, a longer one may be needed
    needed = _needed_context(state, need)
    if needed < min(num_ctx, state.default_ctx):
        left = min(left, needed - required_context(state, need, needed))
    return min(free, int(left / PROMPT_MARGIN) - 1)


def _has_tools(need: Need) -> bool:
    return "tools" in need.capabilities


def _needed_context(state: ModelState, need: Need) -> int:
    """The context that holds the prompt and the small room for an answer."""
    least = min(need.num_ctx or 0, state.context_window)
    own = state.default_ctx
    for num_ctx in (state.num_ctx if state.resident_ctx else least or own, own):
        if num_ctx >= least and required_context(state, need, num_ctx) <= num_ctx:
            return num_ctx
    return min(_power_that_holds(state, need, least), state.context_window)


def _stays_loaded(state: ModelState, need: Need, needed: int) -> bool:
    """Whether a wish is not worth a reload: the loaded context certainly leaves the small room, and
    no conversation with tools begins."""
    if not state.resident_ctx or needed != state.num_ctx:
        return False
    left = needed - padded_tokens(state, need) - MIN_ANSWER_TOKENS
    return left >= answer_room(need, needed) and not (need.begins and _has_tools(need))


def _allowed_context(state: ModelState, tokens: int) -> int:
    """The next power of two that holds so many tokens, or the window where that is less; where the
    memory does not allow it, the longest power of two that it does."""
    wished = min(1 << (tokens - 1).bit_length(), state.context_window)
    if state.memory_ctx is None or wished <= state.memory_ctx:
        return wished
    return 1 << state.memory_ctx.bit_length() - 1 if state.memory_ctx > 0 else 0


def _power_that_holds(state: ModelState, need: Need, least: int) -> int:
    """The next power of two that holds prompt and answer. The room for the answer grows by a
    quarter of it at most, so that this ends."""
    power = 1 << (max(state.corrected_tokens(need.prompt_tokens), least) - 1).bit_length()
    while required_context(state, need, power) > power:
        power *= 2
    return power
