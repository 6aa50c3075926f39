"""httpx as orch uses it: imported without its command line, with the proxy and certificates of a
URL, and with a limit on responses for libraries that read by httpx."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from orch.errors import ProviderError
from orch.providers.http.proxies import Proxy, proxy_fault


def import_httpx() -> Any:
    """Imports httpx without its command line, which would import rich and pygments at every start
    (2x `python -c pass`)."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    import httpx

    return httpx


def client_options(url: str, proxy: Proxy | None, verify: str | None = None) -> dict[str, Any]:
    """The proxy and TLS options of an httpx client for a URL. Raises ProviderError for an unusable
    proxy or certificate file."""
    if proxy is not None and (fault := proxy_fault(proxy, url)):
        raise ProviderError("connect", fault)
    # with trust_env, httpx would choose the proxy itself and send local prompts out
    return {
        "trust_env": False,
        "proxy": proxy.url if proxy else None,
        "verify": tls_verification(url, verify),
    }


def tls_verification(url: str, verify: str | None) -> Any:
    """The TLS context for a URL; False for plain HTTP, which needs none: loading the certificates
    takes 20 ms."""
    if not url.lower().startswith("https:"):
        return False
    from orch.providers.http.certificates import tls_context

    return tls_context(verify)


def bounded_transport(url: str, proxy: Proxy | None, max_bytes: int, keepalive_s: float) -> Any:
    """An httpx transport whose responses fail after `max_bytes`, and whose connections are kept
    idle for `keepalive_s`. Raises ProviderError for an
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

    limits = httpx.Limits(keepalive_expiry=keepalive_s)
    return BoundedTransport(limits=limits, **options)
