"""HTTP to one provider: pooled, several addresses, no proxy on loopback, and every failure told in orch's words."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from orch.backends.addresses import Addresses
from orch.config.addresses import is_loopback
from orch.errors import BackendError, ConfigError

if TYPE_CHECKING:
    import httpx

CONNECT_S = 3.0
DRAIN_S = 0.2
QUICK_S = 5.0
"""For questions that a living server answers from memory: its version, its list of models."""
_NEXT_ADDRESS = (429, 502, 503, 504)
_OVERFLOW = ("context", "exceed", "too long", "input length", "too many tokens", "truncat")
_BROKE_OFF = ("ServerDisconnectedError", "ClientOSError", "ClientConnectionResetError")
"""aiohttp's errors of a connection that was there; its transport for httpx takes them for one that was not."""
_T = TypeVar("_T")


class Http:
    """The addresses of one provider. A client for each event loop and address, made at first use."""

    def __init__(self, urls: Sequence[str], api_key: str | None = None, *, many: bool = False) -> None:
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigError("an api_key holds what no HTTP header can carry (a line end, an accent)", "look at the variable it comes from")
        self.urls = tuple(url.rstrip("/") for url in urls)
        self._many = many
        self._headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {api_key}"} if api_key else {})}
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, httpx.AsyncClient]] = weakref.WeakKeyDictionary()
        self.addresses = Addresses(self.urls)
        self._addresses: dict[tuple[str, str], httpx.URL] = {}

    @property
    def local(self) -> bool:
        """Whether every address is on this machine."""
        return all(is_loopback(url) for url in self.urls)

    def _client(self, url: str) -> httpx.AsyncClient:
        httpx = _httpx()
        clients = self._clients.setdefault(asyncio.get_running_loop(), {})
        if url not in clients:
            loopback = is_loopback(url)
            clients[url] = httpx.AsyncClient(
                base_url=url,
                headers=self._headers,
                # with HTTP_PROXY set, httpx would send local prompts out
                trust_env=not loopback,
                # loading the certificate store costs 20 ms and plain HTTP needs none
                verify=not (loopback and url.startswith("http:")),
                timeout=httpx.Timeout(None, connect=CONNECT_S),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                transport=_transport(url) if self._many and loopback else None,
            )
        return clients[url]

    @asynccontextmanager
    async def stream(self, method: str, path: str, body: Any = None, *, timeout_s: float | None = None, affinity: str = "") -> AsyncIterator[httpx.Response]:
        """A response whose body is still to come. Tries the next address where one fails. Raises BackendError."""
        httpx = _httpx()
        url, response = await self._first_that_answers(method, path, body, timeout_s, affinity)
        failed = response.status_code in _NEXT_ADDRESS
        try:
            await _refuse_errors(response)
            yield response
        except httpx.HTTPError as error:
            failed = True
            raise _translated(error, str(response.url)) from error
        finally:
            self.addresses.ended(url, failed=failed, retry_after_s=_retry_after(response.headers.get("retry-after")) if failed else None)
            # a stream that was left unread is cut here, which ends generation at the server
            await response.aclose()

    async def _first_that_answers(self, method: str, path: str, body: Any, timeout_s: float | None, affinity: str) -> tuple[str, httpx.Response]:
        """The response of the first address that is well, which has begun and not ended."""
        failure = BackendError("connect", "the provider has no address")
        order = self.addresses.order(affinity)
        for url in order:
            self.addresses.began(url)
            try:
                response = await self._send(url, method, path, body, timeout_s)
            except BackendError as error:
                self.addresses.ended(url, failed=True)
                failure = error
                continue
            except BaseException:
                self.addresses.ended(url, failed=False)
                raise
            if response.status_code in _NEXT_ADDRESS and url != order[-1]:
                self.addresses.ended(url, failed=True, retry_after_s=_retry_after(response.headers.get("retry-after")))
                await response.aclose()
                continue
            return url, response
        raise failure

    async def _send(self, url: str, method: str, path: str, body: Any, timeout_s: float | None) -> httpx.Response:
        library = _httpx()
        try:
            client = self._client(url)
            headers = client.headers if body is None else {**client.headers, "Content-Type": "application/json"}
            content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            # not client.build_request, which takes an address apart and puts it together again for each request (a tenth of its time)
            request = library.Request(method, self._address(url, path), content=content, headers=headers)
            request.extensions["timeout"] = library.Timeout(timeout_s, connect=CONNECT_S).as_dict()
            response: httpx.Response = await client.send(request, stream=True)
            return response
        except (library.HTTPError, library.InvalidURL) as error:
            raise _translated(error, url) from None

    def _address(self, url: str, path: str) -> httpx.URL:
        key = (url, path)
        if key not in self._addresses:
            self._addresses[key] = _httpx().URL(f"{url}/{path.lstrip('/')}")
        return self._addresses[key]

    async def json(self, method: str, path: str, body: Any = None, *, timeout_s: float | None = QUICK_S) -> dict[str, Any]:
        """The JSON object of an answer. Raises BackendError."""
        async with self.stream(method, path, body, timeout_s=timeout_s) as response:
            data = await response.aread()
            try:
                value = json.loads(data)
            except ValueError:
                value = None
            if not isinstance(value, dict):
                raise BackendError("bad_response", f"{response.url} did not answer with JSON{_looks(data)}")
            return value

    async def aclose(self) -> None:
        """Closes the clients of this event loop."""
        for client in self._clients.pop(asyncio.get_running_loop(), {}).values():
            await client.aclose()


def _transport(url: str) -> Any:
    """aiohttp's transport, where it is installed: under many requests three times as fast as httpx's own (2,851 against 798 requests/s)."""
    try:
        import aiohttp
        from httpx_aiohttp import AiohttpTransport
    except ImportError:
        return None

    def session() -> Any:
        # no limit (0) of connections: the gate counts them
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=url.startswith("https:"))
        return aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False)

    return AiohttpTransport(client=session, verify=False, trust_env=False)


def _httpx() -> Any:
    """httpx without its command line, which would import rich and pygments at every start (2x `python -c pass`)."""
    import sys

    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    import httpx

    return httpx


async def with_deadlines(items: AsyncGenerator[_T], first_s: float, next_s: float) -> AsyncGenerator[_T]:
    """The same items; raises BackendError when the first or a later one lets wait too long. Closes `items` when it ends."""
    limit, code = first_s, "timeout"
    async with aclosing(items):
        while True:
            try:
                async with asyncio.timeout(limit):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                said = "no token came" if code == "timeout" else "the stream stood still"
                raise BackendError(code, f"{said} for {limit:g} s") from None
            yield item
            limit, code = next_s, "stalled"


async def drain(items: AsyncGenerator[Any]) -> None:
    """Reads the end of a body whose last event was seen, so that its connection can be used again."""
    with suppress(TimeoutError, BackendError):
        async with asyncio.timeout(DRAIN_S):
            await anext(items, None)


# ---------------------------------------------------------------- failures in our words


def _translated(error: Exception, url: str) -> BackendError:
    httpx = _httpx()
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) and type(error.__cause__).__name__ not in _BROKE_OFF:
        return BackendError("connect", f"can't connect to {url}: {said}")
    if isinstance(error, httpx.TimeoutException) and type(error.__cause__).__name__ not in _BROKE_OFF:
        return BackendError("timeout", f"{url} did not answer in time")
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return BackendError("connect", f"{url} is no address that can be used: {said}")
    return BackendError("cut", f"the connection to {url} broke: {said}")


async def _refuse_errors(response: httpx.Response) -> None:
    content_type = response.headers.get("content-type", "")
    if response.status_code < 400:
        if "html" in content_type:
            raise BackendError("bad_response", f"{response.url} answered with a web page: is this a model server?")
        return
    body = await response.aread()
    message = error_text(body) or f"{response.reason_phrase}{_looks(body)}"
    raise BackendError(
        _status_code(response.status_code, message, is_page="html" in content_type),
        f"status {response.status_code}: {message}",
        retry_after_s=_retry_after(response.headers.get("retry-after")),
    )


def _status_code(status: int, message: str, *, is_page: bool) -> str:
    said = message.lower()
    if status == 404:
        return "bad_response" if is_page or "page not found" in said else "model_not_found"
    if status in (400, 413) and any(word in said for word in _OVERFLOW):
        return "context_overflow"
    if status in (429, 503):
        return "rate_limited"
    if status == 408:
        return "timeout"
    if status >= 500:
        # llama.cpp behind Ollama passes its own overflow on as a server error
        return "context_overflow" if "exceed" in said and "context" in said else "server_error"
    return "rejected"


def error_text(body: bytes) -> str:
    """What a server's error body says: Ollama's and OpenAI's forms, also one inside the other."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return ""
    for _ in range(4):
        if isinstance(value, dict):
            value = value.get("error", value.get("message", value.get("detail", "")))
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except ValueError:
                break
        else:
            break
    return " ".join(str(value).split())[:500] if value else ""


def _looks(body: bytes) -> str:
    return " (a web page)" if b"<html" in body[:2000].lower() else ""


def _retry_after(value: str | None) -> float | None:
    try:
        return max(float(value), 0.0) if value else None
    except ValueError:
        return None
