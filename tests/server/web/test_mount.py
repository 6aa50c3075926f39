"""The headers of the mounted page and its error pages, over an application without NiceGUI."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp

from orch.server.web.mount import _with_page_policy


async def get(app: ASGIApp, language: str = "en") -> httpx.Response:
    transport = httpx.ASGITransport(_with_page_policy(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://orch") as client:
        return await client.get("/", headers={"accept-language": language})


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Server error"), ("es", "Error del servidor")]
)
async def test_an_error_page_does_not_quote_the_exception(language: str, title: str) -> None:
    response = await get(HTMLResponse("ValueError: a secret prompt", 500), language)
    assert response.status_code == 500
    assert title in response.text
    assert "secret" not in response.text


async def test_each_script_of_a_page_gets_the_nonce_of_its_policy() -> None:
    page = "<html><script>one()</script><script src='/two.js'></script><scripted></scripted></html>"
    response = await get(HTMLResponse(page))
    nonce = response.headers["content-security-policy"].split("'nonce-")[1].split("'")[0]
    assert response.text.count(f'<script nonce="{nonce}"') == 2
    assert int(response.headers["content-length"]) == len(response.content)


async def test_other_responses_get_the_security_headers_alone() -> None:
    response = await get(JSONResponse({"error": "none"}, 500))
    assert response.json() == {"error": "none"}
    assert response.headers["x-frame-options"] == "DENY"
    assert "content-security-policy" not in response.headers
