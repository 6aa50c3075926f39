"""A Qdrant server, by plain HTTP: importing qdrant-client takes over a second of CPU, and a store
sends eight kinds of request."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote, urlsplit

from orch.config.headers import header_problem
from orch.config.urls import display_url
from orch.errors import ProviderError
from orch.memory.qdrant.requests import Json
from orch.memory.store import REINDEX_HINT, StoreError
from orch.providers.http.httpx_options import bounded_transport, import_httpx
from orch.providers.http.proxies import proxy_for
from orch.text.lines import first_line, one_line

DEFAULT_PORT = 6333
TIMEOUT_S = 5.0
"""Of connecting, and of each read."""
TOTAL_TIMEOUT_S = 60.0
"""Of one response: a server that trickles is left."""
KEEPALIVE_S = 4.0
"""How long an idle connection is kept: Qdrant closes it after 5 s."""
MAX_BYTES = 64_000_000
"""Of one response."""
_SHOWN = 200
_URL_HINT = "correct memory.qdrant_url in routing.yaml"


def _key_header(api_key: str | None) -> dict[str, str]:
    """The header of a key, without the blanks around it. The error of a key that no header can
    carry does not quote it."""
    key = (api_key or "").strip()
    if problem := header_problem("api-key", key):
        raise StoreError(
            f"memory.qdrant_api_key can't be sent: {problem}",
            "correct it in routing.yaml, or the variable that it names",
            code="denied",
        )
    return {"api-key": key} if key else {}


class ServerConnection:
    """Connections to one server, opened when they are needed. Raises StoreError for an address that
    can't be used."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self._url, self._base = url, _base_url(url)
        self._httpx = httpx = import_httpx()
        try:
            transport = bounded_transport(url, proxy_for(url), MAX_BYTES, KEEPALIVE_S)
        except ProviderError as error:
            raise StoreError(error.message, code="unreachable") from None
        headers = {"Accept-Encoding": "identity", **_key_header(api_key)}
        self._client = httpx.Client(
            transport=transport,
            headers=headers,
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def ask(self, method: str, collection: str, what: str = "", body: Json | None = None) -> Any:
        """The result of a request. What changes something waits until it is done."""
        path = f"/collections/{quote(collection, safe='')}{f'/{what}' if what else ''}"
        wait = "?wait=true" if (what and method == "PUT") or what == "points/delete" else ""
        # a lone surrogate stands as an escape, which is no JSON to Qdrant
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        httpx, url = self._httpx, f"{self._base}{path}{wait}"
        try:
            with self._client.stream(method, url, content=content, headers=headers) as response:
                return self._result(response.status_code, _read(response))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise self._unreachable(error) from error

    def _result(self, status: int, content: bytes) -> Any:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        is_qdrant = isinstance(answer, dict) and "status" in answer
        if status in (401, 403):
            raise StoreError(
                f"Qdrant at {display_url(self._url)} refuses the key",
                "correct memory.qdrant_api_key in routing.yaml, or the variable that it names",
                code="denied",
            )
        if status < 300 and is_qdrant and "result" in answer:
            return answer["result"]
        if status < 400 or (status == 404 and not is_qdrant):
            raise StoreError(
                f"the server at {display_url(self._url)} is not Qdrant",
                _URL_HINT,
                code="unreachable",
            )
        codes = {404: "missing", 409: "exists"}
        text = one_line(content[:_SHOWN].decode(errors="replace"))
        raise StoreError(
            f"Qdrant at {display_url(self._url)} answers {status}: {text}",
            REINDEX_HINT,
            code=codes.get(status, ""),
        )

    def _unreachable(self, error: Exception) -> StoreError:
        # the error may quote part of a password
        detail = "" if "@" in self._url else f" ({first_line(error)})"
        return StoreError(
            f"no Qdrant server answers at {display_url(self._url)}{detail}",
            f"start it, or {_URL_HINT}",
            code="unreachable",
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def _read(response: Any) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("it sent compressed data, which was not asked for")
    end, parts = time.monotonic() + TOTAL_TIMEOUT_S, list[bytes]()
    for part in response.iter_raw():
        parts.append(part)
        if time.monotonic() > end:
            raise ValueError(f"its answer was not complete within {TOTAL_TIMEOUT_S:g} s")
    return b"".join(parts)


def _base_url(url: str) -> str:
    """The URL with Qdrant's port where it names none, without a slash at its end."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        port = parts.port
    except ValueError:
        is_usable, port = False, None
    if not is_usable:
        message = f"{display_url(url)} is not an address that can be used"
        raise StoreError(message, _URL_HINT, code="unreachable")
    place = parts.netloc.rstrip(":") if port else f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
