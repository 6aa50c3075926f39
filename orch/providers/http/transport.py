"""HTTP transport for one base URL: httpx, or aiohttp under concurrency. Both send the same requests
and give the same bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from orch.config.urls import display_url
from orch.errors import ProviderError
from orch.providers.http.errors import BrokenBody, is_disconnect, transport_errors
from orch.providers.http.httpx_options import client_options, import_httpx, tls_verification
from orch.providers.http.proxies import Proxy, proxy_for
from orch.text.lines import one_line

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from orch.providers.http.content_encodings import Decoder

CONNECT_TIMEOUT_S = 3.0
LARGE_BYTES = 1_000_000
KEEPALIVE_S = 4.0
"""How long an idle connection is kept. uvicorn (vLLM) and llama.cpp close it after 5 s, and a
request that meets the closing must be sent again."""

Content = bytes | AsyncIterable[bytes] | None
"""The body of a request; in parts, it is sent as they come."""


class Endpoint(NamedTuple):
    """A base URL, and what every request to it has."""

    url: str
    headers: Mapping[str, str]
    verify: str | None = None
    """The file or folder of the certificates that it is trusted by; None for the usual ones."""


class HttpResponse(Protocol):
    """A response whose body is not read yet."""

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

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yields the body as it arrives, decoded."""

    async def aclose(self) -> None:
        """Returns the connection to the pool, or closes it if the body was not read to its end."""


class Transport(ABC):
    """Connections of one event loop to one address. Made by `open_transport`."""

    proxy: Proxy | None = None
    _answered = False

    async def send(
        self, method: str, path: str, content: Content, timeout_s: float | None
    ) -> HttpResponse:
        """Sends a request; the response body is not read yet. A body in parts can't be sent again:
        it needs a transport of its own.

        Raises one of `transport_errors()`, and ProviderError for a body that can't be decoded.
        """
        try:
            response = await self._send(method, path, content, timeout_s)
        except transport_errors() as error:
            if not self._answered or not is_disconnect(error):
                raise
            # the server closed an idle connection as the request went out; if the server is gone,
            # the first error describes that better
            try:
                response = await self._send(method, path, content, timeout_s)
            except transport_errors():
                raise error from error.__cause__
        self._answered = True
        if encoding := response.content_encoding:
            await _set_decoders(response, encoding)
        return response

    @abstractmethod
    async def _send(
        self, method: str, path: str, content: Content, timeout_s: float | None
    ) -> _Response: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Closes the connections."""


async def _set_decoders(response: _Response, encoding: str) -> None:
    # few servers compress what they were asked not to
    from orch.providers.http.content_encodings import decoders_for

    try:
        response.decoders = decoders_for(encoding)
    except ProviderError:
        if response.status_code < 400:
            await response.aclose()
            raise
        response.decoders = None  # what an error's status says counts more than its text


def open_transport(endpoint: Endpoint, *, concurrent: bool = False) -> Transport:
    """Opens an aiohttp transport if `concurrent` and aiohttp is installed: three times as fast as
    httpx (2,851 against 798 requests/s). Otherwise an httpx transport.

    Raises ProviderError for an unusable proxy of the environment, or an unusable certificate file.
    """
    # only httpx handles a proxy, and credentials in the URL
    proxy = proxy_for(endpoint.url)
    if concurrent and "@" not in endpoint.url and proxy is None:
        try:
            return _AiohttpTransport(endpoint)
        except ImportError:
            pass
    return _HttpxTransport(endpoint, proxy)


class _Response(ABC):
    """A library's response. `decoders` is empty for a body as it comes, None for one that stays
    unread."""

    __slots__ = ("content_encoding", "decoders", "headers", "reason_phrase", "status_code", "url")

    headers: Mapping[str, str]
    reason_phrase: str
    status_code: int
    url: object
    content_encoding: str
    decoders: list[Decoder] | None

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        if self.decoders is None:
            return _nothing()
        if not self.decoders:
            return self._raw()
        from orch.providers.http.content_encodings import decode

        return decode(self._raw(), self.decoders)

    @abstractmethod
    def _raw(self) -> AsyncIterator[bytes]:
        """Yields the body as it arrives."""

    @abstractmethod
    async def aclose(self) -> None: ...


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


class _HttpxTransport(Transport):
    def __init__(self, endpoint: Endpoint, proxy: Proxy | None) -> None:
        self.proxy, self._client = proxy, _open_client(endpoint, proxy)
        self._url, self._headers = endpoint.url, endpoint.headers

    async def _send(
        self, method: str, path: str, content: Content, timeout_s: float | None
    ) -> _Response:
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
        return _HttpxResponse(await self._client.send(request, stream=True))

    async def aclose(self) -> None:
        await self._client.aclose()


class _HttpxResponse(_Response):
    __slots__ = ("_response",)

    def __init__(self, response: Any) -> None:
        self._response, self.decoders = response, []
        self.status_code, self.headers, self.url = (
            response.status_code,
            response.headers,
            response.url,
        )
        self.reason_phrase = response.reason_phrase
        self.content_encoding = response.headers.get("content-encoding", "")

    def _raw(self) -> AsyncIterator[bytes]:
        stream: AsyncIterator[bytes] = aiter(self._response.stream)
        return stream

    async def aclose(self) -> None:
        await self._response.aclose()


def _open_client(endpoint: Endpoint, proxy: Proxy | None) -> Any:
    httpx, url = import_httpx(), endpoint.url
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_S
    )
    try:
        return httpx.AsyncClient(limits=limits, **client_options(url, proxy, endpoint.verify))
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise ProviderError("connect", _unusable_message(url, proxy, error)) from None


def _unusable_message(url: str, proxy: Proxy | None, error: Exception) -> str:
    # the error may quote part of a password
    detail = "" if "@" in url else f": {one_line(str(error))}"
    if proxy:
        return f"{proxy.source} names a proxy that can't be used ({proxy.display_url}){detail}"
    return f"{display_url(url)} is not an address that can be used{detail}"


class _AiohttpTransport(Transport):
    """aiohttp itself, not as a transport of httpx, which would halve its speed. Raises ImportError
    if it is not installed."""

    def __init__(self, endpoint: Endpoint) -> None:
        import aiohttp

        self._url, self._headers = endpoint.url, endpoint.headers
        self._timeouts = aiohttp.ClientTimeout
        tls = tls_verification(endpoint.url, endpoint.verify)
        # no limit (0) of connections: admission limits the requests
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ssl=tls)
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",),
        )

    async def _send(
        self, method: str, path: str, content: Content, timeout_s: float | None
    ) -> _Response:
        # aiohttp warns about bytes of over a megabyte, but not about a file
        data: Any = content
        if isinstance(content, bytes) and len(content) > LARGE_BYTES:
            data = BytesIO(content)
        response = await self._session.request(
            method,
            _joined(self._url, path),
            data=data,
            headers=_with_content_type(self._headers, content),
            allow_redirects=False,
            timeout=self._timeouts(
                connect=CONNECT_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s
            ),
        )
        if response.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
            response.close()
            raise BrokenBody("only Transfer-Encoding: chunked is supported")  # as httpx has it
        return _AiohttpResponse(response)

    async def aclose(self) -> None:
        await self._session.close()


class _AiohttpResponse(_Response):
    __slots__ = ("_response",)

    def __init__(self, response: ClientResponse) -> None:
        self._response, self.decoders = response, []
        self.status_code, self.headers, self.url = response.status, response.headers, response.url
        self.reason_phrase = response.reason or ""
        self.content_encoding = ",".join(response.headers.getall("Content-Encoding", ()))

    def _raw(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def aclose(self) -> None:
        self._response.release()


def _joined(url: str, path: str) -> str:
    if "://" in path:  # the target of a redirect
        return path
    return f"{url}/{path.lstrip('/')}"


def _with_content_type(headers: Mapping[str, str], content: Content) -> Mapping[str, str]:
    return headers if content is None else {**headers, "Content-Type": "application/json"}
