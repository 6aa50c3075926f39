"""What sending and reading may raise, by httpx and by aiohttp, and the ProviderError that it
becomes."""

from __future__ import annotations

import os
import sys
from typing import Any

from orch.config.urls import display_url
from orch.errors import ProviderError
from orch.providers.http.httpx_options import import_httpx
from orch.providers.http.proxies import Proxy
from orch.text.lines import one_line

_NOT_HTTP = ("illegal status line", "illegal request line", "Bad status line")
"""How h11 and aiohttp begin to say that the first line of a response is none."""
_DISCONNECTED = ("Server disconnected without sending a response", "Server disconnected")
"""The same of a connection that ended before a response: httpx and aiohttp."""
_CUT = ("peer closed connection without sending complete", "Response payload is not completed")
"""The same of a connection that ended within a response."""
_ILLEGAL_VALUE = "Illegal header value"
"""How h11 begins to quote a header, which may be a key."""
_CLOSED = "it was closed before an answer; check that a model server listens there"


class BrokenBody(Exception):
    """A body that can't be read: compressed and damaged, or ended too early."""


def transport_errors() -> tuple[type[Exception], ...]:
    """The exceptions that sending and reading may raise."""
    httpx, aiohttp = import_httpx(), sys.modules.get("aiohttp")
    own = (httpx.HTTPError, httpx.InvalidURL, BrokenBody)
    return (*own, aiohttp.ClientError) if aiohttp else own


def is_disconnect(error: BaseException) -> bool:
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
    shown, detail = display_url(url), one_line(_detail(error)) or type(error).__name__
    if url.lower().startswith("https:") and (problem := _tls_problem(error, url)):
        cause = _tls_cause(problem)
        return ProviderError("connect", f"can't connect to {shown}: {problem}", cause=cause)
    match _category(error):
        case "connect":
            through = (
                f" through the proxy {proxy.display_url} that {proxy.source} names" if proxy else ""
            )
            return ProviderError("connect", f"can't connect to {shown}{through}: {detail}")
        case "timeout":
            return ProviderError("timeout", f"{shown} did not answer in time")
        case "address":
            return ProviderError("connect", f"{shown} is not an address that can be used: {detail}")
        case _ if detail.startswith(_NOT_HTTP):
            return ProviderError(
                "cut",
                f"{shown} does not speak HTTP: check the port in base_url, and write https:// if it"
                " speaks TLS",
                cause="not_http",
            )
        case _:
            return ProviderError("cut", f"the connection to {shown} broke: {detail}")


def _tls_cause(problem: str) -> str:
    """The cause for hints: of a certificate that is known and does not fit, the message alone tells
    what to do."""
    if "certificate is refused" not in problem:
        return "tls"
    return "certificate" if "SSL_CERT_FILE" in problem else "unfit_certificate"


def _tls_problem(error: BaseException, url: str) -> str:
    from orch.providers.http.certificates import tls_problem  # ssl is for https alone

    return tls_problem(error, url)


def _detail(error: BaseException) -> str:
    """The message of an error; of a failed connection that of the operating system: aiohttp's
    mentions TLS also for plain HTTP."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # asyncio would say "Connect call failed ('127.0.0.1', 1)"
    if isinstance(cause, OSError):
        return str(cause.strerror or cause)
    # aiohttp's text has the request's URL, and the broken line in further lines
    message = getattr(cause, "message", None)
    text = message.partition("\n")[0].rstrip(":") if isinstance(message, str) else str(cause)
    if text.startswith(_ILLEGAL_VALUE):
        return "a header of the request has a value that HTTP can't carry"
    if text.startswith(_CUT):
        return "it was closed within an answer"
    return _CLOSED if text.startswith(_DISCONNECTED) else text


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
