"""What tests read from the server's responses."""

from __future__ import annotations

from urllib.parse import unquote

import httpx


def warnings_of(response: httpx.Response) -> list[str]:
    """The warnings of a successful response."""
    assert response.status_code == 200, response.text
    return [unquote(value) for value in response.headers.get_list("x-orch-warning")]
