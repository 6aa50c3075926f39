"""HTTP client for one provider: pooled connections to its addresses, with failover; every failure
becomes a ProviderError."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from orch.config.headers import request_headers
from orch.config.urls import display_url, is_local_url
from orch.errors import ProviderError
from orch.providers.http.errors import to_provider_error, transport_errors
from orch.providers.http.loading import when_loaded
from orch.providers.http.transport import Endpoint, HttpResponse, Transport, open_transport
from orch.providers.load_balancer import InFlightRequest, LoadBalancer, parse_retry_after
from orch.providers.read_limits import (
    MAX_ERROR_BYTES,
    MAX_JSON_BYTES,
    MAX_VECTOR_BYTES,
    error_line,
    read_body,
    read_prefix,
)
from orch.providers.stall_timer import PauseDetector, StallTimer

DRAIN_TIMEOUT_S = 0.2
QUICK_TIMEOUT_S = 5.0
"""For requests that a working server answers from memory: its version, its list of models."""
MOST_REDIRECTS = 3
"""Redirects within one server that are followed for one request."""
EMBED_TIMEOUT_S = 120.0
TOTAL_PER_READ_TIMEOUT = 4
"""The timeout of a whole response, as a multiple of the timeout of one read."""
_NEXT_ADDRESS = (429, 502, 503, 504)
"""Statuses after which another address is tried."""
_encode = json.JSONEncoder(ensure_ascii=False).encode
_T = TypeVar("_T")


class HttpClient:
    """The addresses of one provider, with a transport for each address and event loop, opened at
    first use."""

    def __init__(
        self,
        urls: Sequence[str],
        api_key: str | None = None,
        *,
        headers: Mapping[str, str] = {},
        verify: str | None = None,
        concurrent: bool = False,
    ) -> None:
        self.urls = tuple(url.rstrip("/") for url in urls)
        self.load_balancer = LoadBalancer(self.urls)
        self._concurrent = concurrent
        self.endpoint = partial(Endpoint, headers=request_headers(api_key, headers), verify=verify)
        """One of the addresses, with what every request to it has."""
        self._transports: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[str, Transport]
        ] = weakref.WeakKeyDictionary()

    @property
    def local(self) -> bool:
        """Whether every address is on this machine."""
        return all(is_local_url(url) for url in self.urls)

    def _transport(self, url: str) -> Transport:
        transports = self._transports.setdefault(asyncio.get_running_loop(), {})
        if url not in transports:
            transports[url] = open_transport(self.endpoint(url), concurrent=self._concurrent)
        return transports[url]

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
        """Opens a response whose body is not read yet, at the first address of `at` that works (by
        default all addresses in their configured order). Raises ProviderError."""
        content = None if body is None else _encode(body).encode("utf-8", "replace")
        urls = at or self.load_balancer.fixed_order()
        request, response = await self._send_to_first(urls, method, path, content, timeout_s)
        failed = False
        try:
            await raise_for_status(response)
            yield response
        except transport_errors() as error:
            failed = True
            raise to_provider_error(error, str(response.url)) from error
        finally:
            request.finish(failed=failed)
            # closing a stream that was not read to its end stops generation at the server
            await response.aclose()

    async def _send_to_first(
        self,
        urls: Sequence[str],
        method: str,
        path: str,
        content: bytes | None,
        timeout_s: float | None,
    ) -> tuple[InFlightRequest, HttpResponse]:
        failure = ProviderError("connect", "the provider has no address")
        for url in urls:
            request = self.load_balancer.start(url)
            try:
                send = partial(self._send, url, method, path, content, timeout_s)
                response = await self._again_after_pause(send)
                if response.status_code not in _NEXT_ADDRESS:
                    request.mark_answered()
                    return request, response
                error = await _unavailable_error(response)
            except ProviderError as unreachable:
                error = unreachable
            except BaseException:
                # a cancellation says nothing about the address
                request.finish()
                raise
            # an address that loads its model works, and needs no cooldown
            request.finish(failed=error.code != "loading", retry_after_s=error.retry_after_s)
            failure = failure if failure.code == "loading" else error
        raise failure

    async def _send(
        self, url: str, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse:
        """Sends a request to one address and follows its redirects. Raises ProviderError."""
        transport = self._transport(url)
        try:
            response = await transport.send(method, path, content, timeout_s)
            for _ in range(MOST_REDIRECTS):
                if not _is_redirect(response):
                    break
                target = await _redirect_target(response)
                response = await transport.send(method, target, content, timeout_s)
        except transport_errors() as error:
            raise to_provider_error(error, url, transport.proxy) from error
        return response

    async def json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_s: float | None = QUICK_TIMEOUT_S,
        at: Sequence[str] = (),
        max_bytes: int = MAX_JSON_BYTES,
    ) -> dict[str, Any]:
        """Returns the JSON object of a response.

        `timeout_s` applies to each read; a response that trickles in ends after
        TOTAL_PER_READ_TIMEOUT times as long. Raises ProviderError, also for over `max_bytes`.
        """
        ask = partial(self._json, method, path, body, timeout_s, at, max_bytes)
        return await self._again_after_pause(ask)

    async def _json(
        self,
        method: str,
        path: str,
        body: Any,
        timeout_s: float | None,
        at: Sequence[str],
        max_bytes: int,
    ) -> dict[str, Any]:
        total_s = None if timeout_s is None else TOTAL_PER_READ_TIMEOUT * timeout_s
        try:
            async with (
                asyncio.timeout(total_s),
                self.stream(method, path, body, timeout_s=timeout_s, at=at) as response,
            ):
                data = await read_body(response, max_bytes, f"an answer to {path}")
                value = _parse_object(data, display_url(str(response.url)))
                if value.get("error"):  # LM Studio answers unknown paths with status 200
                    raise load_stream_error(value)
                return value
        except TimeoutError:
            message = f"the answer to {path} was not complete within {total_s:g} s"
            raise ProviderError("timeout", message) from None

    async def _again_after_pause(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The result of a call, made again if it timed out while this process was stopped: Ctrl-Z
        is for commands, whose clients are not `concurrent`."""
        if self._concurrent:
            return await call()
        with PauseDetector() as pauses:
            try:
                return await call()
            except ProviderError as failure:
                if not (pauses.has_paused and failure.code in ("connect", "timeout")):
                    raise
        return await call()

    async def embeddings(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """`json` for `input` texts; waits up to EMBED_TIMEOUT_S while the `model` is loaded."""
        size = MAX_JSON_BYTES + MAX_VECTOR_BYTES * len(body["input"])

        def ask(left_s: float) -> Awaitable[dict[str, Any]]:
            at = self.load_balancer.order()
            return self.json("POST", path, body, timeout_s=left_s, at=at, max_bytes=size)

        return await when_loaded(body["model"], EMBED_TIMEOUT_S, ask)

    async def aclose(self) -> None:
        """Closes the transports of this event loop."""
        for transport in self._transports.pop(asyncio.get_running_loop(), {}).values():
            await transport.aclose()


async def with_timeouts(
    items: AsyncGenerator[_T],
    first_s: float,
    next_s: float,
    progress: Callable[[], object] = object,
) -> AsyncGenerator[_T]:
    """Yields the same items; raises ProviderError if the first or a later one takes too long, not
    counting the time that this process was stopped. Closes `items` at the end.

    An item after which `progress` returns the same as before is no token: any number of them, one
    after another, extend the wait to `first_s` in all.
    """
    limit, code, timer = first_s, "timeout", StallTimer()
    made, goes_on, is_idle = progress(), False, True
    async with aclosing(items):
        try:
            while True:
                try:
                    if goes_on and timer.has_expired:
                        raise TimeoutError
                    item = await timer.wait(anext(items), limit, goes_on=goes_on)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    what = "no token came" if code == "timeout" else "the stream stalled"
                    raise ProviderError(code, f"{what} for {limit:g} s") from None
                yield item
                if (now := progress()) != made:
                    limit, code, made, goes_on, is_idle = next_s, "stalled", now, False, False
                else:
                    limit, goes_on, is_idle = first_s, is_idle, True
        finally:
            timer.close()


async def drain(items: AsyncGenerator[Any]) -> None:
    """Reads the rest of a body after its last event, so that the connection can be reused."""
    with suppress(TimeoutError, ProviderError):
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            await anext(items, None)


# ---------------------------------------------------------------- errors


def _parse_object(data: bytes, url: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProviderError("bad_response", f"{url} did not answer with JSON{_page_note(data)}")
    return value


async def raise_for_status(response: HttpResponse) -> None:
    """Raises ProviderError for a response that is an error, or none of a model server."""
    if response.status_code >= 400:
        raise await _answer_error(response)
    url = display_url(str(response.url))
    if response.status_code >= 300:
        message = f"status {response.status_code}: {url} redirects too often, or to nowhere"
        raise ProviderError("bad_response", message, cause="redirect")
    if _is_page(response):
        message = f"{url} answered with a web page: is this a model server?"
        raise ProviderError("bad_response", message, cause="page")


async def _unavailable_error(response: HttpResponse) -> ProviderError:
    """The error of a response after which another address is tried. Closes it."""
    try:
        async with asyncio.timeout(QUICK_TIMEOUT_S):
            return await _answer_error(response)
    except TimeoutError:
        code, detail = "server_error", "its body did not come"
    except transport_errors() as error:
        code, detail = "server_error", to_provider_error(error, str(response.url)).message
    finally:
        await response.aclose()
    return ProviderError(code, f"status {response.status_code}: {detail}")


def _is_redirect(response: HttpResponse) -> bool:
    return 300 <= response.status_code < 400 and "location" in response.headers


async def _redirect_target(response: HttpResponse) -> str:
    """Where a redirect within the server leads. Closes the response; raises ProviderError."""
    from orch.providers.http.redirects import redirect_target  # few servers redirect

    await response.aclose()
    location = response.headers.get("location", "")
    return redirect_target(response.status_code, str(response.url), location)


async def _answer_error(response: HttpResponse) -> ProviderError:
    """The error of a response with an error status, whose body is read."""
    # the codes and phrases of a dozen servers, 6 ms, which few runs need
    from orch.providers.server_errors import answer_error

    body, is_whole = await read_prefix(response, MAX_ERROR_BYTES)
    return answer_error(
        response.status_code,
        body,
        _fallback_message(response, body, is_whole=is_whole),
        url=display_url(str(response.url)),
        is_page=_is_page(response),
        retry_after_s=parse_retry_after(response.headers.get("retry-after", "")),
    )


def _is_page(response: HttpResponse) -> bool:
    return "html" in response.headers.get("content-type", "")


def _fallback_message(response: HttpResponse, body: bytes, *, is_whole: bool) -> str:
    megabytes = MAX_ERROR_BYTES // 1_000_000
    cut = "" if is_whole else f" (with an error text of over {megabytes} MB, which is not read)"
    return f"{error_line(response.reason_phrase)}{_page_note(body)}{cut}"


def load_stream_error(error: Any) -> ProviderError:
    """The error for an error object, or an event that holds one, inside a stream."""
    from orch.providers import server_errors  # as in `_answer_error`

    return server_errors.stream_error(error)


def _page_note(body: bytes) -> str:
    return " (a web page)" if b"<html" in body[:2000].lower() else ""
