"""Classifies what a model server reports as an error, in a response with an error status or inside
a stream: by its code and type fields first, then by its words (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from orch.config.spec.option_types import refused_option
from orch.errors import ProviderError
from orch.providers.context_overflow import is_overflow, parse_overflow
from orch.providers.error_reports import ErrorReport, parse_report
from orch.providers.read_limits import error_line

Place = Literal["answer", "stream"]
"""Where a server reports an error: with an error status, or inside a stream with status 200."""


# ---------------------------------------------------------------- codes and types

_KINDS_OF_WORDS = {
    "context_overflow": (
        "context_length_exceeded exceed_context_size_error context_window_exceeded"
        " contextwindowexceedederror context_length_error context_overflow prompt_too_long"
        " token_limit_exceeded model_max_prompt_tokens_exceeded input_too_long"
    ),
    "rate_limited": (
        "rate_limit_exceeded rate_limit_error ratelimiterror too_many_requests resource_exhausted"
        " throttlingexception rate_limited requests_limit"
    ),
    "busy": (
        "overloaded_error overloaded server_overloaded engine_overloaded engine_overloaded_error"
        " server_busy queue_full"
    ),
    "loading": "loading_model model_loading loading model_not_ready modelnotready",
    "denied": (
        "invalid_api_key authentication_error authenticationerror invalid_authentication"
        " invalid_authentication_error unauthorized unauthenticated permission_error"
        " permission_denied permissiondeniederror forbidden access_denied insufficient_quota"
        " billing_error billing_hard_limit_reached budget_exceeded payment_required"
        " insufficient_balance account_deactivated exceeded_current_quota_error api_key_invalid"
        " unsupported_country_region_territory"
    ),
    "model_not_found": (
        "model_not_found model_not_available deploymentnotfound modelnotfound"
        " modelnotfounderror unknown_model"
    ),
    "content_filter": (
        "content_filter content_filtered content_policy_violation contentpolicyviolationerror"
        " responsibleaipolicyviolation data_inspection_failed moderation_blocked safety"
        " prompt_blocked"
    ),
    "timeout": "timeout timeout_error request_timeout",
    "tool_call_invalid": "tool_use_failed",  # Groq, with what the model wrote
    "bad_response": "unknown_url",  # Groq, OpenAI: a path that is none
    # about one string of the request (an id of a call, a name), whatever its message says
    # or, of llama.cpp with 501, about what the model can't do
    "rejected": "string_above_max_length array_above_max_length not_supported_error",
}
"""Values of `code` and `type` that settle the kind, by kind: OpenAI, Azure, Anthropic, llama.cpp,
vLLM, LiteLLM, TGI, Google, Alibaba."""


def _kind_of_word(word: str) -> str:
    return next((kind for kind, words in _KINDS_OF_WORDS.items() if word in words.split()), "")


# ---------------------------------------------------------------- words of messages

_LOAD_FAILED = (
    "error loading",
    "failed to load",
    "failed loading",
    "unable to load",
    "could not load",
    "timed out",
)
"""Ollama and LM Studio about a model that can't be loaded: waiting does not help."""
_LOADING = (
    "loading model",  # llama.cpp's server, 503
    "model is loading",
    "currently loading",  # Hugging Face: "Model … is currently loading"
    "still loading",
    "being loaded",  # LM Studio's just-in-time loading, KoboldCpp
    "is not ready yet",
    "model not ready",
    "loading the model",
)
_BUSY = (
    "server busy",  # Ollama: "server busy, please try again. maximum pending requests exceeded"
    "maximum pending requests",
    "overloaded",  # TGI, Anthropic
    "no slot available",  # llama.cpp with fail_on_no_slot
    "no available slot",
    "queue is full",
    "queue full",
)
_QUOTA = (
    "exceeded your current quota",  # OpenAI
    "budget has been exceeded",  # LiteLLM
    "insufficient balance",  # DeepSeek
    "insufficient credits",  # OpenRouter
    "credit balance",  # Anthropic
)
_AUTH = (
    "invalid api key",  # llama.cpp
    "incorrect api key",  # OpenAI
    "api key not valid",  # Google, 400
    "no api key",
    "api key is required",
    "missing api key",
    "malformed lm studio api token",  # LM Studio
    "unauthorized",  # Ollama's cloud
)
_FILTER = (
    "content management policy",  # Azure
    "content policy",
    "content filter",
    "safety system",  # OpenAI
    "flagged by",
)
_NO_PATH = (
    "page not found",  # Go's default, and Ollama's
    "unexpected endpoint",  # LM Studio, also with status 200
    "file not found",  # llama.cpp
    "no such route",
    "no route matched",  # Kong
    "invalid url (",  # OpenAI: "Invalid URL (POST /v1/v1/chat/completions)"
    "unknown request url",  # Groq
    "cannot post /",  # Express
    "cannot get /",
    "method not allowed",
)
_BARE_NO_PATH = ("not found", "404 not found", "resource not found")
"""The whole message about a path that is none: FastAPI, aiohttp, Azure."""
_OTHER_SCHEME = (
    "http request to an https server",  # Go
    "http request was sent to https port",  # nginx
)
_TOOL_CALL = (
    "the model produced output that does not match the expected",  # llama.cpp, common/chat.cpp
    "error parsing tool call",  # Ollama, gpt-oss
    "tool call:",  # Ollama's parsers of GLM, Laguna, LFM2: "incomplete GLM tool call: …"
    "xml syntax error",  # Ollama, Qwen3-Coder and GLM
    "failed to parse xml",
    "failed to parse function call",  # OLMo 3
    "invalid function call format",
    "mismatched arg_key and arg_value",
    "empty function name",
)
"""A server that could not read what its model wrote as a call. Not llama.cpp's "Failed to parse
tool call arguments as JSON", which is about calls of the conversation it was sent."""
_NOT_FOUND = ("not found", "does not exist", "not exist", "not available", "unknown model")


def _has(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in text for phrase in phrases)


def _is_loading(text: str) -> bool:
    return _has(text, _LOADING) and not _has(text, _LOAD_FAILED)


def _is_missing_model(text: str) -> bool:
    # Ollama: model 'x' not found; vLLM: The model `x` does not exist; LM Studio: No models loaded
    if "no models loaded" in text or "try pulling it" in text:
        return True
    return "model" in text and _has(text, _NOT_FOUND)


def _kind_of_text(text: str, status: int | None, place: Place) -> str:
    """The kind that a message tells; empty where it tells none. A status that settles the kind is
    not overruled."""
    rules: tuple[tuple[str, bool, Callable[[str], bool]], ...] = (
        ("denied", True, lambda text: _has(text, _QUOTA)),
        ("loading", status not in (400, 401, 403, 404, 422), _is_loading),
        ("busy", status in (None, 429, 500, 503, 529), lambda text: _has(text, _BUSY)),
        ("bad_response", status in (None, 404, 405), lambda text: _has(text, _NO_PATH)),
        ("context_overflow", status in _OVERFLOW_STATUSES, is_overflow),
        ("content_filter", status in (None, 400), lambda text: _has(text, _FILTER)),
        ("model_not_found", status in (None, 400), _is_missing_model),
        ("denied", status in (None, 400), lambda text: _has(text, _AUTH)),
        ("rate_limited", place == "stream", _is_limited),
        ("tool_call_invalid", status in (None, 500), lambda text: _has(text, _TOOL_CALL)),
    )
    return next((kind for kind, applies, matches in rules if applies and matches(text)), "")


_OVERFLOW_STATUSES = (None, 400, 413, 422, *range(500, 503))


def _is_limited(text: str) -> bool:
    return "rate limit" in text or "too many requests" in text


# ---------------------------------------------------------------- the kind


def error_code(
    report: ErrorReport,
    place: Place,
    status: int | None = None,
    *,
    is_page: bool = False,
    is_bare: bool = False,
) -> str:
    """The code of RUN_CODES for what a server reports.

    `status` is that of the response; inside a stream there is none, and a number in the error
    object takes its place. `is_page`: the body is a web page. `is_bare`: it has no message.
    """
    status = status or report.status
    text = report.message.lower()
    for word in report.words:
        if kind := _kind_of_word(word):
            return kind
    if "unavailable_error" in report.words and is_bare:
        return "loading"  # llama.cpp
    if kind := _kind_of_text(text, status, place):
        return kind
    if status in (None, 400, 422, 500) and refused_option(text):
        return "bad_option"
    return _kind_of_status(status, text, place, is_page=is_page)


def _kind_of_status(status: int | None, text: str, place: Place, *, is_page: bool) -> str:
    if status == 404:
        is_bare_path = text.rstrip(". ") in _BARE_NO_PATH
        return "bad_response" if is_page or is_bare_path else "model_not_found"
    if status == 413:
        # a proxy that has a limit of its own; the body of a model server was recognized before
        return "rejected" if _names_a_part(text) else "context_overflow"
    kinds = {401: "denied", 402: "denied", 403: "denied", 405: "bad_response", 408: "timeout"}
    kinds |= {429: "rate_limited", 503: "rate_limited", 529: "busy"}
    if status in kinds:
        return kinds[status]
    if place == "stream":
        return "stream_error"
    return "server_error" if (status or 500) >= 500 else "rejected"


def _names_a_part(text: str) -> bool:
    return _has(text, ("image", "audio", "file", "video", "attachment"))


# ---------------------------------------------------------------- the error to raise


def stream_error(value: Any) -> ProviderError:
    """The error for an error object, or an event that holds one, inside a stream with status
    200."""
    report = parse_report(value)
    message = report.message or error_line(value) or "an error without a message"
    code = error_code(report, "stream")
    return _provider_error(code, message, report, value, cause=_cause(code, report))


def answer_error(
    status: int,
    body: bytes,
    fallback: str,
    *,
    url: str = "",
    is_page: bool = False,
    retry_after_s: float | None = None,
) -> ProviderError:
    """The error for a response with an error status. `fallback` is the message where the body has
    none; `url` is named where the path may be the cause."""
    report = parse_report(body)
    code = error_code(report, "answer", status, is_page=is_page, is_bare=not report.message)
    cause = _cause(code, report, is_page=is_page)
    at = f" at {url}" if url and cause else ""
    message = f"status {status}{at}: {report.message or fallback}"
    if retry_after_s is not None:
        report = report._replace(wait_s=retry_after_s)
    return _provider_error(code, message, report, body, cause=cause)


def _cause(code: str, report: ErrorReport, *, is_page: bool = False) -> str:
    """The cause within a code, for hints."""
    if _has(report.message.lower(), _OTHER_SCHEME):
        return "tls"
    if code != "bad_response":
        return ""
    return "page" if is_page else "path"


def _provider_error(
    code: str, message: str, report: ErrorReport, value: Any, *, cause: str
) -> ProviderError:
    is_overflow = code == "context_overflow"
    counts = parse_overflow(message, value) if is_overflow else None
    return ProviderError(
        code,
        message,
        retry_after_s=report.wait_s,
        cause=cause,
        prompt_tokens=counts.prompt_tokens if counts else None,
        context_tokens=counts.context_tokens if counts else None,
    )
