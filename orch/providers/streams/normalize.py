"""Brings the events of all servers, in OpenAI's form or Ollama's, to one normal form (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orch.providers.streams.values import (
    parse_content,
    parse_logprobs,
    parse_objects,
    parse_text,
    parse_thinking,
)

_FINISH_REASONS = {
    **dict.fromkeys(("max_tokens", "max_length", "model_length", "max_output_tokens"), "length"),
    **dict.fromkeys(("context_length", "model_context_window_exceeded", "limit"), "length"),
    **dict.fromkeys(("function_call", "tool_use", "tool_call"), "tool_calls"),
    **dict.fromkeys(("eos", "eos_token", "end_turn", "stop_sequence", "complete"), "stop"),
    **dict.fromkeys(("finished", "completed", "end", "done", "stop_token"), "stop"),
    **dict.fromkeys(("null", "none", "in_progress"), ""),
}
"""Words of TGI, Anthropic, Gemini, Mistral and others for OpenAI's."""


class NormalEvent(NamedTuple):
    """What one event says. Calls are as they were sent, whole or in fragments."""

    content: str = ""
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    logprobs: tuple[dict[str, Any], ...] = ()
    finish_reason: str = ""
    error: Any = None
    choice: int | None = None
    """The number of the choice; None where there are no choices."""
    is_message: bool = False
    """Whether its text is a `message`, not a `delta`."""
    is_whole: bool = False
    """Whether that message is a whole answer if no other follows."""
    is_native: bool = False
    """Whether it has the form of Ollama's own API."""


ROLE_AND_CONTENT = 2
_OTHER_FIELDS = (
    *("reasoning_content", "reasoning", "thinking", "reasoning_details"),
    *("tool_calls", "function_call", "refusal"),
)
"""Fields of a delta or message that say more than its content."""


def token_of(event: dict[str, Any], choice_index: int | None) -> str:
    """The text of an event that is one more token of that choice (None: of Ollama's own API) and
    says nothing else, in the usual form; empty for every other event, also for one of an unexpected
    structure."""
    try:
        body = _token_body(event, choice_index)
        text = body["content"]
        is_bare = len(body) == 1 or (len(body) == ROLE_AND_CONTENT and "role" in body)
        says_more = (
            event.get("done") or event.get("usage") or any(map(event.__contains__, _MORE_FIELDS))
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
    return parse_text(text) if is_bare and not says_more and isinstance(text, str) else ""


def _token_body(event: dict[str, Any], choice_index: int | None) -> Any:
    """The message, or the delta of the event's only choice; empty if that is another one or says
    more."""
    if choice_index is None:
        return {} if event.get("choices") else event["message"]
    (choice,) = event["choices"]
    says_more = choice.get("finish_reason") or choice.get("logprobs") or "error" in choice
    return {} if says_more or choice["index"] != choice_index else choice["delta"]


_MORE_FIELDS = ("error", "timings", "logprobs", "done_reason")
"""Fields of an event beside a token that say more."""


def normalize(event: Mapping[str, Any]) -> NormalEvent:
    """Returns what an event says. Raises one of STRUCTURE_ERRORS for an unexpected structure."""
    choice = _choice(event.get("choices"))
    is_other = choice is None and not (_is_native(event) or event.get("usage"))
    if event.get("error") or is_other:
        # most runs never meet one
        from orch.providers.streams.failures import error_of

        if (error := error_of(event)) is not None:
            return NormalEvent(error=error)
    return _native_event(event) if choice is None else _choice_event(choice, event)


def _choice(choices: Any) -> dict[str, Any] | None:
    """The first choice of a list by its index; a few servers send an object."""
    if not choices:
        return None
    if isinstance(choices, dict):
        return choices
    choice = choices[0] if len(choices) == 1 else min(choices, key=_index_of)
    return choice if isinstance(choice, dict) else None


def _choice_event(choice: dict[str, Any], event: Mapping[str, Any]) -> NormalEvent:
    delta = choice.get("delta")
    body = delta or choice.get("message") or {}
    content, thinking = body.get("content"), body.get("reasoning_content") or body.get("reasoning")
    finish_reason, logprobs = choice.get("finish_reason"), choice.get("logprobs")
    is_usual = delta and (len(body) == 1 or _has_only_content(body))
    is_more = thinking or finish_reason or logprobs or choice.get("error")
    if isinstance(content, str) and is_usual and not is_more:
        # a token; everything else takes the long way
        index = choice.get("index")
        text = content if content.isascii() else parse_text(content)
        return NormalEvent(text, choice=index if isinstance(index, int) else 0)
    content, thinking = _texts(body, thinking)
    return NormalEvent(
        content or parse_text(choice.get("text")),
        thinking,
        _fragments(body),
        parse_logprobs(logprobs),
        parse_finish_reason(finish_reason),
        _choice_error(choice),
        _index(choice.get("index")),
        is_message=bool(not delta and body),
        is_whole=bool(not delta and body) and event.get("object") != "chat.completion.chunk",
    )


def _has_only_content(body: dict[str, Any]) -> bool:
    count = len(body)
    if count == 1 or (count == ROLE_AND_CONTENT and "role" in body):
        return True
    return not any(map(body.get, _OTHER_FIELDS))


def _texts(body: dict[str, Any], thinking: Any) -> tuple[str, str]:
    """The content and the thinking of a delta or message."""
    content, thinking_parts = parse_content(body.get("content"))
    thinking = thinking or body.get("thinking") or body.get("reasoning_details")
    # a refusal is what the model answers
    return content or parse_text(body.get("refusal")), thinking_parts + parse_thinking(thinking)


def _fragments(body: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The fragments of tool calls; one in the form from before tools has the index 0."""
    fragments = parse_objects(body.get("tool_calls"))
    if function := body.get("function_call"):
        return (*fragments, {"index": 0, "function": function})
    return fragments


def _choice_error(choice: dict[str, Any]) -> Any | None:
    error = choice.get("error")
    if not error:
        return None
    from orch.providers.streams.failures import is_error

    return error if is_error(error) else None


def _index_of(choice: Any) -> int:
    return _index(choice.get("index")) if isinstance(choice, dict) else 0


def _index(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _is_native(event: Mapping[str, Any]) -> bool:
    return isinstance(event.get("message"), dict) or "done" in event


def _native_event(event: Mapping[str, Any]) -> NormalEvent:
    """Ollama's chat (`message`) and generate (`response`), llama.cpp's completion (`content`)."""
    message, is_end = event.get("message"), event.get("done") or event.get("stop") is True
    if isinstance(message, dict):
        content = message.get("content")
        is_usual = isinstance(content, str) and content and _has_only_content(message)
        if is_usual and not (is_end or event.get("logprobs")):
            return NormalEvent(parse_text(content), is_native=True)  # as in `_choice_event`
    else:
        message = {"content": event.get("response") or event.get("content")}
        message["thinking"] = event.get("thinking")
    content, thinking = _texts(message, message.get("reasoning_content"))
    return NormalEvent(
        content,
        thinking,
        _fragments(message),
        parse_logprobs(event.get("logprobs")),
        parse_finish_reason(event.get("done_reason")) or "stop" if is_end else "",
        is_native=True,
    )


def stop_sequence_of(event: Mapping[str, Any]) -> str:
    """The stop sequence that ended an answer, in the words of vLLM and SGLang; empty where an event
    names none, or a token."""
    choice = _choice(event.get("choices")) or {}
    values = (choice.get("stop_reason"), choice.get("matched_stop"))
    return next((value for value in values if isinstance(value, str)), "")


def parse_finish_reason(value: Any) -> str:
    """OpenAI's word for a finish reason; empty for a missing one."""
    if not value or not isinstance(value, str):
        return ""
    word = value.strip().lower()
    return _FINISH_REASONS.get(word, word)
