"""The HTTP client of a provider: error codes, error messages, and timeouts between items."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import respx

from orch.errors import ConfigError, ProviderError
from orch.providers.client import HttpClient, with_timeouts
from orch.providers.error_reports import parse_report

URL = "http://127.0.0.1:9"


async def failure(status: int, body: str, **headers: str) -> ProviderError:
    """The error that a response becomes."""
    client = HttpClient([URL])
    with respx.mock() as router:
        router.route().respond(status, text=body, headers=headers)
        with pytest.raises(ProviderError) as caught:
            await client.json("GET", "/x")
    await client.aclose()
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, '{"error": "model not found"}', "model_not_found"),
        (404, '{"error": "404 page not found"}', "bad_response"),
        (400, '{"error": "prompt is too long"}', "context_overflow"),
        (400, '{"error": "bad option"}', "rejected"),
        (401, "", "denied"),
        (408, "", "timeout"),
        (429, "", "rate_limited"),
        (503, "", "rate_limited"),
        (500, '{"error": "exceeds the context"}', "context_overflow"),
        (500, "", "server_error"),
        (200, "no json", "bad_response"),
        (200, "[1]", "bad_response"),
    ],
)
async def test_a_response_becomes_an_error_code(status: int, body: str, code: str) -> None:
    assert (await failure(status, body)).code == code


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("-1", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60.0),
        ("1e300", 60.0),
        ("nan", None),
        ("soon", None),
        ("Wed, 99 Oct", None),
    ],
)
async def test_retry_after_is_kept_in_seconds_up_to_a_minute(
    value: str, seconds: float | None
) -> None:
    error = await failure(429, "", **{"Retry-After": value})
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    "body",
    [
        {"error": "no such model"},
        {"error": {"message": "no such model"}},
        {"error": json.dumps({"error": {"message": "no such model"}})},
        {"detail": "no such model"},
    ],
)
def test_the_message_is_found_in_each_format(body: dict[str, object]) -> None:
    assert parse_report(json.dumps(body).encode()).message == "no such model"


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(ConfigError):
        HttpClient([URL], "clé")


async def test_the_first_item_and_later_ones_have_their_own_timeouts() -> None:
    async def items(*waits: float) -> AsyncGenerator[int]:
        for number, wait in enumerate(waits):
            await asyncio.sleep(wait)
            yield number

    async def code(stream: AsyncGenerator[int]) -> str:
        with pytest.raises(ProviderError) as caught:
            _ = [item async for item in stream]
        return caught.value.code

    assert await code(with_timeouts(items(60), 0.01, 60)) == "timeout"
    assert await code(with_timeouts(items(0, 60), 60, 0.01)) == "stalled"
    assert [item async for item in with_timeouts(items(0, 0), 60, 60)] == [0, 1]


async def test_items_without_progress_extend_a_wait_by_the_first_timeout_at_most() -> None:
    made: list[int] = []

    async def items(tokens: int) -> AsyncGenerator[int]:
        for number in range(100_000):
            await asyncio.sleep(0)
            made[:] = range(min(number, tokens))
            yield number

    async def code(tokens: int) -> str:
        with pytest.raises(ProviderError) as caught:
            _ = [item async for item in with_timeouts(items(tokens), 0.01, 60, lambda: len(made))]
        return caught.value.code

    assert [await code(0), await code(3)] == ["timeout", "stalled"]


async def test_a_date_in_retry_after_is_seconds_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    error = await failure(503, "", **{"Retry-After": date})
    assert error.retry_after_s is not None
    assert 1 < error.retry_after_s <= 30


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_within_the_server_keeps_method_and_body(status: int) -> None:
    client = HttpClient([f"{URL}/v1"])
    with respx.mock() as router:
        router.post(f"{URL}/v1/x").respond(status, headers={"Location": "/api/v2/x"})
        route = router.post(f"{URL}/api/v2/x").respond(json={"ok": True})
        assert await client.json("POST", "x", {"a": 1}) == {"ok": True}
    assert json.loads(route.calls.last.request.content) == {"a": 1}
    await client.aclose()


@pytest.mark.parametrize(
    ("status", "location"),
    [(307, "http://192.0.2.1/x"), (301, "/y"), (302, ""), (307, "http://["), (307, "/x")],
)
async def test_another_redirect_is_told_and_not_followed(status: int, location: str) -> None:
    error = await failure(status, "", Location=location)
    assert (error.code, error.cause) == ("bad_response", "redirect")


async def test_an_address_that_loads_its_model_gets_no_cooldown() -> None:
    client = HttpClient([URL, "http://127.0.0.1:8"])
    with respx.mock() as router:
        router.route(port=9).respond(503, json={"error": {"message": "Loading model"}})
        router.route(port=8).mock(side_effect=httpx.ConnectError("refused"))
        with pytest.raises(ProviderError) as caught:
            await client.json("GET", "/x")
    assert caught.value.code == "loading"
    assert [each["failures"] for each in client.load_balancer.status()] == [0, 1]
    await client.aclose()


async def test_an_error_with_status_200_is_an_error() -> None:
    error = await failure(200, '{"error": "Unexpected endpoint or method. (GET /x)"}')
    assert error.code == "bad_response"
