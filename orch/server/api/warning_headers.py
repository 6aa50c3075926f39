"""The warnings of a run in the headers of its response (pure)."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from starlette.responses import Response

from orch.server.http.response_headers import WARNING

MAX_WARNING_HEADERS, MAX_WARNING_CHARS = 16, 500
"""Warnings in response headers: proxies reject headers of more than some kilobytes."""


def with_warning_headers(response: Response, warnings: Collection[str]) -> Response:
    """Adds an `x-orch-warning` header for each warning known before the first byte: UTF-8,
    percent-encoded (RFC 3986)."""
    if not warnings:
        return response
    from urllib.parse import quote

    for warning in islice(dict.fromkeys(warnings), MAX_WARNING_HEADERS):
        text = warning if len(warning) <= MAX_WARNING_CHARS else f"{warning[:MAX_WARNING_CHARS]}…"
        response.raw_headers.append(
            (WARNING.encode(), quote(text, safe="", errors="replace").encode())
        )
    return response
