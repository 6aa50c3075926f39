"""A minimal proxy: one ASGI function that forwards a POST with httpx, over its own transport or
aiohttp's."""

from __future__ import annotations

import argparse
import socket

import aiohttp
import httpx
import uvicorn
from httpx_aiohttp import AiohttpTransport
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

HEADERS = [(b"content-type", b"application/json")]


class Proxy:
    """The ASGI application."""

    def __init__(self, upstream: str, transport: httpx.AsyncBaseTransport) -> None:
        self.client = httpx.AsyncClient(base_url=upstream, transport=transport, timeout=120)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Forwards one request."""
        assert scope["type"] == "http"
        body, more = b"", True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            body, more = body + message["body"], message["more_body"]
        request = self.client.build_request("POST", scope["path"], content=body, headers=HEADERS)
        answer = await self.client.send(request, stream=True)
        try:
            headers = [
                (name.lower(), value)
                for name, value in answer.headers.raw
                if name.lower() in (b"content-type", b"content-length")
            ]
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status_code,
                    "headers": headers,
                    "trailers": False,
                }
            )
            if "content-length" in answer.headers:
                await send(
                    {"type": "http.response.body", "body": await answer.aread(), "more_body": False}
                )
                return
            async for data in answer.aiter_raw():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await answer.aclose()


def _over_aiohttp() -> httpx.AsyncBaseTransport:
    # without a limit of its own the connector would block the 101st request
    return AiohttpTransport(
        client=lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    )


def _over_httpx() -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=None)
    )


TRANSPORTS = {"httpx": _over_httpx, "httpx-aiohttp": _over_aiohttp}


def main() -> None:
    """Entry point: prints its URL as its first line and serves until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.server.proxy", description=__doc__)
    parser.add_argument("upstream", help="Its URL.")
    parser.add_argument("--transport", choices=TRANSPORTS, default="httpx")
    args = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    app = Proxy(args.upstream, TRANSPORTS[args.transport]())
    uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_level="warning",
        )
    ).run([listening])


if __name__ == "__main__":
    main()
