"""One request to a model and the pieces of its answer, the same for all providers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orch.text.raw_prompt import RawPrompt
from orch.types import FIRST_TOKEN_TIMEOUT_S, TOKEN_TIMEOUT_S, Message


class Completion(NamedTuple):
    """The end of a model's stream: its reason, tokens, and the provider's own timings in seconds
    (None if it reports none)."""

    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    load_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    stop_sequence: str = ""
    """The stop sequence that ended the answer, where the server says so."""
    cached_tokens: int | None = None
    """Of `prompt_tokens`, those that the server had in its cache and did not read again."""
    draft_tokens: int | None = None
    """Tokens that a draft proposed (speculative decoding), of which `draft_accepted` stand in the
    answer."""
    draft_accepted: int | None = None
    address: str = ""
    """The address that answered, of a provider with several."""


class Delta(NamedTuple):
    """One piece of a model's stream; only the last one has a `completion`."""

    content: str = ""
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    completion: Completion | None = None
    logprobs: tuple[dict[str, Any], ...] = ()
    ignored_fields: str = ""
    """What the model did not take of the request, as a phrase; it answers without."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request to a provider. Timeouts are seconds of silence, before the first token and between
    two."""

    model: str
    messages: list[Message]
    options: dict[str, Any] = field(default_factory=dict)
    num_ctx: int | None = None
    max_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the client's request, passed on unchanged at the top of the body."""
    raw: RawPrompt | None = None
    """What the model continues as it is, in place of the messages."""
    continues: str = ""
    """The partial answer that is continued. It stands in the messages: last, or before a user's
    turn that asks to go on."""
    affinity: str = ""
    """The same for all requests of one conversation: of several addresses, the one that has its
    prompt cached is preferred."""
    address: str = ""
    """The address that is known to have the beginning of this prompt cached; empty if none is."""
    slot: int | None = None
    """The server's slot that is to answer, where it lets a request choose one; it must be idle:
    llama.cpp (b10488) spoils the answer of a busy one."""
    first_token_timeout_s: float = FIRST_TOKEN_TIMEOUT_S
    token_timeout_s: float = TOKEN_TIMEOUT_S
