"""What Ollama's API does with models other than run them: copies, deletes, creates and pushes them,
and takes the files that new ones are made of."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from orch.errors import ProviderError
from orch.providers.client import HttpClient, raise_for_status
from orch.providers.http.errors import to_provider_error, transport_errors
from orch.providers.http.transport import Content, HttpResponse, open_transport
from orch.providers.read_limits import MAX_ERROR_BYTES, error_line, read_body
from orch.providers.streams.reader import iter_objects

DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
"""Of a blob (Ollama's manifest/paths.go); nothing else may become part of a path."""
STORE_TIMEOUT_S = 600.0
"""For Ollama to delete or copy a model, and to store a part of a blob."""


class OllamaManagement:
    """The models of one Ollama."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def store(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Sends a request whose answer is its status: `/api/copy`, `/api/delete`. Raises
        ProviderError."""
        async with self._http.stream(method, path, body, timeout_s=STORE_TIMEOUT_S):
            pass

    async def progress(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Yields the progress objects of `/api/pull`, `/api/create` or `/api/push`; closing it
        cancels the work. Raises ProviderError, also for an error inside the stream."""
        async with self._http.stream("POST", path, {**body, "stream": True}) as response:
            async for line in iter_objects(response.aiter_bytes()):
                if line.get("error"):
                    raise ProviderError("rejected", error_line(line["error"]))
                yield line

    async def has_blob(self, digest: str) -> bool:
        """Whether the server has a blob. Raises ProviderError."""
        try:
            async with self._http.stream("HEAD", _blob_path(digest), timeout_s=STORE_TIMEOUT_S):
                return True
        except ProviderError as error:
            if error.code in ("model_not_found", "bad_response"):  # a HEAD has no body to tell
                return False
            raise

    async def upload_blob(self, digest: str, content: AsyncIterable[bytes]) -> int:
        """Sends a blob piece by piece, and returns the status: 201, or 200 for one that the server
        has. Raises ProviderError, and what `content` raises."""
        if await self.has_blob(digest):
            # read all the same: Ollama answers at once and closes, and a client that still sends
            # would lose the answer
            async for _ in content:
                pass
            return 200
        async with self._opened(_blob_path(digest), content) as response:
            await raise_for_status(response)
            return response.status_code

    async def account(self) -> tuple[int, bytes]:
        """The status and the body of `/api/me`: whose account at ollama.com the server uses, or
        where to sign in, which a push asks first. Raises ProviderError."""
        async with self._opened("/api/me", b"{}") as response:
            return response.status_code, await read_body(response, MAX_ERROR_BYTES, "an account")

    @asynccontextmanager
    async def _opened(self, path: str, content: Content) -> AsyncIterator[HttpResponse]:
        """The response to a request over a connection of its own, whatever its status."""
        url = self._http.urls[0]
        transport = open_transport(self._http.endpoint(url))
        try:
            yield await transport.send("POST", path, content, STORE_TIMEOUT_S)
        except transport_errors() as error:
            raise to_provider_error(error, url, transport.proxy) from error
        finally:
            await transport.aclose()


def _blob_path(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise ProviderError("rejected", "invalid digest format")
    return f"/api/blobs/{digest}"
