"""The way to one address: httpx, with aiohttp's transport where many requests run at once; what both raise is told in orch's words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from orch.config.addresses import is_loopback
from orch.errors import BackendError

if TYPE_CHECKING:
    import httpx

CONNECT_S = 3.0
KEPT_S = 4.0
"""How long an idle connection is kept: uvicorn (vLLM) and llama.cpp hang up after 5 s, and a request that meets that must be sent again."""


class Line:
    """The connections of one event loop to one address."""

    def __init__(self, url: str, headers: Mapping[str, str], *, many: bool = False) -> None:
        self._url = url
        self._paths: dict[str, httpx.URL] = {}
        ends, own = (_aiohttp_transport(url) if many and _is_plain(url) else None), {"Accept": "*/*", "Connection": "keep-alive"}
        if ends is not None:
            # past httpx's client where it adds nothing, for it costs as much as all the rest
            self._send = ends.handle_async_request
        else:
            ends = _client(url)
            self._send, own = partial(ends.send, stream=True), dict(ends.headers)
        self._headers = {**own, **headers}
        self._answered = False
        self._ends: httpx.AsyncBaseTransport | httpx.AsyncClient = ends

    async def send(self, method: str, path: str, content: bytes | None, timeout_s: float | None) -> httpx.Response:
        """A response whose body is still to come. Raises what `foreign` names."""
        library = load_httpx()
        if path not in self._paths:
            self._paths[path] = library.URL(f"{self._url}/{path.lstrip('/')}")
        # aiohttp looks names up in what httpx calls the pool's time
        timeout = {"connect": CONNECT_S, "pool": CONNECT_S, "read": timeout_s, "write": timeout_s}
        headers = self._headers if content is None else {**self._headers, "Content-Type": "application/json"}
        # not client.build_request, which takes an address apart and puts it together again for each request (a tenth of its time)
        request = library.Request(method, self._paths[path], content=content, headers=headers, extensions={"timeout": timeout})
        response: httpx.Response
        try:
            response = await self._send(request)
        except foreign() as error:
            if not self._answered or not _hung_up(error):
                raise
            # an idle connection that the server closed as the request went out; where the server is gone, the first failure tells it better
            try:
                response = await self._send(request)
            except foreign():
                raise error from error.__cause__
        self._answered = True
        return response

    async def aclose(self) -> None:
        """Closes them."""
        await self._ends.aclose()


def _is_plain(url: str) -> bool:
    """Whether a client would add nothing to a request: no user in the address, no proxy in between."""
    from urllib.request import getproxies

    return "@" not in url and (is_loopback(url) or not getproxies())


def _client(url: str) -> Any:
    library, loopback = load_httpx(), is_loopback(url)
    return library.AsyncClient(
        # with HTTP_PROXY set, httpx would send local prompts out
        trust_env=not loopback,
        # loading the certificate store costs 20 ms and plain HTTP needs none
        verify=not (loopback and url.startswith("http:")),
        limits=library.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEPT_S),
    )


def _aiohttp_transport(url: str) -> Any:
    """aiohttp's transport, where it is installed: under many requests three times as fast as httpx's own (2,851 against 798 requests/s)."""
    try:
        import aiohttp
        from httpx_aiohttp import AiohttpTransport
    except ImportError:
        return None

    def session() -> Any:
        trust = load_httpx().create_ssl_context() if url.startswith("https:") else False
        # no limit (0) of connections: the gate counts requests
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S, ssl=trust)
        return aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())

    return AiohttpTransport(client=session, verify=False, trust_env=False)


def load_httpx() -> Any:
    """httpx without its command line, which would import rich and pygments at every start (2x `python -c pass`)."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    import httpx

    return httpx


# ---------------------------------------------------------------- failures in our words


def foreign() -> tuple[type[Exception], ...]:
    """What sending and reading may raise: aiohttp's transport lets some of aiohttp's own errors through (an answer that is no HTTP)."""
    library, aiohttp = load_httpx(), sys.modules.get("aiohttp")
    return (library.HTTPError, library.InvalidURL, *((aiohttp.ClientError,) if aiohttp else ()))


def _hung_up(error: BaseException) -> bool:
    """Whether the other end closed the connection before a byte of its answer came."""
    library, aiohttp = load_httpx(), sys.modules.get("aiohttp")
    if isinstance(error, library.RemoteProtocolError) and "without sending a response" in str(error):
        return True
    closed: tuple[type[BaseException], ...] = (ConnectionResetError, BrokenPipeError, *((aiohttp.ServerDisconnectedError,) if aiohttp else ()))
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, closed):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def translated(error: BaseException, url: str) -> BackendError:
    """One of `foreign` as a BackendError: connect, timeout or cut."""
    said = " ".join(str(error).split()) or type(error).__name__
    kind = _kind(error)
    if kind == "connect":
        return BackendError("connect", f"can't connect to {url}: {said}")
    if kind == "timeout":
        return BackendError("timeout", f"{url} did not answer in time")
    if kind == "address":
        return BackendError("connect", f"{url} is no address that can be used: {said}")
    return BackendError("cut", f"the connection to {url} broke: {said}")


def _kind(error: BaseException) -> str:
    library, aiohttp = load_httpx(), sys.modules.get("aiohttp")
    kinds: dict[str, tuple[Any, ...]] = {
        "connect": (library.ConnectError, library.ConnectTimeout),
        "timeout": (library.TimeoutException,),
        "address": (library.InvalidURL, library.UnsupportedProtocol),
    }
    # its transport takes a connection that broke for one that was never made, so aiohttp's own error counts where there is one
    own = next((each for each in (error, error.__cause__) if aiohttp and isinstance(each, aiohttp.ClientError)), None)
    if aiohttp and own is not None:
        kinds = {
            "connect": (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
            "timeout": (aiohttp.ServerTimeoutError,),
            "address": (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError),
        }
    return next((kind for kind, errors in kinds.items() if isinstance(own or error, errors)), "cut")
