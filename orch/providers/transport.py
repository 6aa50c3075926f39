"""The way to one address: by httpx, or by aiohttp where many requests run at once; what both raise
is told in orch's words."""

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
"""How long an idle connection is kept: uvicorn (vLLM) and llama.cpp hang up after 5 s, and a
request that meets that must be sent again."""


class HttpResponse(Protocol):
    """An answer whose body is still to come: httpx's Response, or what stands for aiohttp's."""

    @property
    def status_code(self) -> int:
        """Of HTTP."""

    @property
    def reason_phrase(self) -> str:
        """The words beside it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in any case."""

    @property
    def url(self) -> object:
        """What was asked."""

    async def aread(self) -> bytes:
        """The whole body."""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body as it comes."""

    async def aclose(self) -> None:
        """Gives the connection back, or closes it where the body was not read to its end."""


class Transport(ABC):
    """The connections of one event loop to one address. Made by `line_to`."""

    proxy: Proxy | None = None
    _answered = False

    async def send(
        self, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse:
        """An answer whose body is still to come. Raises what `foreign` names."""
        try:
            reply = await self._send(method, path, content, timeout_s)
        except transport_errors() as error:
            if not self._answered or not _hung_up(error):
                raise
            # an idle connection that the server closed as the request went out; where the server is
            # gone, the first failure tells it better
            try:
                reply = await self._send(method, path, content, timeout_s)
            except transport_errors():
                raise error from error.__cause__
        self._answered = True
        return reply

    @abstractmethod
    async def _send(
        self, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Closes them."""


def open_transport(url: str, headers: Mapping[str, str], *, many: bool = False) -> Transport:
    """By aiohttp where many requests run at once and it is installed: three times as fast as httpx
    (2,851 against 798 requests/s).

    Raises BackendError for a proxy of the environment that can't be used.
    """
    # an environment's proxy and a user in the address are httpx's to see to
    proxy = proxy_for(url)
    if many and "@" not in url and proxy is None:
        try:
            return _AiohttpTransport(url, headers)
        except ImportError:
            pass
    return _HttpxTransport(url, headers, proxy)


class _HttpxTransport(Transport):
    def __init__(self, url: str, headers: Mapping[str, str], proxy: Proxy | None) -> None:
        self._url, self.proxy, self._client = url, proxy, _client(url, proxy)
        self._headers = {**self._client.headers, **headers}

    async def _send(
        self, method: str, path: str, content: bytes | None, timeout_s: float | None
    ) -> HttpResponse:
        timeout = {
            "connect": CONNECT_TIMEOUT_S,
            "pool": CONNECT_TIMEOUT_S,
            "read": timeout_s,
            "write": timeout_s,
        }
        # not client.build_request, which takes an address apart and puts it together again for each
        # request (a tenth of its time)
        request = import_httpx().Request(
            method,
            _joined(self._url, path),
            content=content,
            headers=_with_kind(self._headers, content),
            extensions={"timeout": timeout},
        )
        reply: HttpResponse = await self._client.send(request, stream=True)
        return reply

    async def aclose(self) -> None:
        await self._client.aclose()


def _client(url: str, proxy: Proxy | None) -> Any:
    library = import_httpx()
    limits = library.Limits(
        max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_S
    )
    try:
        return library.AsyncClient(limits=limits, **client_options(url, proxy))
    except (ValueError, ImportError, library.InvalidURL) as error:
        raise ProviderError("connect", _unusable(url, proxy, error)) from None


def client_options(url: str, proxy: Proxy | None) -> dict[str, Any]:
    """The options of an httpx client for an address: its proxy and whom it trusts. Raises
    BackendError for a proxy that can't be used."""
    if proxy is not None and (fault := proxy_fault(proxy, url)):
        raise ProviderError("connect", fault)
    # loading the certificate store costs 20 ms and plain HTTP needs none; it is that of
    # SSL_CERT_FILE, which trust_env=False would not look at.
    # With trust_env httpx would choose the proxy itself, and send local prompts out.
    secure = url.startswith("https:")
    return {
        "trust_env": False,
        "proxy": proxy.url if proxy else None,
        "verify": import_httpx().create_ssl_context() if secure else False,
    }


def _unusable(url: str, proxy: Proxy | None, error: Exception) -> str:
    said = "" if "@" in url else f": {one_line(str(error))}"  # which may name a part of a password
    return (
        f"{proxy.source} names a proxy that can't be used ({proxy.display_url}){said}"
        if proxy
        else f"{display_url(url)} is no address that can be used{said}"
    )


class _AiohttpTransport(Transport):
    """aiohttp itself, not as a transport of httpx, which would cost as much again. Raises
    ImportError where it is not installed."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        import aiohttp

        self._url, self._headers = url, {"Accept": "*/*", **headers}
        self._timeouts = aiohttp.ClientTimeout
        trust = import_httpx().create_ssl_context() if url.startswith("https:") else False
        # no limit (0) of connections: the gate counts requests
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ssl=trust)
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
        # it warns of bytes of over a megabyte, which a file of them is not
        body = BytesIO(content) if content is not None and len(content) > LARGE_BYTES else content
        timeout = self._timeouts(
            connect=CONNECT_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s
        )
        headers = _with_kind(self._headers, content)
        return _AiohttpResponse(
            await self._session.request(
                method,
                _joined(self._url, path),
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            )
        )

    async def aclose(self) -> None:
        await self._session.close()


class _AiohttpResponse:
    """aiohttp's ClientResponse with httpx's names."""

    __slots__ = ("_answer", "headers", "status_code", "url")

    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer
        self.status_code, self.headers, self.url = answer.status, answer.headers, answer.url

    @property
    def reason_phrase(self) -> str:
        return self._answer.reason or ""

    async def aread(self) -> bytes:
        return await self._answer.read()

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        return self._answer.content.iter_any()

    async def aclose(self) -> None:
        self._answer.release()


def _joined(url: str, path: str) -> str:
    return f"{url}/{path.lstrip('/')}"


def _with_kind(headers: Mapping[str, str], content: bytes | None) -> Mapping[str, str]:
    return headers if content is None else {**headers, "Content-Type": "application/json"}


def import_httpx() -> Any:
    """httpx without its command line, which would import rich and pygments at every start (2x
    `python -c pass`)."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    import httpx

    return httpx


# ---------------------------------------------------------------- failures in our words


def transport_errors() -> tuple[type[Exception], ...]:
    """What sending and reading may raise."""
    library, aiohttp = import_httpx(), sys.modules.get("aiohttp")
    return (library.HTTPError, library.InvalidURL, *((aiohttp.ClientError,) if aiohttp else ()))


def _hung_up(error: BaseException) -> bool:
    """Whether the other end closed the connection before a byte of its answer came."""
    library, aiohttp = import_httpx(), sys.modules.get("aiohttp")
    if isinstance(error, library.RemoteProtocolError) and "without sending a response" in str(
        error
    ):
        return True
    closed: tuple[type[BaseException], ...] = (
        ConnectionResetError,
        BrokenPipeError,
        *((aiohttp.ServerDisconnectedError,) if aiohttp else ()),
    )
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, closed):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def to_provider_error(error: BaseException, url: str, proxy: Proxy | None = None) -> ProviderError:
    """One of `foreign` as a BackendError: connect, timeout or cut."""
    said, url = one_line(_words(error)) or type(error).__name__, display_url(url)
    kind = _kind(error)
    if kind == "connect":
        between = (
            f" through the proxy {proxy.display_url} that {proxy.source} names" if proxy else ""
        )
        return ProviderError("connect", f"can't connect to {url}{between}: {said}")
    if kind == "timeout":
        return ProviderError("timeout", f"{url} did not answer in time")
    if kind == "address":
        return ProviderError("connect", f"{url} is no address that can be used: {said}")
    return ProviderError("cut", f"the connection to {url} broke: {said}")


def _words(error: BaseException) -> str:
    """What an error says; where a connection failed, what the operating system said: aiohttp's
    words around it tell of TLS also for plain HTTP."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # asyncio would say "Connect call failed ('127.0.0.1', 1)"
    return str(cause.strerror or cause) if isinstance(cause, OSError) else str(cause)


def _kind(error: BaseException) -> str:
    library, aiohttp = import_httpx(), sys.modules.get("aiohttp")
    kinds: dict[str, tuple[Any, ...]] = {
        "connect": (library.ConnectError, library.ConnectTimeout, library.ProxyError),
        "timeout": (library.TimeoutException,),
        "address": (library.InvalidURL, library.UnsupportedProtocol),
    }
    if aiohttp and isinstance(error, aiohttp.ClientError):
        kinds = {
            "connect": (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
            "timeout": (aiohttp.ServerTimeoutError,),
            "address": (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError),
        }
    return next((kind for kind, errors in kinds.items() if isinstance(error, errors)), "cut")


# ---------------------------------------------------------------- for a library that reads whole
# answers


def bounded_transport(url: str, proxy: Proxy | None, most_bytes: int) -> Any:
    """An httpx transport whose answers end with an error after so many bytes. Raises BackendError
    for a proxy that can't be used."""
    httpx, way = import_httpx(), client_options(url, proxy)

    class Bounded(httpx.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            answer = super().handle_request(request)
            answer.stream = Ending(answer.stream)
            return answer

    class Ending(httpx.SyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for piece in self._stream:
                size += len(piece)
                if size > most_bytes:
                    raise httpx.ReadError(
                        f"the server sent an answer of over {most_bytes / 1e6:g} MB: it is not"
                        " read on"
                    )
                yield piece

        def close(self) -> None:
            self._stream.close()

    return Bounded(**way)
