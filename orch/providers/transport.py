"""HTTP transport for one base URL: httpx, or aiohttp under concurrency; maps the errors of both to
ProviderError."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from orch.config.urls import display_url
from orch.errors import ProviderError
from orch.providers.proxies import Proxy, proxy_fault, proxy_for
from orch.text.lines import one_line

if TYPE_CHECKING:
    from aiohttp import ClientResponse

CONNECT_TIMEOUT_S = 3.0
LARGE_BYTES = 1_000_000
KEEPALIVE_S = 4.0
"""How long an idle connection is kept. uvicorn (vLLM) and llama.cpp close it after 5 s, and a
request that meets the closing must be sent again."""


class HttpResponse(Protocol):
    """A response whose body is not read yet: httpx's Response, or the wrapper of aiohttp's."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""

    @property
    def reason_phrase(self) -> str:
        """The text beside the status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Case-insensitive headers."""

    @property
    def url(self) -> object:
        """The URL of the request."""

    async def aread(self) -> bytes:
        """Reads the whole body."""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yields the body as it arrives."""

    async def aclose(self) -> None:
        """Returns the connection to the pool, or closes it if the body was not read to its end."""


class Transport(ABC):
    """Connections of one event loop to one address. Made by `open_transport`."""

    proxy: Proxy | None = None
    _answered = False

    async def send(
        self, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse:
        """Sends a request; the response body is not read yet. Raises one of
        `transport_errors()`."""
        try:
            response = await self._send(method, path, content, timeout_s)
        except transport_errors() as error:
            if not self._answered or not _is_disconnect(error):
                raise
            # the server closed an idle connection as the request went out; if the server is gone,
            # the first error describes that better
            try:
                response = await self._send(method, path, content, timeout_s)
            except transport_errors():
                raise error from error.__cause__
        self._answered = True
        return response

    @abstractmethod
    async def _send(
        self, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Closes the connections."""


def open_transport(url: str, headers: Mapping[str, str], *, concurrent: bool = False) -> Transport:
    """Opens an aiohttp transport if `concurrent` and aiohttp is installed: three times as fast as
    httpx (2,851 against 798 requests/s). Otherwise an httpx transport.

    Raises ProviderError for an unusable proxy of the environment.
    """
    # only httpx handles a proxy, and credentials in the URL
    proxy = proxy_for(url)
    if concurrent and "@" not in url and proxy is None:
        try:
            return _AiohttpTransport(url, headers)
        except ImportError:
            pass
    return _HttpxTransport(url, headers, proxy)


class _HttpxTransport(Transport):
    def __init__(self, url: str, headers: Mapping[str, str], proxy: Proxy | None) -> None:
        self._url, self.proxy, self._client = url, proxy, _open_client(url, proxy)
        self._headers = {**self._client.headers, **headers}

    async def _send(
        self, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse:
        connect, read = CONNECT_TIMEOUT_S, timeout_s
        timeout = {"connect": connect, "pool": connect, "read": read, "write": read}
        # not client.build_request: it parses and rebuilds the URL for each request, a tenth of the
        # request's time
        request = import_httpx().Request(
            method,
            _joined(self._url, path),
            content=content,
            headers=_with_content_type(self._headers, content),
            extensions={"timeout": timeout},
        )
        response: HttpResponse = await self._client.send(request, stream=True)
        return response

    async def aclose(self) -> None:
        await self._client.aclose()


def _open_client(url: str, proxy: Proxy | None) -> Any:
    httpx = import_httpx()
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_S
    )
    try:
        return httpx.AsyncClient(limits=limits, **client_options(url, proxy))
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise ProviderError("connect", _unusable_message(url, proxy, error)) from None


def client_options(url: str, proxy: Proxy | None) -> dict[str, Any]:
    """The proxy and TLS options of an httpx client for a URL. Raises ProviderError for an unusable
    proxy."""
    if proxy is not None and (fault := proxy_fault(proxy, url)):
        raise ProviderError("connect", fault)
    # loading the certificate store costs 20 ms, and plain HTTP needs none; it honours
    # SSL_CERT_FILE, which httpx with trust_env=False would ignore. With trust_env, httpx would
    # choose the proxy itself and send local prompts out.
    verify = import_httpx().create_ssl_context() if url.startswith("https:") else False
    return {"trust_env": False, "proxy": proxy.url if proxy else None, "verify": verify}


def _unusable_message(url: str, proxy: Proxy | None, error: Exception) -> str:
    # the error may quote part of a password
    detail = "" if "@" in url else f": {one_line(str(error))}"
    if proxy:
        return f"{proxy.source} names a proxy that can't be used ({proxy.display_url}){detail}"
    return f"{display_url(url)} is not an address that can be used{detail}"


class _AiohttpTransport(Transport):
    """aiohttp itself, not as a transport of httpx, which would halve its speed. Raises ImportError
    if it is not installed."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        import aiohttp

        self._url, self._headers = url, {"Accept": "*/*", **headers}
        self._timeouts = aiohttp.ClientTimeout
        ssl = import_httpx().create_ssl_context() if url.startswith("https:") else False
        # no limit (0) of connections: admission limits the requests
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ssl=ssl)
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",),
        )

    async def _send(
        self, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse:
        # aiohttp warns about bytes of over a megabyte, but not about a file
        is_large = content is not None and len(content) > LARGE_BYTES
        response = await self._session.request(
            method,
            _joined(self._url, path),
            data=BytesIO(content or b"") if is_large else content,
            headers=_with_content_type(self._headers, content),
            allow_redirects=False,
            timeout=self._timeouts(
                connect=CONNECT_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s
            ),
        )
        return _AiohttpResponse(response)

    async def aclose(self) -> None:
        await self._session.close()


class _AiohttpResponse:
    """aiohttp's ClientResponse with httpx's names."""

    __slots__ = ("_response", "headers", "status_code", "url")

    def __init__(self, response: ClientResponse) -> None:
        self._response = response
        self.status_code, self.headers, self.url = response.status, response.headers, response.url

    @property
    def reason_phrase(self) -> str:
        return self._response.reason or ""

    async def aread(self) -> bytes:
        return await self._response.read()

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def aclose(self) -> None:
        self._response.release()


def _joined(url: str, path: str) -> str:
    if "://" in path:  # the target of a redirect
        return path
    return f"{url}/{path.lstrip('/')}"


def _with_content_type(headers: Mapping[str, str], content: bytes | None) -> Mapping[str, str]:
    return headers if content is None else {**headers, "Content-Type": "application/json"}


def import_httpx() -> Any:
    """Imports httpx without its command line, which would import rich and pygments at every start
    (2x `python -c pass`)."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    import httpx

    return httpx


# ---------------------------------------------------------------- errors


def transport_errors() -> tuple[type[Exception], ...]:
    """The exceptions that sending and reading may raise."""
    httpx, aiohttp = import_httpx(), sys.modules.get("aiohttp")
    return (httpx.HTTPError, httpx.InvalidURL, *((aiohttp.ClientError,) if aiohttp else ()))


def _is_disconnect(error: BaseException) -> bool:
    """Whether the server closed the connection before the first byte of its response."""
    httpx, aiohttp = import_httpx(), sys.modules.get("aiohttp")
    if isinstance(error, httpx.RemoteProtocolError) and "without sending a response" in str(error):
        return True
    closed: tuple[type[BaseException], ...] = (ConnectionResetError, BrokenPipeError)
    if aiohttp:
        closed = (*closed, aiohttp.ServerDisconnectedError)
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, closed):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def to_provider_error(error: BaseException, url: str, proxy: Proxy | None = None) -> ProviderError:
    """Converts one of `transport_errors()` to a ProviderError: connect, timeout or cut."""
    detail, url = one_line(_detail(error)) or type(error).__name__, display_url(url)
    match _category(error):
        case "connect":
            through = (
                f" through the proxy {proxy.display_url} that {proxy.source} names" if proxy else ""
            )
            return ProviderError("connect", f"can't connect to {url}{through}: {detail}")
        case "timeout":
            return ProviderError("timeout", f"{url} did not answer in time")
        case "address":
            return ProviderError("connect", f"{url} is not an address that can be used: {detail}")
        case _:
            return ProviderError("cut", f"the connection to {url} broke: {detail}")


def _detail(error: BaseException) -> str:
    """The message of an error; of a failed connection that of the operating system: aiohttp's
    mentions TLS also for plain HTTP."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # asyncio would say "Connect call failed ('127.0.0.1', 1)"
    return str(cause.strerror or cause) if isinstance(cause, OSError) else str(cause)


def _category(error: BaseException) -> str:
    httpx, aiohttp = import_httpx(), sys.modules.get("aiohttp")
    categories: dict[str, tuple[Any, ...]] = {
        "connect": (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError),
        "timeout": (httpx.TimeoutException,),
        "address": (httpx.InvalidURL, httpx.UnsupportedProtocol),
    }
    if aiohttp and isinstance(error, aiohttp.ClientError):
        categories = {
            "connect": (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
            "timeout": (aiohttp.ServerTimeoutError,),
            "address": (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError),
        }
    return next((name for name, errors in categories.items() if isinstance(error, errors)), "cut")


# ---------------------------------------------------------------- for libraries that read by httpx


def bounded_transport(url: str, proxy: Proxy | None, max_bytes: int) -> Any:
    """An httpx transport whose responses fail after `max_bytes`. Raises ProviderError for an
    unusable proxy."""
    httpx, options = import_httpx(), client_options(url, proxy)

    class BoundedTransport(httpx.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            response = super().handle_request(request)
            response.stream = BoundedStream(response.stream)
            return response

    class BoundedStream(httpx.SyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for chunk in self._stream:
                size += len(chunk)
                if size > max_bytes:
                    megabytes = f"{max_bytes / 1e6:g} MB"
                    raise httpx.ReadError(f"the server sent over {megabytes}: the rest is not read")
                yield chunk

        def close(self) -> None:
            self._stream.close()

    return BoundedTransport(**options)
