"""Opens URLs for downloads: HTTPS only (or this machine, for mirrors and tests), every redirect
checked, no credentials."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from orch.config.urls import display_url, is_local_url
from orch.errors import OrchError, ProviderError
from orch.providers.http.httpx_options import client_options, import_httpx
from orch.providers.http.proxies import proxy_for

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 60.0
MAX_REDIRECTS = 5
TRY_LATER = "check the connection, then run the same command again"


@contextmanager
def open_url(url: str, headers: Mapping[str, str] = {}) -> Iterator[Any]:
    """An httpx Response with status 200 or 206 (416 too) whose body is still to come. Raises
    OrchError, and what httpx raises of a broken connection."""
    with ExitStack() as clients:
        response = _follow_redirects(clients, url, {"Accept-Encoding": "identity", **headers})
        try:
            if response.status_code not in (200, 206, 416):
                status = f"{response.status_code} {response.reason_phrase}".rstrip()
                raise OrchError(f"{display_url(url)}: status {status}", _hint(response.status_code))
            yield response
        finally:
            response.close()


def _client(url: str, headers: Mapping[str, str]) -> Any:
    """The HTTP client for one URL: each host on the way may have another proxy, or none."""
    httpx = import_httpx()
    try:
        return httpx.Client(
            **client_options(url, proxy_for(url)),
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers=headers,
        )
    except ProviderError as error:
        raise OrchError(error.message, TRY_LATER) from None


def _follow_redirects(clients: ExitStack, url: str, headers: Mapping[str, str]) -> Any:
    """The response after all redirects."""
    httpx, at = import_httpx(), url
    for _ in range(MAX_REDIRECTS + 1):
        check_url(at, may_be_here=is_local_url(url))
        client = clients.enter_context(_client(at, headers))
        try:
            response = client.send(client.build_request("GET", at), stream=True)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
        ) as error:
            raise OrchError(
                f"can't connect to {display_url(at)}: {_error_text(error)}", TRY_LATER
            ) from None
        if not response.has_redirect_location:
            return response
        response.close()
        at = str(response.url.join(response.headers["location"]))
    raise OrchError(f"{display_url(url)} redirects more than {MAX_REDIRECTS} times")


def check_url(url: str, *, may_be_here: bool) -> None:
    """Raises OrchError for a URL that downloads don't use: not HTTPS, or with a user. A redirect
    from the web never leads to this machine."""
    httpx = import_httpx()
    try:
        asked = httpx.URL(url)
    except httpx.InvalidURL:
        raise OrchError(f"{display_url(url)} is not a URL") from None
    here = is_local_url(url)
    if (
        not asked.host
        or (asked.scheme != "https" and not (here and may_be_here))
        or (here and not may_be_here)
    ):
        raise OrchError(
            f"{display_url(url)} is not an https URL on the web", "downloads go over https only"
        )
    if asked.userinfo:
        raise OrchError(
            f"{display_url(url)}has a user name in it",
            "downloads send no credentials",
        )


def _hint(status: int) -> str:
    return "check the name: https://ollama.com/library lists them" if status == 404 else TRY_LATER


def _error_text(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.errno):
        cause = cause.__cause__ or cause.__context__
    return (
        os.strerror(cause.errno)
        if isinstance(cause, OSError) and cause.errno and cause.errno > 0
        else str(cause or error)
    )
