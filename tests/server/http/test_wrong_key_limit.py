"""Wrong keys: those of one source are delayed and refused, valid ones always accepted."""

from __future__ import annotations

from time import monotonic

import pytest

from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from orch.server.http.wrong_key_limit import (
    MAX_SOURCES,
    MAX_WRONG_KEYS,
    WRONG_KEYS_WINDOW_S,
    WrongKeyLimiter,
)
from tests.support.guarded_app import (
    KEY,
    run_guarded,
)


@pytest.mark.parametrize("header", ["Authorization: Bearer wrong", "x-api-key: wrong"])
def test_wrong_keys_are_rate_limited_and_valid_ones_always_accepted(
    keys: ApiKeys, header: str
) -> None:
    with run_guarded(Rules(keys=keys, wrong_keys=WrongKeyLimiter(late_s=0))) as there:
        assert [there.get("Host: localhost", header).status for _ in range(MAX_WRONG_KEYS + 3)] == [
            401
        ] * MAX_WRONG_KEYS + [429] * 3
        late = there.get("Host: localhost", header, path="/v1/models")
        assert (
            late.json["error"]["code"],
            late.json["error"]["type"],
            late.headers["retry-after"],
        ) == ("too_many_wrong_keys", "rate_limit_error", "60")
        assert there.get("Host: localhost", f"x-api-key: {KEY}").status == 200


class Clock:
    """A manual clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_wrong_keys_are_counted_by_source_and_expire() -> None:
    clock = Clock()
    tries = WrongKeyLimiter(late_s=0, clock=clock)
    assert [await tries.record_failure("uid 1") for _ in range(MAX_WRONG_KEYS + 2)] == [
        0.0
    ] * MAX_WRONG_KEYS + [WRONG_KEYS_WINDOW_S] * 2
    assert await tries.record_failure("uid 2") == 0.0
    clock.now += WRONG_KEYS_WINDOW_S
    assert [await tries.record_failure("uid 1") for _ in range(3)] == [0.0] * 3
    for number in range(MAX_SOURCES + 5):
        await tries.record_failure(f"10.0.0.{number}")
    assert len(tries._wrong) == MAX_SOURCES


async def test_only_a_key_beyond_the_limit_is_delayed() -> None:
    limiter, begun = WrongKeyLimiter(late_s=0.05), monotonic()
    for _ in range(MAX_WRONG_KEYS):
        assert await limiter.record_failure("uid 1") == 0.0
    assert monotonic() - begun < 0.05
    assert 0 < await limiter.record_failure("uid 1") <= WRONG_KEYS_WINDOW_S
    assert monotonic() - begun >= 0.05
