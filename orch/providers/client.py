"""HTTP to one provider: pooled, several addresses, no proxy on loopback, and every failure told in
orch's words."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, TypeVar

from orch.config.urls import display_url, is_loopback
from orch.errors import ConfigError, ProviderError
from orch.providers.load_balancer import InFlightRequest, LoadBalancer
from orch.providers.read_limits import (
    MAX_ERROR_BYTES,
    MAX_JSON_BYTES,
    error_line,
    read_body,
    read_prefix,
)
from orch.providers.transport import (
    HttpResponse,
    Transport,
    open_transport,
    to_provider_error,
    transport_errors,
)

DRAIN_TIMEOUT_S = 0.2
QUICK_TIMEOUT_S = 5.0
"""For questions that a living server answers from memory: its version, its list of models."""
TOTAL_PER_READ_TIMEOUT = 4
"""How many times as long as for its next piece a whole answer is waited for."""
_NEXT_ADDRESS = (429, 502, 503, 504)
_OVERFLOW = ("context", "exceed", "too long", "input length", "too many tokens", "truncat")
_encode = json.JSONEncoder(ensure_ascii=False).encode
_T = TypeVar("_T")


class HttpClient:
    """The addresses of one provider, and a line to each for each event loop, made at first use."""

    def __init__(
        self, urls: Sequence[str], api_key: str | None = None, *, many: bool = False
    ) -> None:
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigError(
                "an api_key holds what no HTTP header can carry (a line end, an accent)",
                "look at the variable it comes from",
            )
        self.urls = tuple(url.rstrip("/") for url in urls)
        self.load_balancer = LoadBalancer(self.urls)
        self._many = many
        self._headers = {
            "Accept-Encoding": "identity",
            **({"Authorization": f"Bearer {api_key}"} if api_key else {}),
        }
        self._lines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Transport]] = (
            weakref.WeakKeyDictionary()
        )

    @property
    def local(self) -> bool:
        """Whether every address is on this machine."""
        return all(is_loopback(url) for url in self.urls)

    def _line(self, url: str) -> Transport:
        lines = self._lines.setdefault(asyncio.get_running_loop(), {})
        if url not in lines:
            lines[url] = open_transport(url, self._headers, many=self._many)
        return lines[url]

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_s: float | None = None,
        at: Sequence[str] = (),
    ) -> AsyncIterator[HttpResponse]:
        """A response whose body is still to come. Where an address fails it tries the next of `at`,
        by default all in their steady order.

        Raises BackendError.
        """
        content = None if body is None else _encode(body).encode("utf-8", "replace")
        visit, response = await self._first_that_answers(
            at or self.load_balancer.fixed_order(), method, path, content, timeout_s
        )
        failed = response.status_code in _NEXT_ADDRESS
        try:
            await _refuse_errors(response)
            yield response
        except transport_errors() as error:
            failed = True
            raise to_provider_error(error, str(response.url)) from error
        finally:
            visit.finish(failed=failed, retry_after_s=_retry_after(response))
            # a stream that was left unread is cut here, which ends generation at the server
            await response.aclose()

    async def _first_that_answers(
        self,
        at: Sequence[str],
        method: str,
        path: str,
        content: bytes | None,
        timeout_s: float | None,
    ) -> tuple[InFlightRequest, HttpResponse]:
        failure = ProviderError("connect", "the provider has no address")
        for url in at:
            visit = self.load_balancer.start(url)
            line: Transport | None = None
            try:
                line = self._line(url)
                response = await line.send(method, path, content, timeout_s)
            except ProviderError as error:  # there is no way to it
                visit.finish(failed=True)
                failure = error
                continue
            except transport_errors() as error:
                visit.finish(failed=True)
                failure = to_provider_error(error, url, line.proxy if line else None)
                continue
            except BaseException:
                # the caller left: that tells nothing of the address
                visit.finish()
                raise
            if response.status_code not in _NEXT_ADDRESS:
                visit.mark_answered()
            elif url != at[-1]:
                visit.finish(failed=True, retry_after_s=_retry_after(response))
                await response.aclose()
                continue
            return visit, response
        raise failure

    async def json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_s: float | None = QUICK_TIMEOUT_S,
        at: Sequence[str] = (),
        most_bytes: int = MAX_JSON_BYTES,
    ) -> dict[str, Any]:
        """The JSON object of an answer. Raises BackendError, also for one of over `most_bytes`, and
        for one that drips: `timeout_s` is for each piece."""
        in_all = None if timeout_s is None else TOTAL_PER_READ_TIMEOUT * timeout_s
        try:
            async with (
                asyncio.timeout(in_all),
                self.stream(method, path, body, timeout_s=timeout_s, at=at) as response,
            ):
                return _object(
                    await read_body(response, most_bytes, f"an answer to {path}"),
                    display_url(str(response.url)),
                )
        except TimeoutError:
            raise ProviderError(
                "timeout", f"the answer to {path} did not come whole within {in_all:g} s"
            ) from None

    async def aclose(self) -> None:
        """Closes the lines of this event loop."""
        for line in self._lines.pop(asyncio.get_running_loop(), {}).values():
            await line.aclose()


async def with_timeouts(
    items: AsyncGenerator[_T], first_s: float, next_s: float
) -> AsyncGenerator[_T]:
    """The same items; raises BackendError when the first or a later one lets wait too long. Closes
    `items` when it ends."""
    limit, code = first_s, "timeout"
    async with aclosing(items):
        while True:
            try:
                async with asyncio.timeout(limit):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                what = "no token came" if code == "timeout" else "the stream stood still"
                raise ProviderError(code, f"{what} for {limit:g} s") from None
            yield item
            limit, code = next_s, "stalled"


async def drain(items: AsyncGenerator[Any]) -> None:
    """Reads the end of a body whose last event was seen, so that its connection can be used
    again."""
    with suppress(TimeoutError, ProviderError):
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            await anext(items, None)


# ---------------------------------------------------------------- failures in our words


def _object(data: bytes, url: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProviderError("bad_response", f"{url} did not answer with JSON{_looks(data)}")
    return value


async def _refuse_errors(response: HttpResponse) -> None:
    content_type = response.headers.get("content-type", "")
    if response.status_code < 400:
        if "html" in content_type:
            raise ProviderError(
                "bad_response",
                f"{display_url(str(response.url))} answered with a web page: is this a model"
                " server?",
            )
        return
    body, is_whole = await read_prefix(response, MAX_ERROR_BYTES)
    cut = (
        ""
        if is_whole
        else f" (with an error text of over {MAX_ERROR_BYTES // 1_000_000} MB, which is not read)"
    )
    message = error_message_of(body) or f"{error_line(response.reason_phrase)}{_looks(body)}{cut}"
    code, told = (
        _status_code(response.status_code, message, is_page="html" in content_type),
        f"status {response.status_code}: {message}",
    )
    if code == "context_overflow":
        raise context_overflow_error(told, body)
    raise ProviderError(code, told, retry_after_s=_retry_after(response))


def context_overflow_error(message: str, body: bytes = b"") -> ProviderError:
    """The refusal of too long a prompt, with the numbers that it tells."""
    from orch.providers.context_overflow import (
        parse_overflow,
    )  # a dozen regular expressions, 5 ms, which few runs need

    told = parse_overflow(message, body)
    return ProviderError(
        "context_overflow", message, counted=told.prompt_tokens, held=told.context_tokens
    )


def _status_code(status: int, message: str, *, is_page: bool) -> str:
    text = message.lower()
    if status == 404:
        return "bad_response" if is_page or "page not found" in text else "model_not_found"
    if status in (400, 413) and any(word in text for word in _OVERFLOW):
        return "context_overflow"
    if status in (429, 503):
        return "rate_limited"
    if status in (401, 403):
        return "denied"  # the provider's key is wrong: nothing that who asked could mend
    if status == 408:
        return "timeout"
    if status >= 500:
        # llama.cpp behind Ollama passes its own overflow on as a server error
        return "context_overflow" if "exceed" in text and "context" in text else "server_error"
    return "rejected"


def error_message_of(body: bytes) -> str:
    """What a server's error body says: Ollama's and OpenAI's forms, also one inside the other."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for _ in range(4):
        if isinstance(value, dict):
            value = value.get("error", value.get("message", value.get("detail", "")))
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                break
        else:
            break
    return error_line(value) if value else ""


def _looks(body: bytes) -> str:
    return " (a web page)" if b"<html" in body[:2000].lower() else ""


def _retry_after(response: HttpResponse) -> float | None:
    value = response.headers.get("retry-after")
    try:
        return max(float(value), 0.0) if value else None
    except ValueError:
        return None
