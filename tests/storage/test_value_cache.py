"""Cached values of the journal: how long they are kept, and what forgets them."""

from __future__ import annotations

import pytest

from orch.storage import value_cache
from orch.storage.value_cache import ValueCache


class Clock:
    """A manual clock, in place of the module's `time`."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(value_cache, "time", clock)
    return clock


def test_a_value_is_read_again_when_its_time_is_over(clock: Clock) -> None:
    cache, read = ValueCache(2.0), iter(range(10))
    assert [cache.get("a", lambda: next(read)) for _ in range(3)] == [0, 0, 0]
    clock.now += 2.0
    assert not cache.is_fresh(["a"])
    assert cache.get("a", lambda: next(read)) == 1
    assert cache.is_fresh(["a"])


def test_a_value_of_none_is_kept_too(clock: Clock) -> None:
    cache, read = ValueCache(2.0), iter([None, 1])
    assert [cache.get("a", lambda: next(read)) for _ in range(2)] == [None, None]


def test_all_names_must_be_fresh_and_clear_forgets_them(clock: Clock) -> None:
    cache = ValueCache(2.0)
    cache.get("a", str)
    assert cache.is_fresh(["a"])
    assert not cache.is_fresh(["a", "b"])
    cache.clear()
    assert not cache.is_fresh(["a"])


def test_without_a_time_nothing_is_kept() -> None:
    cache, read = ValueCache(), iter(range(10))
    assert [cache.get("a", lambda: next(read)) for _ in range(2)] == [0, 1]


def test_what_was_found_fresh_is_read_no_more_for_a_moment(clock: Clock) -> None:
    cache, read = ValueCache(2.0), iter(range(10))
    cache.get("a", lambda: next(read))
    clock.now += 1.9
    assert cache.is_fresh(["a"])
    clock.now += 0.4
    assert cache.get("a", lambda: next(read)) == 0
    clock.now += 0.1
    assert cache.get("a", lambda: next(read)) == 1


def test_a_moment_keeps_nothing_that_was_forgotten_or_never_read(clock: Clock) -> None:
    cache, read = ValueCache(2.0), iter(range(10))
    cache.get("a", lambda: next(read))
    assert cache.is_fresh(["a"])
    assert cache.get("b", lambda: next(read)) == 1
    cache.clear()
    assert cache.get("a", lambda: next(read)) == 2
