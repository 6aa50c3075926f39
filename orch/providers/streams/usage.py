"""Reads the token counts and timings of an answer, wherever in its events they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orch.providers.chat import Completion
from orch.providers.streams.values import parse_count, parse_number

_PROMPT = (
    *("prompt_tokens", "input_tokens", "prompt_eval_count", "tokens_evaluated", "prompt_n"),
    *("promptTokens", "inputTokens", "promptTokenCount", "prompt_token_count"),
)
_COMPLETION = (
    *("completion_tokens", "output_tokens", "eval_count", "generated_tokens"),
    *("tokens_predicted", "predicted_n", "completionTokens", "outputTokens"),
    *("candidatesTokenCount", "candidates_token_count"),
)
_CACHED = ("cached_tokens", "cache_n", "prompt_cache_hit_tokens")
"""Tokens of the prompt that were not read again: OpenAI and vLLM (in the details of the prompt),
llama.cpp, DeepSeek."""
_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_DRAFT = {"draft": "draft_n", "accepted": "draft_n_accepted"}
_PLACES = ("timings", "usage", "usage_metadata", "usageMetadata", "token_usage")
_PLACE_NAMES = frozenset(_PLACES)
_SECONDS = {
    "load_s": (("load_duration", 1e9),),
    "prefill_s": (("prompt_eval_duration", 1e9), ("prompt_ms", 1e3)),
    "decode_s": (("eval_duration", 1e9), ("predicted_ms", 1e3)),
}
"""Fields of Ollama (nanoseconds) and llama.cpp (milliseconds)."""
_FIELDS = frozenset(
    (
        *_PROMPT,
        *_COMPLETION,
        *("total_tokens", *_CACHED, *_DETAILS, *_DRAFT.values()),
        *(key for each in _SECONDS.values() for key, _ in each),
    )
)
"""All of them: most objects of an event have none."""


class ReportedUsage:
    """The counts of one answer: the last that each event reports, and no zero after a count."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Reads the counts of an event: in `usage`, in `timings`, in the choice, in an object of
        the vendor's own (`x_groq`), or beside `done` (Ollama)."""
        for fields in _places(event):
            if not _FIELDS.isdisjoint(fields):
                self._add_counts(fields)
                self._add_seconds(fields)

    def _add_counts(self, fields: Mapping[str, Any]) -> None:
        counts = {
            "prompt": _prompt(fields),
            "completion": _first(fields, _COMPLETION),
            "total": parse_count(fields.get("total_tokens")),
            "cached": _cached(fields),
            **{name: parse_count(fields.get(key)) for name, key in _DRAFT.items()},
        }
        self._counts |= {
            name: count
            for name, count in counts.items()
            if count or (count == 0 and name not in self._counts)
        }

    def _add_seconds(self, fields: Mapping[str, Any]) -> None:
        for name, sources in _SECONDS.items():
            for key, per_second in sources:
                if key in fields and (number := parse_number(fields[key])) is not None:
                    self._seconds[name] = number / per_second

    def completion(self, finish_reason: str) -> Completion:
        """The end of the answer with its counts."""
        counts, seconds = self._counts, self._seconds
        if "completion" not in counts and {"total", "prompt"} <= counts.keys():
            counts["completion"] = max(counts["total"] - counts["prompt"], 0)
        return Completion(
            finish_reason=finish_reason,
            prompt_tokens=counts.get("prompt"),
            completion_tokens=counts.get("completion"),
            load_s=seconds.get("load_s"),
            prefill_s=seconds.get("prefill_s"),
            decode_s=seconds.get("decode_s"),
            cached_tokens=_at_most(counts.get("cached"), counts.get("prompt")),
            draft_tokens=counts.get("draft"),
            draft_accepted=_at_most(counts.get("accepted"), counts.get("draft")),
        )


def _at_most(count: int | None, whole: int | None) -> int | None:
    """A part of a whole; None where either is unknown, or where it is larger than the whole."""
    return count if count is not None and whole is not None and count <= whole else None


def _prompt(fields: Mapping[str, Any]) -> int | None:
    """The tokens of the whole prompt. llama.cpp's `prompt_n` counts those that were read: what its
    cache held (`cache_n`) stands beside them."""
    count = _first(fields, _PROMPT)
    if "prompt_n" in fields and count is not None:
        return count + (parse_count(fields.get("cache_n")) or 0)
    return count


def _cached(fields: Mapping[str, Any]) -> int | None:
    """The tokens of the prompt that the server had in its cache."""
    details = next((each for key in _DETAILS if isinstance(each := fields.get(key), dict)), None)
    inner = None if details is None else _first(details, _CACHED)
    return _first(fields, _CACHED) if inner is None else inner


def _first(fields: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        if key in fields and (count := parse_count(fields[key])) is not None:
            return count
    return None


def _places(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects that may hold counts, the most specific last."""
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else choices
    inner = choice.get("delta") or choice.get("message") if isinstance(choice, dict) else None
    found = [event]
    for owner in (event, choice, inner, *event.values()):
        if isinstance(owner, dict) and not _PLACE_NAMES.isdisjoint(owner):
            found += [place for key in _PLACES if isinstance(place := owner.get(key), dict)]
    return found
